"""Reading safetensors files without trusting them: arrays mapped from disk, read when their pages are touched.

The form (huggingface/safetensors, 0.x): eight bytes with the length of a JSON header, the header, then the bytes of the
arrays, one after the other without gaps. Nothing in it can be executed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmdata.errors import InvalidInput

DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip
"""NumPy's names; bfloat16, the upper half of a float32, is read as such."""

HEADER_BYTES = 100_000_000
"""Longest header, as the form has it."""


class Tensor(NamedTuple):
    """Where an array lies in the file: its type, shape, and first and last byte of the data."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


class Safetensors(Mapping[str, NDArray[Any]]):
    """The arrays of a safetensors file, by name, mapped read-only; bfloat16 comes as a float32 copy.

    Parameters
    ----------
    file : Path
        A local file.

    Raises
    ------
    InvalidInput
        If it is no such file, was cut, or its header does not fit its data; the message names the file.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "model.safetensors")
    >>> header = b'{"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}'
    >>> _ = file.write_bytes(len(header).to_bytes(8, "little") + header + np.array([1, 2], "<f4").tobytes())
    >>> Safetensors(file)["x"]
    memmap([1., 2.], dtype=float32)
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._start, header = _header(file)
        self._tensors = {name: _tensor(file, name, entry) for name, entry in header.items() if name != "__metadata__"}
        self._check_layout(file.stat().st_size - self._start)

    def _check_layout(self, size: int) -> None:
        """Check that the arrays lie one after the other and fill the file: none reaches outside, or into another."""
        end = 0
        for name, tensor in sorted(self._tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
            length = math.prod(tensor.shape) * np.dtype(DTYPES[tensor.dtype]).itemsize
            if tensor.begin != end or tensor.end - tensor.begin != length:
                raise InvalidInput(
                    f"{self.file}: {name!r} lies at bytes {tensor.begin} to {tensor.end}, and {length} bytes from {end}"
                    " are its own: the file is damaged, or no safetensors file"
                )
            end = tensor.end
        if end != size:
            raise InvalidInput(f"{self.file} has {size} bytes of data, and its header tells of {end}: it was cut")

    def stored_dtype(self, name: str) -> str:
        """Return the type of the numbers in the file, by NumPy's name; bfloat16 by its own."""
        dtype = self._tensors[name].dtype
        return "bfloat16" if dtype == "BF16" else np.dtype(DTYPES[dtype]).name

    def __getitem__(self, name: str) -> NDArray[Any]:
        tensor = self._tensors[name]
        if tensor.begin == tensor.end:
            return np.empty(tensor.shape, DTYPES[tensor.dtype])
        found = np.memmap(self.file, DTYPES[tensor.dtype], "r", self._start + tensor.begin, tensor.shape)
        if tensor.dtype == "BF16":
            return (found.astype(np.uint32) << 16).view(np.float32)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


def _header(file: Path) -> tuple[int, dict[str, Any]]:
    """Return where the data begin, and the header."""
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > min(HEADER_BYTES, file.stat().st_size):
            raise InvalidInput(f"{file} is no safetensors file: its header would be of {length} bytes")
        text = stream.read(length)
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise InvalidInput(f"{file} is no safetensors file: its header is no JSON object")
    return 8 + length, header


def _tensor(file: Path, name: str, entry: Any) -> Tensor:
    """Return an entry of the header, checked."""
    try:
        tensor = Tensor(entry["dtype"], tuple(entry["shape"]), *entry["data_offsets"])
        numbers = (*tensor.shape, tensor.begin, tensor.end)
    except (TypeError, KeyError):
        raise InvalidInput(f"{file}: the header tells of {name!r} {entry!r:.80}, no dtype, shape and place") from None
    if not isinstance(tensor.dtype, str) or tensor.dtype not in DTYPES:
        raise InvalidInput(f"{file}: {name!r} is of the dtype {tensor.dtype!r:.40}; {', '.join(DTYPES)} can be read")
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise InvalidInput(f"{file}: {name!r} has the shape {tensor.shape!r:.80}, from {tensor.begin} to {tensor.end}")
    return tensor
