"""The cache of built datasets: each is made in a temporary place under a lock, and renamed when it is whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import platformdirs

from lmdata.data.digest import sha256_of_json
from lmdata.data.store.lock import WriterLock
from lmdata.data.store.storage import Place, writing
from lmdata.numerics.checks import as_path

Progress = Callable[[int, int], None] | bool | None
Build = Callable[[dict[str, Any], Path, Progress], None]
"""``build(recipe, location, progress)``: make a run store there, or go on with the one that is there."""
DATASETS = "datasets"
"""Folder of what is built from recipes."""
ANOTHER_CACHE = "make room or get access, or set LMDATA_CACHE to a folder that can be written"
"""Remedy where the cache cannot be written."""


def cache_folder() -> Path:
    """Return the cache's folder: ``LMDATA_CACHE``, or the user's cache directory."""
    own = os.environ.get("LMDATA_CACHE")
    return as_path(own, "LMDATA_CACHE").absolute() if own else platformdirs.user_cache_path("lmdata")


class Cache:
    """Built datasets in a folder, by the identity of their recipes.

    Parameters
    ----------
    folder
        Made when the first dataset is built.
    build
        Makes a run store from a recipe.
    """

    def __init__(self, folder: Path, build: Build) -> None:
        self.folder = folder
        self._build = build

    def place(self, recipe: dict[str, Any]) -> Path:
        """Return where the dataset of a recipe is, or will be."""
        return self.folder / DATASETS / sha256_of_json(recipe)

    def obtain(self, recipe: dict[str, Any], check: Callable[[Path], None], progress: Progress = None) -> Path:
        """Return the place of a recipe's dataset; build it if it is not there.

        Parameters
        ----------
        recipe
            As in a catalogue.
        check
            Called with the place of a dataset just built; what it raises keeps it from being served.
        progress
            Passed on to the builder.

        Raises
        ------
        StoreError
            If the cache cannot be made, locked or written; what the builder raises is let through.
        """
        place = self.place(recipe)
        with writing(Place(self.folder), ANOTHER_CACHE):
            if place.exists():
                return place
            building = self.folder / "building" / place.name
            for folder in (building, place):
                folder.parent.mkdir(parents=True, exist_ok=True)
            with WriterLock(building.with_suffix(".lock"), wait=True):
                if not place.exists():  # another process may have built it while this one waited
                    self._build(recipe, building, progress)
                    check(building)
                    building.rename(place)
        return place
