"""What training makes attention select: correlation with every max-margin solution, weight, margin, and who wins.

    python pipelines/token_selection.py selection-single-local --output figures

For datasets of `lmdata.selection` (arXiv 2306.13596, 2308.16898). Keeps the result beside its source as
NAME-token-selection, and draws it.
"""

from __future__ import annotations

from typing import Any

import xarray

from lmdata import selection
from lmdata.pipeline import Study
from lmdata.view import selection as view
from lmdata.wording import counted


def measure(ds: xarray.Dataset) -> xarray.Dataset:
    """Return the solutions of a training run and the lazy measures against them."""
    found = selection.solutions(ds)
    measures = [
        selection.direction_correlation(ds, found),
        selection.selected_mass(ds, found).mean("sample", keep_attrs=True),
        selection.path_margin(ds, found),
        selection.winner(ds, found),
    ]
    return xarray.merge([found, selection.norms(ds), *measures], compat="no_conflicts", combine_attrs="override")


def figures(found: xarray.Dataset) -> list[Any]:
    """Draw paths, where prompts are trained, and how they turn to the solutions."""
    of_solutions = [name for name, array in found.items() if "solution" in array.dims and "iteration" not in array.dims]
    solved = found[of_solutions].compute()
    drawn = [view.correlation(found, solved), view.mass(found, solved)]
    return [view.paths(found, solved), *drawn] if "prompt" in found and found.sizes["feature"] > 1 else drawn


def text(found: xarray.Dataset) -> str:
    """Say which solution wins, how often."""
    winner = found.winner.values.ravel()
    counts = {int(number): int((winner == number).sum()) for number in sorted(set(winner.tolist()))}
    whole = counted(winner.size, "member")
    told = [f"{count} of {whole} select solution {number}" for number, count in counts.items() if number >= 0]
    none = [f"{counts[-1]} select none of them"] if -1 in counts else []
    return "; ".join([*told, *none]) + "."


STUDY = Study("token-selection", measure, figures, text)

if __name__ == "__main__":
    STUDY.command(__doc__)
