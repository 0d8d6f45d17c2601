"""Datasets by name: built once, checked, lazy; paths; the shipped catalogue and its claims."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import lmdata
from lmdata.errors import CorruptDataset, IncompleteDataset, StoreError, UnknownName

SHIPPED = (
    *("hardmax-emerging-leader", "hardmax-triangle", "hardmax-square", "hardmax-followed-token", "localmax-square"),
    *("localmax-vanishing", "localmax-ball", "localmax-between", "film-review", "film-review-null"),
)


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LMDATA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_shipped_catalogue_has_what_is_promised():
    assert set(SHIPPED) <= set(lmdata.catalog)
    for name in SHIPPED:
        assert len(lmdata.catalog[name].digest) == 64


XARRAY = tuple(int(part) for part in xr.__version__.split(".")[:2])


def test_xarray_builds_by_name_once_and_lazily(empty_cache, monkeypatch):
    first = xr.open_dataset("lmdata:hardmax-square")
    assert first.attrs["digest"] == lmdata.catalog["hardmax-square"].digest
    assert not first.position.variable._in_memory
    if XARRAY >= (2026, 7):  # earlier ones ask a file of that name for its time
        assert xr.open_dataset("lmdata:hardmax-square", chunks={}).position.chunks is not None

    def refuse(*arguments, **options):
        raise AssertionError("simulated again")

    monkeypatch.setattr("lmdata.runs.simulation.Runner.__call__", refuse)
    again = xr.open_dataset("lmdata:hardmax-square")
    xr.testing.assert_equal(first, again)
    assert lmdata.open("hardmax-square").position.chunks is not None


@pytest.mark.parametrize("name", [name for name in SHIPPED if "film-review" not in name])
def test_rebuilt_datasets_have_the_digests_of_the_catalogue(empty_cache, name):
    assert lmdata.open(name).attrs["digest"] == lmdata.catalog[name].digest


def test_sentence_is_rebuilt_to_the_bit_and_words_label_its_tokens(empty_cache):
    pytest.importorskip("wordllama", reason="the extra `text` is not installed")
    review = lmdata.open("film-review")
    words = review.token.values.tolist()
    assert len(words) == len(set(words)) == 62
    assert "kitchen" in words
    assert sum(word.startswith("the@") for word in words) == 6
    clusters = lmdata.limit_polytope(review).cluster.isel(seed=0).compute()
    count = [len(np.unique(clusters.sel(alignment_sensitivity=delta))) for delta in (0.0, 0.2, 1.0)]
    assert count[0] > 0.7 * len(words)
    assert count[0] > count[1] > count[2] == 1


def test_a_dataset_that_is_not_the_catalogues_is_not_served(empty_cache, monkeypatch):
    lmdata.open("hardmax-square")
    original = lmdata.Localmax.advance.__func__

    def altered(cls, models, state, **options):
        frames = original(cls, models, state, **options)
        return frames._replace(position=frames.position + 1e-300 + frames.position * 2**-52)

    monkeypatch.setattr(lmdata.Localmax, "advance", classmethod(altered))
    with pytest.raises(CorruptDataset, match="not served"):
        lmdata.open("hardmax-triangle")


def test_interrupted_building_goes_on_at_the_next_opening(empty_cache, monkeypatch):
    from lmdata.runs import runner

    monkeypatch.setattr("lmdata.data.layout.BLOCK_BYTES", 1)
    monkeypatch.setattr(runner, "GROUP_BYTES", 2**16)  # one member at a time

    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="3 of 20"):
        lmdata.catalog.open("localmax-vanishing", progress=stop)
    assert lmdata.open("localmax-vanishing").attrs["digest"] == lmdata.catalog["localmax-vanishing"].digest


def test_non_vertex_limits_are_there_as_the_entry_claims():
    polytope = lmdata.limit_polytope(lmdata.open("localmax-between")).load()
    settled = polytope.settled
    between = (polytope.token_vertex < 0) & settled
    assert int(between.any("token").sum()) >= 5


def test_paths_names_and_neither(tmp_path):
    place = tmp_path / "run"
    made = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(4, 2), steps=2, store=place)
    for location in (place, str(place)):
        xr.testing.assert_equal(lmdata.open(location), made)
    with pytest.raises(UnknownName, match="did you mean 'film-review'"):
        lmdata.open("film-reviev")
    with pytest.raises(UnknownName, match="no version of dataset 'film-review' named 'v9'"):
        lmdata.open("film-review@v9")
    with pytest.raises(StoreError, match="nothing at"):
        lmdata.open(tmp_path / "absent")


def test_verify_takes_names_and_paths(tmp_path):
    assert lmdata.verify("hardmax-square").full
    assert "numbers not read" in str(lmdata.verify("hardmax-square", full=False))
    place = tmp_path / "run"

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(4, 2), steps=2, store=place, progress=stop)
    report = lmdata.verify(place)
    assert not report.ok
    assert "resume" in str(report)
    with pytest.raises(IncompleteDataset):
        lmdata.open(place)


def test_measures_by_accessor_are_the_functions():
    ds = lmdata.open("hardmax-square")
    assert ds.lm.hull_volume().equals(lmdata.hull_volume(ds))
    assert "quiescent_sets" in dir(ds.lm)
    with pytest.raises(AttributeError, match="no measure named 'volume'"):
        ds.lm.volume()
