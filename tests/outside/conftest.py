"""The bucket of the data room's tests."""

from ..data.conftest import server

__all__ = ["server"]
