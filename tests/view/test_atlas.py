"""Strips and limits of an atlas: what is drawn is what the atlas says, on the screen and on paper."""

from __future__ import annotations

import numpy as np
import pytest

import lmdata
from lmdata import view
from lmdata.errors import InvalidInput, UnknownName
from lmdata.view.atlas import legend


@pytest.fixture(scope="module")
def atlas():
    return lmdata.atlas(lmdata.Localmax(), lmdata.tokens.uniform(6, 2), seeds=(4, 9))


def columns(figure, k=0):
    element = list(figure)[k]
    return {dim.name: element.dimension_values(dim) for dim in element.dimensions()}


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_bands_are_the_pieces(atlas, scale, tmp_path):
    figure = view.sensitivity_bands(atlas, scale=scale)
    drawn = columns(figure)
    left, right = drawn["x"], drawn["x1"]
    for seed, row in ((4, 1.0), (9, 0.0)):
        own = np.isclose(drawn["y"] + 0.4, row)
        np.testing.assert_allclose(left[own][1:], right[own][:-1])
        middle = (left[own] + right[own]) / 2
        said = atlas.atlas.at(middle).sel(seed=seed)
        wide = (right - left)[own] > 1e-9
        expected = np.where(said.certified, said.vertex_count, 0)
        np.testing.assert_array_equal(drawn["shade"][own][wide], expected[wide])
    assert view.save(figure, tmp_path / "bands.png").stat().st_size > 1000


@pytest.mark.parametrize("of", ["vertex_count", "s2_size", "frozen_from"])
@pytest.mark.parametrize("scale", ["linear", "log"])
def test_numbers_and_colours_tell_the_value_of_their_band(atlas, of, scale):
    figure = view.sensitivity_bands(atlas, of=of, scale=scale)
    bands, numbers = columns(figure), columns(figure, 1)
    assert len(numbers["x"]) >= 2
    for x, y, text in zip(numbers["x"], numbers["y"], numbers["text"], strict=True):
        said = atlas.atlas.at(x)[of].sel(seed=9 if y == 0.0 else 4)
        row = np.isclose((bands["y"] + bands["y1"]) / 2, y)
        # a number stands in the middle of its run of bands, which may be where one is that is not seen
        near = row & (bands["x"] < x * 1.02) & (bands["x1"] > x * 0.98)
        assert text in {str(int(said)), *bands["said"][near].tolist()}
    key = legend(atlas, of)
    for shade, said in zip(bands["shade"].astype(int), bands["said"], strict=True):
        if shade:
            ends = key[shade].split("–")
            assert int(ends[0]) <= int(said) <= int(ends[-1])
        else:
            assert said == "not known"


@pytest.mark.parametrize("of", ["vertex_count", "s2_size"])
@pytest.mark.parametrize("scale", ["linear", "log"])
def test_shares_are_those_of_the_starts_at_a_sensitivity(of, scale, tmp_path):
    ds = lmdata.atlas(lmdata.Localmax(), lmdata.tokens.uniform(6, 2), seeds=range(7), limits=False)
    figure = view.sensitivity_shares(ds, of=of, scale=scale)
    drawn, key = columns(figure), legend(ds, of)
    compared = 0
    for edge in np.unique(drawn["x"])[::40]:
        own = drawn["x"] == edge
        end = drawn["x1"][own][0]
        middle = np.sqrt(edge * end) if scale == "log" else (edge + end) / 2
        there = ds.atlas.at(middle)
        assert np.isclose((drawn["y1"] - drawn["y"])[own].sum(), 1.0)
        for shade, part in zip(drawn["shade"][own], (drawn["y1"] - drawn["y"])[own], strict=True):
            if shade and key[int(shade)].isdigit():
                alike = (there.certified & (there[of] == int(key[int(shade)]))).values
                assert np.isclose(part, alike.mean())
                compared += 1
    assert compared > 12
    assert view.save(figure, tmp_path / "shares.png").stat().st_size > 1000


def test_limits_are_those_of_the_atlas(atlas, tmp_path):
    figure = view.limits_along(atlas, seed=9, scale="linear")[1]
    others, vertices = columns(figure, 0), columns(figure, 1)
    delta = 0.3
    one = atlas.atlas.at(delta).sel(seed=9)
    drawn = sorted({*vertices["y"][(vertices["x"] <= delta) & (delta < vertices["x1"])].tolist()})
    expected = one.limit_position.values[one.cluster.values < int(one.vertex_count), 1]
    assert drawn == sorted(set(expected.tolist()))
    assert len(others["x"]) + len(vertices["x"]) == int(
        atlas.limit_count.where(atlas.certified & (atlas.interval_seed == 9)).sum()
    )
    assert view.save(figure, tmp_path / "limits.svg").stat().st_size > 1000


def test_a_page_of_both(atlas, tmp_path):
    page = view.write_page(
        tmp_path / "page.html",
        "Atlas",
        [view.Section("Vertices", view.sensitivity_bands(atlas)), view.Section("Limits", view.limits_along(atlas))],
    )
    assert "log scale" in page.read_text()


def test_refusals(atlas):
    with pytest.raises(UnknownName, match="scale"):
        view.sensitivity_bands(atlas, scale="cubic")
    with pytest.raises(InvalidInput, match="begins above 0"):
        view.sensitivity_bands(atlas, since=0.0)
    with pytest.raises(InvalidInput, match="needs an atlas"):
        view.limits_along(atlas.drop_attrs())
    with pytest.raises(UnknownName, match="seed"):
        view.limits_along(atlas, seed=5)
    with pytest.raises(InvalidInput, match="limits=True"):
        view.limits_along(atlas.drop_vars("limit_position"))
