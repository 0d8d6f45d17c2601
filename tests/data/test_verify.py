import json

import numpy as np
import pytest

from lmdata.data.opening import open_dataset
from lmdata.data.store.writer import RunStore
from lmdata.data.verify import verify
from lmdata.errors import CorruptDataset, StoreError


@pytest.mark.parametrize("chunking", ["small_blocks", "long_members"])
def test_what_was_written_is_as_written(tmp_path, example, request, chunking):
    request.getfixturevalue(chunking)
    report = verify(example(diagnostics=("ambiguous_ties",)).write(tmp_path / "run"))
    assert report.ok
    assert (report.members, report.complete) == (12, 12)
    assert "12 of 12 members complete, every number read: as written\nNothing to do." in str(report)


def test_missing_and_failed_members_are_told_with_what_to_do(tmp_path, example):
    made = example()
    with RunStore.create(tmp_path / "run", made.layout) as store:
        made.put(store, range(9))
        store.fail([10], "overflow at step 3")
        store.checkpoint([9], step=2, state=made.position[9:10, 2], position=made.position[9:10, :3], first_frame=0)
    report = verify(tmp_path / "run")
    assert not report.ok
    told = {problem.subject: (problem.kind, problem.message) for problem in report.problems}
    assert told == {
        made.layout.key(9): ("missing", "computed up to step 2"),
        made.layout.key(10): ("failed", "overflow at step 3"),
        made.layout.key(11): ("missing", "not computed yet"),
    }
    assert f"`lmdata resume {tmp_path / 'run'}`" in report.advice
    assert "2 missing, 1 failed" in str(report)


def test_flipped_bit_damages_the_members_of_its_chunk(tmp_path, example, small_blocks, damage):
    made = example()
    place = made.write(tmp_path / "run")
    damage(place, "position/c/1/0/0/0/0")
    report = verify(place)
    assert report.damaged == list(made.layout.blocks())[2]
    assert "lmdata repair" in report.advice
    assert verify(place, full=False).ok


@pytest.mark.parametrize("chunking", ["small_blocks", "long_members"])
def test_swapped_chunks_are_found(tmp_path, example, request, raw, chunking):
    request.getfixturevalue(chunking)
    made = example()
    place = made.write(tmp_path / "run")
    with raw(place) as keys:
        one, two = "position/c/0/0/0/0/0", "position/c/2/1/0/0/0"
        keys[one], keys[two] = keys[two], keys[one]
    open_dataset(place).position.values  # noqa: B018 - no checksum notices
    report = verify(place)
    assert len(report.damaged) >= 2
    assert all("digest" in problem.message for problem in report.problems)


def test_damaged_diagnostics_are_found(tmp_path, example, small_blocks, damage):
    place = example(diagnostics=("ambiguous_ties",)).write(tmp_path / "run")
    damage(place, "ambiguous_ties/c/0/0/0")
    assert verify(place).damaged


def change_attributes(raw, place, **changes):
    with raw(place) as keys:
        root = json.loads(keys["zarr.json"])
        root["attributes"].update(changes)
        keys["zarr.json"] = json.dumps(root).encode()


def test_recipe_that_is_not_its_id_s_is_found(tmp_path, example):
    place = example(attrs={"recipe": '{"steps":3}', "recipe_id": "0" * 64}).write(tmp_path / "run")
    assert [problem.subject for problem in verify(place).problems] == ["recipe_id"]
    place = example(attrs={"recipe": "{", "recipe_id": "0" * 64}).write(tmp_path / "other")
    assert [problem.subject for problem in verify(place).problems] == ["recipe"]


def test_changed_digest_of_the_dataset_is_found_and_never_served(tmp_path, example, raw):
    place = example().write(tmp_path / "run")
    digest = open_dataset(place).attrs["digest"]
    change_attributes(raw, place, digest="0" * 64)
    assert [problem.subject for problem in verify(place).problems] == ["digest"]
    assert open_dataset(place).attrs["digest"] == digest


@pytest.mark.parametrize("what", ["recipe_id", "time", "seed", "token", "influence"])
def test_changed_coordinates_and_attributes_are_refused(tmp_path, example, raw, what):
    place = example(labels=("a", "b", "c", "d")).write(tmp_path / "run")
    changes = {"labels": ("a", "b", "d", "c"), "seeds": (0, 1, 5, 8), "time": np.arange(1, 7)}
    other = example(**{"labels": ("a", "b", "c", "d"), **changes, "swept": {"influence": (0.5, 1.0, 4.0)}})
    other.write(tmp_path / "other")
    if what == "recipe_id":
        change_attributes(raw, place, recipe_id="s" * 64)
    else:
        with raw(place) as keys, raw(tmp_path / "other") as others:
            keys[f"{what}/c/0"] = others[f"{what}/c/0"]
    with pytest.raises(CorruptDataset, match="not those that were declared"):
        open_dataset(place)
    assert [problem.kind for problem in verify(place).problems] == ["unreadable"]


def test_foreign_things_are_told(tmp_path, example):
    import zarr

    from lmdata.data.store.storage import Place, open_repository

    place = example().write(tmp_path / "run")
    session = open_repository(Place.of(place)).writable_session("main")
    zarr.open_group(session.store).create_array("mine", shape=(1,), dtype="f8")
    session.commit("mine")
    (place / "notes.txt").write_text("mine too")
    report = verify(place)
    assert [(problem.kind, problem.subject) for problem in report.problems] == [
        ("foreign", "mine"),
        ("foreign", "notes.txt"),
    ]
    assert "remove it if it is not yours" in report.advice


def test_unreadable_store_is_reported_and_no_store_raises(tmp_path, example, damage):
    place = example().write(tmp_path / "run")
    damage(place, "status/c/0/0")
    report = verify(place)
    assert [problem.kind for problem in report.problems] == ["unreadable"]
    assert "from its recipe" in report.advice
    with pytest.raises(StoreError):
        verify(tmp_path)
    with pytest.raises(FileNotFoundError):
        verify(tmp_path / "absent")


def test_report_is_plain_json(tmp_path, example, damage):
    place = example().write(tmp_path / "run", leave=1)
    values = json.loads(json.dumps(verify(place).to_dict()))
    assert values["ok"] is False
    assert values["members"] == 12
    assert values["problems"][0]["kind"] == "missing"


def test_damaged_members_can_be_reset_and_computed_again(tmp_path, example, small_blocks, damage):
    made = example()
    place = made.write(tmp_path / "run")
    digest = open_dataset(place).attrs["digest"]
    damage(place, "position/c/1/0/0/0/0")
    with RunStore.append_to(place) as store:
        store.reset(verify(place).damaged)
        assert sum(map(len, store.pending())) == 2
        assert not verify(place).damaged
        for [*block] in store.pending():
            for member in block:
                made.put(store, [member])
    assert verify(place).ok
    ds = open_dataset(place)
    assert ds.attrs["digest"] == digest
    np.testing.assert_array_equal(ds.position, made.grid)
