"""HDF5 files of others, netCDF 4 among them: read without following what they say of other files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lmdata.data.store.prevented import summary
from lmdata.errors import ExtraMissing, InvalidInput

SIGNATURE = b"\x89HDF\r\n\x1a\n"
ENDINGS = (".h5", ".hdf5")


def is_hdf5(file: Path) -> bool:
    """Return whether a file says that it is one of HDF5, as those of netCDF 4 are.

    Examples
    --------
    >>> is_hdf5(Path(__file__))
    False
    """
    with file.open("rb") as stream:
        return stream.read(len(SIGNATURE)) == SIGNATURE


class Hdf5(Mapping[str, Any]):
    """The arrays of an HDF5 file by their paths, such as ``layers/hidden``, each read when it is asked for.

    Parameters
    ----------
    file : Path
        A local file.

    Raises
    ------
    ExtraMissing
        If the package h5py is not installed.
    InvalidInput
        If it is no such file, is damaged, or has contents that lie in other files.

    Examples
    --------
    >>> import h5py, tempfile
    >>> file = Path(tempfile.mkdtemp(), "states.h5")
    >>> with h5py.File(file, "w") as made:
    ...     made["layers/hidden"] = np.ones((2, 3, 1))
    >>> list(Hdf5(file)), Hdf5(file)["layers/hidden"].shape
    (['layers/hidden'], (2, 3, 1))
    """

    def __init__(self, file: Path) -> None:
        if missing := ExtraMissing.of("hdf5", f"{file.name}, an HDF5 file,", ("h5py",)):
            raise missing
        import h5py

        self.file = file
        self._names: list[str] = []

        def linked(name: str, link: Any) -> str | None:
            return name if isinstance(link, h5py.ExternalLink) else None

        def note(name: str, item: Any) -> str | None:  # each object once, whatever goes round, and no other file's
            if isinstance(item, h5py.Dataset):
                self._names.append(name)
                return name if item.external or item.is_virtual else None
            return None

        with self._opened() as group:  # the first name that is returned comes out
            elsewhere = group.visititems_links(linked) or group.visititems(note)
        if elsewhere is not None:
            raise InvalidInput(f"{file}: {elsewhere} is in another file; put the arrays themselves into one file")

    def _opened(self) -> Any:
        import h5py

        try:
            return h5py.File(self.file, "r")
        except OSError as error:
            if error.errno is not None:  # of the system, and no word on the file
                raise
            raise InvalidInput(f"{self.file} is no HDF5 file that can be read: {summary(error)}") from error

    def __getitem__(self, name: str) -> Any:
        import h5py

        if name not in self._names:
            raise KeyError(name)
        with self._opened() as group:
            try:
                array = group[name]
                texts = h5py.check_string_dtype(array.dtype) is not None
                return np.array(array.asstr()[...], np.str_) if texts else array[...]
            except (OSError, RuntimeError, ValueError, TypeError) as error:
                raise InvalidInput(f"{self.file}: {name} cannot be read: {summary(error)}") from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
