"""Identity of recipes, members and datasets: canonical JSON and SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmdata.errors import InvalidInput

ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
"""What makes a JSON text canonical."""

JOINED = 2**13
"""Bytes of positions that are copied next to their key: below, one call costs less than two."""


def canonical_json(value: Any) -> str:
    """Return the one JSON text of a value: keys sorted, no spaces, floats by ``repr``, ASCII.

    Equal values have equal texts, and the text gives the value back exactly. ``2`` and ``2.0`` differ.

    Raises
    ------
    InvalidInput
        For NaN, infinities, keys that are not text, and whatever JSON cannot hold.

    Examples
    --------
    >>> canonical_json({"b": [1, 0.1], "a": None})
    '{"a":null,"b":[1,0.1]}'
    """
    _check_keys(value)
    try:
        return ENCODER.encode(value)
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"{value!r} has no canonical JSON ({error}); use None, bool, int, finite float, str, list dict"
        ) from error


def _check_keys(value: Any) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise InvalidInput(f"key {key!r} of {value!r} is not text; JSON objects have text keys")
            _check_keys(item)
    elif isinstance(value, list | tuple):
        for item in value:
            if isinstance(item, dict | list | tuple):
                _check_keys(item)


def sha256_of_json(value: Any) -> str:
    """Return the SHA-256 (hex) of a value's canonical JSON; of a recipe, this is the recipe id.

    Examples
    --------
    >>> sha256_of_json({"steps": 3, "seeds": [0]}) == sha256_of_json({"seeds": [0], "steps": 3})
    True
    """
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def member_key(coordinates: Mapping[str, float]) -> str:
    """Return a member's key: the canonical JSON of its seed and swept values.

    Parameters
    ----------
    coordinates
        ``{"seed": s, "<swept parameter>": value, ...}`` with an int seed and float values.

    Examples
    --------
    >>> member_key({"seed": 3, "influence": 0.5})
    '{"influence":0.5,"seed":3}'
    """
    return canonical_json({name: value if name == "seed" else float(value) for name, value in coordinates.items()})


def member_digest(key: str, position: NDArray[Any] | Iterable[NDArray[Any]]) -> str:
    r"""Return the SHA-256 (hex) of ``key``, a zero byte, and the positions' bytes (little-endian, C order).

    The key makes two members with swapped data differ from what they were.

    Parameters
    ----------
    key
        Result of `member_key`.
    position : (time, token, component), or parts of it in the order of time
        As stored: float64 or float32.

    Examples
    --------
    >>> import numpy as np
    >>> whole = np.arange(6.0).reshape(3, 2, 1)
    >>> member_digest("{}", whole) == member_digest("{}", [whole[:1], whole[1:]])
    True
    """
    sha = hashlib.sha256(key.encode() + b"\0")
    for part in [position] if isinstance(position, np.ndarray) else position:
        sha.update(np.ascontiguousarray(part, dtype=part.dtype.newbyteorder("<")))
    return sha.hexdigest()


def member_digests(keys: Iterable[str], position: NDArray[Any], *others: NDArray[Any]) -> list[str]:
    """Return `member_digest` of each member, a key and an entry of ``position`` (member, time, token, component) each.

    Where the result of a member has other parts, its entries of them follow.

    Examples
    --------
    >>> import numpy as np
    >>> position = np.arange(12.0).reshape(2, 3, 2, 1)
    >>> member_digests(["{}", "{}"], position)[1] == member_digest("{}", position[1])
    True
    """
    if others:
        return [member_digest(key, parts) for key, *parts in zip(keys, position, *others, strict=True)]
    whole = np.ascontiguousarray(position, dtype=position.dtype.newbyteorder("<"))
    return [
        hashlib.sha256(key.encode() + b"\0" + own.tobytes()).hexdigest()
        if own.nbytes <= JOINED
        else member_digest(key, own)
        for key, own in zip(keys, whole, strict=True)
    ]


def array_digest(values: NDArray[Any]) -> list[Any]:
    """Return what an array is, and the SHA-256 (hex) of its numbers or its text.

    Examples
    --------
    >>> array_digest(np.zeros(2))[:2]
    ['<f8', [2]]
    """
    plain = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    return [plain.dtype.str, list(plain.shape), hashlib.sha256(plain.tobytes()).hexdigest()]


def dataset_digest(recipe: str, members: Iterable[str]) -> str:
    """Return the SHA-256 (hex) of a recipe id and the digests of all members in grid order.

    Examples
    --------
    >>> dataset_digest("r", ["m1", "m2"]) == dataset_digest("r", ["m2", "m1"])
    False
    """
    return hashlib.sha256("\0".join([recipe, *members]).encode()).hexdigest()
