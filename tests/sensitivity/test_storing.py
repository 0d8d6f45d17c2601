"""Atlases that are kept: what is finished stays, what is damaged is found, what is another's is left alone."""

from __future__ import annotations

import os

import numpy as np
import pytest

import lmdata
from lmdata.errors import RecipeMismatch, StoreExists, StoreLocked
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


def test_one_process_at_a_time_makes_an_atlas(tmp_path):
    refused = []

    def meanwhile(done, total):
        with pytest.raises(StoreLocked, match=f"process {os.getpid()}"):
            lmdata.atlas(MODEL, TOKENS, store=tmp_path / "atlas")
        refused.append(done)

    lmdata.atlas(MODEL, TOKENS, store=tmp_path / "atlas", progress=meanwhile)
    assert refused


@pytest.mark.parametrize(
    ("left", "goes"),
    [
        ([], True),
        ([".recipe.json.0123abcd.new", "writer.lock"], True),
        (["start-0.npz"], False),
        (["recipe.json", "start-0.npz"], False),
    ],
)
@pytest.mark.parametrize("finished", [False, True])
def test_what_was_killed_at_once_bars_nothing_and_what_is_another_s_stays(tmp_path, left, goes, finished):
    if finished:
        lmdata.atlas(MODEL, TOKENS, store=tmp_path / "atlas")
    folder = tmp_path / "atlas.unfinished"
    folder.mkdir()
    for name in left:
        (folder / name).write_text("half")
    if goes or finished:
        lmdata.atlas(MODEL, TOKENS, store=tmp_path / "atlas")
    else:
        with pytest.raises(RecipeMismatch, match="remove the folder"):
            lmdata.atlas(MODEL, TOKENS, store=tmp_path / "atlas")
    assert folder.exists() != goes
    assert goes or sorted(path.name for path in folder.iterdir()) == sorted(left)


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
