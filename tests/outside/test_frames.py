"""Frames of reference are what their formulas say, whatever the scale of the states."""

from __future__ import annotations

import numpy as np
import pytest

import lmdata
from lmdata.errors import InvalidInput, UnknownName
from lmdata.outside.frames import framed

STATES = np.random.default_rng(0).normal(size=(3, 4, 6))


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
def test_directions_have_length_one_and_layer_norm_mean_zero_and_variance_one(scale):
    sphere, normed = framed(STATES * scale, "sphere"), framed(STATES * scale, "layernorm")
    np.testing.assert_allclose(np.linalg.norm(sphere, axis=-1), 1.0, rtol=1e-15)
    np.testing.assert_allclose(sphere * np.linalg.norm(STATES, axis=-1, keepdims=True), STATES, rtol=1e-13)
    np.testing.assert_allclose(normed.mean(axis=-1), 0.0, atol=1e-15)
    np.testing.assert_allclose((normed**2).mean(axis=-1), 1.0, rtol=1e-14)
    expected = (STATES - STATES.mean(-1, keepdims=True)) / STATES.std(-1, keepdims=True)
    np.testing.assert_allclose(normed, expected, rtol=1e-11, atol=1e-13)


def test_a_frame_and_tokens_left_out_are_part_of_the_dataset(tmp_path):
    words = [["[CLS]", "a", "cat"], ["[CLS]", "b"]]
    states = [STATES[:, :3], STATES[:, :2]]
    ds = lmdata.from_trajectory(states, token=words, frame="sphere", without=["[CLS]"], store=tmp_path / "s")
    assert '"frame":"sphere"' in ds.attrs["source"]
    assert '"without":["[CLS]"]' in ds.attrs["source"]
    assert ds.word.values.tolist() == [["a", "cat"], ["b", ""]]
    np.testing.assert_array_equal(ds.position[1, :, :1], framed(states[1][:, 1:], "sphere"))
    assert ds.position[1, :, 1].isnull().all()
    np.testing.assert_array_equal(lmdata.from_trajectory(states, without=[0], frame="sphere").position, ds.position)


def test_what_has_no_direction_is_named():
    states = STATES.copy()
    states[1, 2] = 3.0
    with pytest.raises(InvalidInput, match=r"\[1, 2\].*all its components are equal"):
        framed(states, "layernorm")
    with pytest.raises(UnknownName, match="sphere"):
        framed(STATES, "spheres")
