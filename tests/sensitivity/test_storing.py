"""Atlases that are kept: what is finished stays, what is damaged is found, what is another's is left alone."""

from __future__ import annotations

import numpy as np
import pytest

import lmdata
from lmdata.errors import RecipeMismatch, StoreExists
from lmdata.sensitivity import storing

MODEL, TOKENS = lmdata.Localmax(), lmdata.tokens.uniform(5, 2)


def test_a_stored_atlas_is_the_one_in_memory(tmp_path):
    stored = lmdata.atlas(MODEL, TOKENS, seeds=range(3), store=tmp_path / "atlas")
    made = lmdata.atlas(MODEL, TOKENS, seeds=range(3))
    assert stored.load().equals(made)
    assert lmdata.open(tmp_path / "atlas").load().equals(made)
    assert lmdata.atlas(MODEL, TOKENS, seeds=range(3), store=tmp_path / "atlas").load().equals(made)
    assert lmdata.verify(tmp_path / "atlas").ok
    assert [path.name for path in tmp_path.iterdir()] == ["atlas"]


def test_an_interrupted_atlas_goes_on_and_keeps_what_is_finished(tmp_path, monkeypatch):
    monkeypatch.setattr(storing, "TOGETHER", 1)

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lmdata.atlas(MODEL, TOKENS, seeds=range(4), store=tmp_path / "atlas", progress=stop)
    assert not (tmp_path / "atlas").exists()
    assert len(list((tmp_path / "atlas.unfinished").glob("start-*.npz"))) == 2
    walked, walk = [], storing.walk_axis

    def counted(starts, *arguments, **options):
        walked.extend(starts)
        return walk(starts, *arguments, **options)

    monkeypatch.setattr(storing, "walk_axis", counted)
    (tmp_path / "atlas.unfinished" / "start-1.npz").write_bytes(b"torn")
    ds = lmdata.atlas(MODEL, TOKENS, seeds=range(4), store=tmp_path / "atlas")
    assert len(walked) == 3  # the one that was torn, and the two that were missing
    assert ds.load().equals(lmdata.atlas(MODEL, TOKENS, seeds=range(4)))


def test_what_is_another_atlas_is_left_alone(tmp_path):
    lmdata.atlas(MODEL, TOKENS, store=tmp_path / "atlas")
    with pytest.raises(RecipeMismatch):
        lmdata.atlas(MODEL, TOKENS, seeds=(1,), store=tmp_path / "atlas")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreExists):
        lmdata.atlas(MODEL, TOKENS, store=tmp_path / "file")
    (tmp_path / "other.unfinished").mkdir()
    (tmp_path / "other.unfinished" / "mine").write_text("mine")
    with pytest.raises(RecipeMismatch):
        lmdata.atlas(MODEL, TOKENS, store=tmp_path / "other")


def test_a_changed_number_is_found(tmp_path):
    import zarr

    lmdata.atlas(MODEL, TOKENS, store=tmp_path / "atlas")
    group = zarr.open_group(tmp_path / "atlas", mode="r+")
    group["sensitivity_to"][1] = np.nextafter(group["sensitivity_to"][1], 9.0)
    assert not lmdata.verify(tmp_path / "atlas").ok


@pytest.mark.long
def test_the_workers_of_a_scheduler_find_the_same(tmp_path):
    alone = lmdata.atlas(MODEL, TOKENS, seeds=range(6))
    assert lmdata.atlas(MODEL, TOKENS, seeds=range(6), scheduler=2).equals(alone)
    assert lmdata.atlas(MODEL, TOKENS, seeds=range(6), scheduler=2, store=tmp_path / "atlas").load().equals(alone)
