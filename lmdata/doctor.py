"""``lmdata doctor``: what this machine has, and which kernel serves which size."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from typing import Any

from lmdata import plugins
from lmdata.dynamics.kernels.backends import choose
from lmdata.errors import BackendUnavailable
from lmdata.numerics.threads import cores

SIZES = {
    "1000 members, 16 tokens, 2 components": (1000, 16, 2),
    "1 member, 2000 tokens, 2 components": (1, 2000, 2),
    "1 member, 2000 tokens, 64 components": (1, 2000, 64),
    "1 member, 1000000 tokens, 2 components": (1, 1_000_000, 2),
}
EXTRAS = {
    "view": "panel",
    "text": "wordllama",
    "transformer": "tokenizers",
    "hdf5": "h5netcdf",
    "s3": "obstore",
    "selection": "clarabel",
    "distributed": "distributed",
    "gpu": "cupy-cuda13x",
}


def doctor() -> dict[str, Any]:
    """Return what `lmdata doctor` prints: versions, extras, the cache, backends and the kernel for each size."""
    import lmdata

    names = ("lmdata", "numpy", "numba", "xarray", "zarr", "icechunk", "dask")
    kernels = {}
    for size, (members, n, d) in SIZES.items():
        choice = choose("auto", kind="localmax", members=members, tokens=n, components=d)
        kernels[size] = f"{choice} ({choice.reason})"
    facts = {
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in names},
        "extras": {extra: _installed(package) for extra, package in EXTRAS.items()},
        "processors": cores(),
        "cache": str(lmdata.catalog.cache),
        "cupy": _cupy(),
        "chromium": shutil.which("chromium") or "absent (needed only by the tests of the pages)",
        "kernels": kernels,
        "plugins": _plugins(),
    }
    return facts | {"text": "\n".join(_lines(facts))}


def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def _plugins() -> dict[str, str]:
    """Return what other packages add, and which package it is; nothing of it is imported."""
    return {
        f"{group} {name}": " and ".join(map(str, offered))
        for group in plugins.GROUPS
        for name, offered in plugins.offers(group).items()
    }


def _cupy() -> str:
    try:
        choose("cupy", kind="localmax", members=1, tokens=2, components=2)
    except BackendUnavailable as error:
        return str(error)
    return "available"


def _lines(facts: dict[str, Any]) -> list[str]:
    lines = []
    for name, value in facts.items():
        if isinstance(value, dict):
            lines.append(f"{name}:")
            lines.extend(f"  {key}: {item}" for key, item in value.items())
        else:
            lines.append(f"{name}: {value}")
    return lines
