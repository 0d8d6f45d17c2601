import hashlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmdata.data.digest import (
    JOINED,
    canonical_json,
    dataset_digest,
    member_digest,
    member_digests,
    member_key,
    sha256_of_json,
)
from lmdata.errors import InvalidInput

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(plain)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_canonical_json_gives_the_value_back(value):
    text = canonical_json(value)
    assert text.isascii()
    back = json.loads(text)
    assert back == value
    assert canonical_json(back) == text


@given(st.dictionaries(st.text(max_size=4), plain, max_size=6), st.randoms())
@settings(max_examples=100, deadline=None, derandomize=True)
def test_canonical_json_does_not_depend_on_the_order_of_keys(value, random):
    items = list(value.items())
    random.shuffle(items)
    assert canonical_json(dict(items)) == canonical_json(value)


def test_floats_keep_every_bit_and_differ_from_integers():
    assert json.loads(canonical_json(0.1 + 0.2)) == 0.1 + 0.2
    assert canonical_json(2) != canonical_json(2.0)
    assert canonical_json(-0.0) != canonical_json(0.0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1: 2}, {"a": {None: 1}}, {1, 2}, b"x", [object()]])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(InvalidInput):
        canonical_json(value)


def test_recipe_id_is_the_hash_of_the_canonical_text():
    assert sha256_of_json({"b": 1, "a": 0.5}) == hashlib.sha256(b'{"a":0.5,"b":1}').hexdigest()


def test_member_key_does_not_depend_on_how_a_value_is_written():
    assert (
        member_key({"influence": 1, "seed": 3})
        == member_key({"seed": 3, "influence": 1.0})
        == '{"influence":1.0,"seed":3}'
    )


@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f4"])
def test_member_digest_is_of_key_and_little_endian_bytes(dtype):
    position = np.arange(12.0).reshape(3, 2, 2).astype(dtype)
    values = position.astype(np.dtype(dtype).newbyteorder("<"))
    expected = hashlib.sha256(b"key\0" + values.tobytes()).hexdigest()
    assert member_digest("key", position) == expected
    assert member_digest("key", position.transpose(2, 1, 0).copy().transpose(2, 1, 0)) == expected
    assert member_digest("key", [position[:1], position[1:1], position[1:]]) == expected
    assert member_digest("other", position) != expected


@pytest.mark.parametrize("tokens", [2, JOINED], ids=["small", "large"])
def test_many_members_have_the_digests_of_each(tokens):
    position = np.arange(6.0 * tokens).reshape(3, 2, tokens, 1)
    keys = ["a", "b", "a"]
    assert member_digests(keys, position) == [member_digest(*each) for each in zip(keys, position, strict=True)]
    assert len(set(member_digests(keys[:2], np.stack([position[0]] * 2)))) == 2, "the key counts"


def test_dataset_digest_depends_on_every_part_and_its_place():
    digests = {
        dataset_digest(*parts)
        for parts in [("r", ["a", "b"]), ("r", ["b", "a"]), ("s", ["a", "b"]), ("r", ["ab"]), ("ra", ["b"])]
    }
    assert len(digests) == 5
