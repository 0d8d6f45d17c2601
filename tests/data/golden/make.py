"""Write small stores as this version of lmdata writes them: ``python tests/data/golden/make.py`` at each release.

What is in this folder is never changed or removed: every later version has to read it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import lmdata
from lmdata.data.derived import save_derived
from lmdata.data.export import export_zarr
from lmdata.data.layout import Layout
from lmdata.data.opening import open_dataset
from lmdata.data.store.writer import RunStore


def main() -> None:
    """Write a run store, its export and a dataset derived from it."""
    folder = Path(__file__).parent / lmdata.__version__
    layout = Layout(
        swept={"influence": (0.1, 1.0)},
        seeds=(0, 1, 7),
        time=np.arange(4),
        time_unit="step",
        labels=("we", "are", "écru", "we_2"),
        tokens=4,
        components=2,
        diagnostics=("ambiguous_ties",),
        attrs={"recipe_id": "0" * 64, "created": "2026-01-01T00:00:00+00:00"},
    )
    position = np.arange(192.0).reshape(6, 4, 4, 2)
    with RunStore.create(folder / "run", layout) as store:
        for block in store.pending():
            rows = list(block)
            marks = {"ambiguous_ties": np.arange(24).reshape(6, 4)[rows]}
            store.put(block, position[rows], steps_done=3, diagnostics=marks)
    export_zarr(folder / "run", folder / "export.zarr")
    source = open_dataset(folder / "run")
    total = source.position.sum(("token", "component")).to_dataset(name="total")
    save_derived(total, folder / "derived.zarr", source=source, made_by="make.py")


if __name__ == "__main__":
    main()
