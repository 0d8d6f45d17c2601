"""How much is written: chunks that a later commit writes again stay on the disk until somebody tidies up."""

from __future__ import annotations

from icechunk import IcechunkStore
from zarr.core.buffer import Buffer
from zarr.storage import WrapperStore

WRITTEN = "lmdata_written"
"""Metadata of a commit: how many bytes were written for it."""
BLOCK = 4096
"""Bytes of a disk that a file takes at least."""


class Counted(WrapperStore[IcechunkStore]):
    """The zarr store of a session, and how much has been written through it.

    Attributes
    ----------
    written : int
        Bytes that it takes on a disk, as if each chunk were a file.
    """

    def __init__(self, store: IcechunkStore) -> None:
        super().__init__(store)
        self.written = 0

    async def set(self, key: str, value: Buffer) -> None:
        """Write, and count."""
        await super().set(key, value)
        self.written += -(-len(value) // BLOCK) * BLOCK
