"""What damages stores, as in the data room's tests."""

from ..data.conftest import damage, raw

__all__ = ["damage", "raw"]
