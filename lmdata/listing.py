"""What the datasets of the catalogue are, each in a line: model, members, size, cost, built or not."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmdata.data.catalog.catalog import Catalog
from lmdata.errors import LmdataError
from lmdata.markup import table
from lmdata.runs.recipe import Recipe
from lmdata.selection.recipe import SelectionRecipe
from lmdata.sensitivity.recipe import AtlasRecipe
from lmdata.wording import counted, sized


@dataclass(frozen=True)
class Listing:
    """A dataset of the catalogue.

    Parameters
    ----------
    name, title
        As catalogued.
    model
        Kind of its model; ``atlas`` before it for an atlas. None where the data comes without a recipe.
    members
        How many runs it has; starts, for an atlas.
    size
        Bytes on disk of what is built; of positions, in float64, where it is not and the recipe tells.
    cost
        Pairs of tokens that act on each other, over all steps and members; None where the recipe does not tell.
    built
        Its data is there, and opens at once.
    paper
        Whose claim it shows.
    """

    name: str
    title: str
    model: str | None
    members: int | None
    size: int | None
    cost: int | None
    built: bool
    paper: str | None


def listed(catalog: Catalog, names: Iterable[str] | None = None) -> list[Listing]:
    """Return what the datasets of a catalogue are; nothing is built, opened or drawn.

    Parameters
    ----------
    catalog
        As `lmdata.catalog`.
    names
        All by default.

    Raises
    ------
    UnknownName
        If there is no such entry.

    Examples
    --------
    >>> import lmdata
    >>> one = listed(lmdata.catalog, ["localmax-square"])[0]
    >>> one.model, one.members, one.cost
    ('localmax', 200, 12288000)
    """
    found = []
    for name in catalog if names is None else names:
        info = catalog.info(name)
        model, members, size, cost = _told(info.get("recipe"))
        built = bool(info["there"])
        size = _on_disk(Path(info["location"])) if built else size
        found.append(Listing(name, info["title"], model, members, size, cost, built, info.get("paper")))
    return found


def as_html(catalog: Catalog) -> str:
    """Return the datasets of a catalogue as an HTML table.

    Examples
    --------
    >>> import lmdata
    >>> "localmax-square" in as_html(lmdata.catalog)
    True
    """
    rows = [
        (
            one.name,
            one.title,
            one.model or "",
            "" if one.members is None else f"{one.members:,}",
            "" if one.size is None else sized(one.size),
            "" if one.cost is None else f"{one.cost:.1e}",
            "yes" if one.built else "",
            one.paper or "",
        )
        for one in listed(catalog)
    ]
    title = f"{counted(len(rows), 'dataset')}; lmdata.open(name) builds what is not built"
    return table(rows, ("name", "title", "model", "members", "size", "pairs", "built", "paper"), title=title)


def _told(recipe: Mapping[str, Any] | None) -> tuple[str | None, int | None, int | None, int | None]:
    """Return what a recipe tells without being run: model, members, bytes, pairs of tokens.

    A recipe that cannot be read here, since its model or tokens are of a package that is not installed, tells nothing.
    """
    if recipe is None:
        return None, None, None, None
    model = recipe.get("model")
    kind = str(model.get("kind")) if isinstance(model, Mapping) else None
    try:
        if "lmdata_atlas" in recipe:
            return f"atlas {kind}", len(AtlasRecipe.from_specification(recipe).seeds), None, None
        if kind == "selection":
            return kind, SelectionRecipe.from_specification(recipe).size, None, None
        if kind == "transformer":
            return kind, len(recipe.get("texts", ())), None, None
        run = Recipe.from_specification(recipe)
    except LmdataError:
        return kind, None, None, None
    return kind, run.size, run.size * run.member_bytes, run.size * run.steps * run.tokens.shape[0] ** 2


def _on_disk(place: Path) -> int:
    """Return the bytes of the files below a place."""
    return sum(
        os.stat(os.path.join(folder, file)).st_size  # noqa: PTH116, PTH118 - in thousands, paths take long
        for folder, _, files in os.walk(place)
        for file in files
    )
