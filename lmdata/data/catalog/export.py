"""Catalogues for other programs: intake's YAML and STAC's JSON, with the datasets as plain zarr beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lmdata.data.catalog.file import Entry, dump_yaml
from lmdata.data.opening import open_dataset
from lmdata.data.store.making import making, move, move_beside, refuse_taken
from lmdata.data.store.storage import ELSEWHERE, Place, writing
from lmdata.errors import InvalidInput

SUFFIXES: Mapping[str, tuple[str, ...]] = {"intake": (".yaml", ".yml"), "stac": (".json",)}
"""Formats, and how their files end."""
STAC_VERSION = "1.0.0"
ZARR_TYPE = "application/vnd+zarr"


def export_catalog(
    entries: Mapping[str, Entry],
    copy: Callable[[str, Path], None],
    target: Path,
    *,
    format: str,  # noqa: A002
) -> None:
    """Write a catalogue for another program; everything is checked first, and moved to its place when it is whole.

    Parameters
    ----------
    entries
        The datasets to write, by name.
    copy
        Called as ``copy(name, place)``: writes a dataset as plain zarr.
    target, format
        As for ``lmdata.catalog.export``.

    Raises
    ------
    InvalidInput
        If the format or the ending of the target is none of `SUFFIXES`, or there is no entry.
    StoreExists
        If there is something at the target.
    StoreError
        If a dataset cannot be built or copied.
    """
    if format not in SUFFIXES:
        raise InvalidInput(f"format is {format!r}; a catalogue is exported as {' or '.join(map(repr, SUFFIXES))}")
    if target.suffix.lower() not in SUFFIXES[format]:
        endings = " or ".join(SUFFIXES[format])
        raise InvalidInput(f"target is {str(target)!r}; a catalogue for {format} is a file that ends in {endings}")
    folder = target.with_suffix("")
    refuse_taken(target)  # the folder is, where a killed export has left it, taken back first: see `making`
    if not entries:
        raise InvalidInput("names is empty; name at least one dataset of the catalogue")
    with writing(Place(target), ELSEWHERE), making(target, beside=[folder]) as building:
        data, file = building / "data", building / "file"
        data.mkdir()
        created = {name: _export_data(copy, name, data / f"{name}.zarr") for name in entries}
        if format == "intake":
            text = _intake(entries, folder.name)
        else:
            for name, entry in entries.items():
                item = _stac_item(name, entry, created[name], target)
                (data / f"{name}.json").write_text(json.dumps(item, indent=1), encoding="utf-8")
            text = json.dumps(_stac_catalog(entries, folder.name), indent=1)
        file.write_text(text, encoding="utf-8")
        move_beside(data, folder)
        move(file, target)


def _export_data(copy: Callable[[str, Path], None], name: str, place: Path) -> str:
    """Write a dataset as plain zarr; return when it was made."""
    copy(name, place)
    return str(open_dataset(place).attrs.get("created", "1970-01-01T00:00:00+00:00"))


def _about(entry: Entry) -> dict[str, Any]:
    """Return what an entry says beside its title and its place."""
    return entry.model_dump(mode="json", exclude_none=True, exclude={"title", "description", "driver", "path"})


def _intake(entries: Mapping[str, Entry], folder: str) -> str:
    sources = {
        name: {
            "description": entry.description or entry.title,
            "driver": "zarr",
            "args": {"urlpath": f"{{{{ CATALOG_DIR }}}}/{folder}/{name}.zarr"},
            "metadata": {"title": entry.title, **_about(entry)},
        }
        for name, entry in entries.items()
    }
    return dump_yaml({"metadata": {"version": 1}, "sources": sources})


def _stac_catalog(entries: Mapping[str, Entry], folder: str) -> dict[str, Any]:
    links = [
        {"rel": "item", "href": f"./{folder}/{name}.json", "type": "application/geo+json", "title": entry.title}
        for name, entry in entries.items()
    ]
    return {
        "type": "Catalog",
        "stac_version": STAC_VERSION,
        "id": "lmdata",
        "description": "Datasets of attention dynamics, made with lmdata",
        "links": links,
    }


def _stac_item(name: str, entry: Entry, created: str, catalog: Path) -> dict[str, Any]:
    """Return a STAC item; a dataset of dynamics lies nowhere on Earth, so that its geometry is null."""
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "id": name,
        "geometry": None,
        "properties": {
            "datetime": created,
            "title": entry.title,
            "description": entry.description or entry.title,
            **{f"lmdata:{key}": value for key, value in _about(entry).items()},
        },
        "links": [{"rel": "root", "href": f"../{catalog.name}", "type": "application/json"}],
        "assets": {"data": {"href": f"./{name}.zarr", "type": ZARR_TYPE, "roles": ["data"]}},
    }
