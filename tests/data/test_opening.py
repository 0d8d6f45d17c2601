import pickle

import dask
import icechunk
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from lmdata.data import lazy
from lmdata.data.opening import open_dataset
from lmdata.data.store import storage
from lmdata.data.store.writer import RunStore
from lmdata.errors import CorruptDataset, IncompleteDataset, RecipeMismatch, StoreError


@pytest.fixture
def unread(monkeypatch):
    """Fail if a stored variable is read."""

    def refuse(self, key):
        raise AssertionError(f"{self.array.basename} was read at {key}")

    monkeypatch.setattr(lazy.StoredArray, "_read", refuse)


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("leave", [0, 5])
def test_opening_reads_no_positions(tmp_path, example, small_blocks, unread, chunked, leave):
    place = example(diagnostics=("ambiguous_ties",)).write(tmp_path / "run", leave=leave)
    ds = open_dataset(place, allow_partial=True, chunked=chunked)
    repr(ds), ds.isel(seed=[0, 2]), ds.position.dtype, ds.nbytes
    assert ds.status.variable._in_memory
    assert not ds.position.variable._in_memory
    with pytest.raises(AssertionError, match="was read"):
        ds.position.values  # noqa: B018


def test_nothing_is_asked_for_twice(tmp_path, example, monkeypatch):
    """Each name costs a turn of zarr's event loop: opening took twice as long when names were asked for as needed."""
    place, asked = example(diagnostics=("ambiguous_ties",)).write(tmp_path / "run"), []
    get = icechunk.IcechunkStore.get

    async def counted(self, key, *given, **named):
        asked.append(key)
        return await get(self, key, *given, **named)

    monkeypatch.setattr(icechunk.IcechunkStore, "get", counted)
    open_dataset(place)
    assert "position/zarr.json" in asked
    assert len(set(asked)) == len(asked)


def test_dask_chunks_are_the_storage_chunks(tmp_path, example, small_blocks):
    made = example(diagnostics=("ambiguous_ties",))
    ds = open_dataset(made.write(tmp_path / "run"))
    assert ds.position.data.chunksize == made.layout.chunks("position")
    assert ds.ambiguous_ties.data.chunksize == made.layout.chunks("ambiguous_ties")
    assert ds.position.data.npartitions == len(list(made.layout.blocks())) > 1
    again = open_dataset(tmp_path / "run")
    assert again.position.data.name == ds.position.data.name


def test_chunks_of_xarray_follow_the_storage(tmp_path, example, small_blocks):
    made = example()
    ds = open_dataset(made.write(tmp_path / "run"), chunked=False)
    assert ds.position.encoding["preferred_chunks"] == dict(
        zip(ds.position.dims, made.layout.chunks("position"), strict=True)
    )


def test_one_snapshot_for_ever(tmp_path, example):
    made = example()
    made.write(tmp_path / "run", leave=3)
    before = open_dataset(tmp_path / "run", allow_partial=True)
    with RunStore.append_to(tmp_path / "run") as store:
        made.finish(store)
    assert np.isnan(before.position.values).reshape(12, -1).all(axis=1).tolist() == [False] * 9 + [True] * 3
    after = open_dataset(tmp_path / "run")
    assert before.attrs["snapshot"] != after.attrs["snapshot"]
    np.testing.assert_array_equal(after.position, made.grid)


def test_opened_dataset_can_be_pickled(tmp_path, example):
    made = example()
    ds = open_dataset(made.write(tmp_path / "run"))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(ds)).position, made.grid)


indices = st.one_of(
    st.integers(-2, 1),
    st.slices(2).filter(lambda part: len(range(*part.indices(2))) > 0),  # xarray stumbles over empty reversed ones
    st.lists(st.integers(-2, 1), min_size=1, max_size=3).map(np.array),
)


@given(st.lists(indices, min_size=5, max_size=5), st.booleans())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_any_index_gives_what_numpy_gives(partial_store, key, chunked):
    ds, expected = partial_store[chunked]
    found = ds.position.isel(dict(zip(ds.position.dims, key, strict=True)))
    reference = xr.DataArray(expected, dims=ds.position.dims).isel(dict(zip(ds.position.dims, key, strict=True)))
    np.testing.assert_array_equal(found.values, reference.values)


@pytest.fixture(scope="module")
def partial_store(tmp_path_factory, request):
    from lmdata.data.layout import Layout

    layout = Layout(swept={"a": (1.0, 2.0)}, seeds=(0, 1), time=np.arange(2), time_unit="step", labels=None,
                    tokens=2, components=2)  # fmt: skip
    position = np.arange(32.0).reshape(4, 2, 2, 2)
    place = tmp_path_factory.mktemp("partial") / "run"
    with RunStore.create(place, layout) as store:
        store.put([0, 3], position[[0, 3]], steps_done=1)
        store.fail([2], "overflow")
    position[[1, 2]] = np.nan
    expected = position.reshape(2, 2, 2, 2, 2)
    return {chunked: (open_dataset(place, allow_partial=True, chunked=chunked), expected) for chunked in (True, False)}


def test_partial_dataset_is_refused_with_numbers_and_remedy(tmp_path, example):
    made = example()
    with RunStore.create(tmp_path / "run", made.layout) as store:
        made.put(store, range(5))
        store.fail([6], "overflow")
    with pytest.raises(IncompleteDataset) as caught:
        open_dataset(tmp_path / "run")
    message = str(caught.value)
    assert "of 12 members 6 are missing and 1 failed" in message
    assert f"lmdata.resume('{tmp_path / 'run'}')" in message
    assert "allow_partial=True" in message


def test_flipped_bits_raise_and_are_never_numbers(tmp_path, example, small_blocks, damage):
    made = example()
    place = made.write(tmp_path / "run")
    damage(place, "position/c/1/0/0/0/0")
    ds = open_dataset(place)
    np.testing.assert_array_equal(ds.position[0], made.grid[0])
    with pytest.raises(CorruptDataset, match=r"'position' cannot be read .*lmdata\.verify"):
        ds.position[1].values  # noqa: B018


@pytest.mark.parametrize("variable", ["status", "digest", "steps_done", "seed", "time", "influence"])
def test_flipped_bits_in_what_is_read_at_once_raise_on_opening(tmp_path, example, damage, variable):
    place = example().write(tmp_path / "run")
    damage(place, f"{variable}/c/0" + "/0" * (variable in ("status", "digest", "steps_done")))
    with pytest.raises(CorruptDataset, match=f"'{variable}' cannot be read"):
        open_dataset(place)


@pytest.mark.parametrize("leave", [0, 2])
def test_chunk_that_is_gone_raises(tmp_path, example, small_blocks, raw, leave):
    place = example().write(tmp_path / "run", leave=leave)
    with raw(place) as keys:
        del keys["position/c/0/1/0/0/0"]
    if leave:
        with pytest.raises(CorruptDataset, match=r"position of member .*0.5.* is missing"):
            open_dataset(place, allow_partial=True)
    else:
        with pytest.raises(CorruptDataset, match="cannot be read"):
            open_dataset(place).position.values  # noqa: B018


def test_self_test_notices_a_zarr_that_fills_holes(monkeypatch):
    import zarr

    storage.check_missing_chunks_raise.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(zarr.Array, "with_config", lambda self, config: self)
        with pytest.raises(StoreError, match="install zarr"):
            storage.check_missing_chunks_raise()
    storage.check_missing_chunks_raise()


@pytest.mark.parametrize("name", ["position", "status", "digest", "steps_done", "seed", "token", "influence"])
def test_variable_that_was_removed_is_named(tmp_path, example, raw, name):
    place = example().write(tmp_path / "run")
    with raw(place) as keys:
        del keys[f"{name}/zarr.json"]
    with pytest.raises(CorruptDataset, match=f"^{place}: variable '{name}' is not in the store.*lmdata verify"):
        open_dataset(place)


@pytest.mark.parametrize(
    ("schema", "error"), [(2, RecipeMismatch), ("1", StoreError), (0, StoreError), (None, StoreError)]
)
def test_schema_is_checked(tmp_path, example, raw, schema, error):
    import json

    place = example().write(tmp_path / "run")
    with raw(place) as keys:
        root = json.loads(keys["zarr.json"])
        root["attributes"]["lmdata_schema"] = schema
        keys["zarr.json"] = json.dumps(root).encode()
    with pytest.raises(error, match="schema"):
        open_dataset(place)


def test_nothing_and_something_else(tmp_path):
    with pytest.raises(FileNotFoundError, match="no dataset at"):
        open_dataset(tmp_path / "absent")
    (tmp_path / "file").write_text("x")
    for place in (tmp_path, tmp_path / "file"):
        with pytest.raises(StoreError, match="no run store"):
            open_dataset(place)


def test_raising_scheduler_proves_that_chunks_stay_lazy(tmp_path, example):
    def refuse(*args, **kwargs):
        raise AssertionError("computed")

    made = example()
    made.write(tmp_path / "run")
    with dask.config.set(scheduler=refuse):
        ds = open_dataset(tmp_path / "run")
        ds.position.mean("token")
        with pytest.raises(AssertionError, match="computed"):
            ds.position.compute()


@pytest.mark.parametrize("key", ["status/c/0/0", "seed/c/0", "zarr.json"])
@pytest.mark.parametrize("act", [open_dataset, RunStore.append_to])
def test_damage_is_told_with_its_place_and_the_remedy(tmp_path, example, raw, key, act):
    place = example().write(tmp_path / "run")
    with raw(place) as keys:
        keys[key] = keys[key].replace(b'"recipe_id"', b'"recipe_ID"') if key == "zarr.json" else keys[key][:-1]
    with pytest.raises(CorruptDataset, match=rf"^{place}: .*`lmdata verify {place}`"):
        act(place)
