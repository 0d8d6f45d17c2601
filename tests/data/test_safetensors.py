"""Files of tensors: what another package writes is read alike; what is damaged or lies about itself is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmdata.data.safetensors import Safetensors
from lmdata.errors import InvalidInput

ARRAYS = {
    "empty": np.zeros((0, 3), np.float32),
    "matrix": np.arange(6.0).reshape(2, 3),
    "half": np.array([1.5, -2.0], np.float16),
    "number": np.array(7, np.int64),
    "flags": np.array([True, False]),
}


def written(file, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return file


def test_what_the_package_writes_is_read_alike(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    safetensors.save_file(ARRAYS, tmp_path / "x.safetensors", metadata={"format": "np"})
    found = Safetensors(tmp_path / "x.safetensors")
    assert set(found) == set(ARRAYS)
    assert len(found) == len(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_bfloat16_is_the_upper_half_of_a_float32(tmp_path):
    values = np.array([1.0, -2.5, 3.140625, np.inf, 1e-40], np.float32)
    upper = (values.view(np.uint32) >> 16).astype("<u2")
    file = written(tmp_path / "x", {"x": {"dtype": "BF16", "shape": [5], "data_offsets": [0, 10]}}, upper.tobytes())
    np.testing.assert_array_equal(Safetensors(file)["x"], (upper.astype(np.uint32) << 16).view(np.float32))
    np.testing.assert_array_equal(Safetensors(file)["x"][:4], values[:4])


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize(
    ("header", "data", "words"),
    [
        (b"not json", b"", "no JSON object"),
        (b"[]", b"", "no JSON object"),
        (b"[" * 100_000, b"", "no JSON object"),
        ({"x": 3}, b"", "no dtype, shape and place"),
        ({"x": {"dtype": "F32"}}, b"", "no dtype, shape and place"),
        ({"x": entry("O8")}, b"12345678", "dtype 'O8'"),
        ({"x": entry(["F32"])}, b"12345678", "dtype"),
        ({"x": entry(shape=(-2,))}, b"12345678", "shape"),
        ({"x": entry(shape=(2.0,))}, b"12345678", "shape"),
        ({"x": entry(shape=(True, 2))}, b"12345678", "shape"),
        ({"x": entry(shape=(3,))}, b"12345678", "12 bytes from 0"),
        ({"x": entry(shape=(1,))}, b"12345678", "4 bytes from 0"),
        ({"x": entry(shape=(2**62, 4))}, b"12345678", "are its own"),
        ({"x": entry(offsets=(4, 12))}, b"123456789012", "lies at bytes 4 to 12"),
        ({"x": entry(), "y": entry()}, b"12345678", "lies at bytes 0 to 8"),
        ({"x": entry()}, b"1234", "it was cut"),
        ({"x": entry()}, b"1234567890", "10 bytes of data"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(tmp_path, header, data, words):
    with pytest.raises(InvalidInput, match=words):
        Safetensors(written(tmp_path / "x", header, data))


def test_a_file_that_is_too_short_for_its_header_is_refused(tmp_path):
    for length in (10**12, 50):
        (tmp_path / "x").write_bytes(length.to_bytes(8, "little") + b"{}")
        with pytest.raises(InvalidInput, match="header would be of"):
            Safetensors(tmp_path / "x")
    (tmp_path / "x").write_bytes(b"")
    with pytest.raises(InvalidInput, match="no JSON object"):
        Safetensors(tmp_path / "x")


def test_a_file_of_nothing_but_an_empty_array_is_read(tmp_path):
    assert Safetensors(written(tmp_path / "x", {"x": entry(shape=(0, 3), offsets=(0, 0))}))["x"].shape == (0, 3)


@given(place=st.integers(0, 200), value=st.integers(0, 255))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_one_changed_byte_is_refused_or_changes_one_number_or_name(tmp_path_factory, place, value):
    file = written(tmp_path_factory.mktemp("x") / "x", {"x": entry(), "yy": entry("F16", (2, 2), (8, 16))}, bytes(16))
    content = bytearray(file.read_bytes())
    content[place % len(content)] = value
    file.write_bytes(content)
    try:
        found = Safetensors(file)
    except InvalidInput:
        return
    for name in found:
        assert found[name].nbytes <= 16
