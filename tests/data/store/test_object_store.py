"""Run stores in a bucket, against a server of the S3 protocol on this machine."""

import threading

import numpy as np
import pytest

import lmdata
from lmdata import cli
from lmdata.data.export import export_zarr, import_zarr
from lmdata.data.opening import open_dataset
from lmdata.data.store.creation import create_remote, declare
from lmdata.data.store.storage import Place, create_repository
from lmdata.data.store.writer import RunStore
from lmdata.data.verify import verify
from lmdata.errors import IncompleteDataset, Interrupted, InvalidInput, RecipeMismatch, StoreError, StoreExists

from ..conftest import SECRET


@pytest.fixture
def place(server, request):
    return f"s3://runs/{request.node.name.replace('[', '-').replace(']', '')}/one"


def test_run_in_a_bucket_is_resumed_and_opened(place, example, small_blocks):
    made = example(diagnostics=("ambiguous_ties",))
    with RunStore.create(place, made.layout, initial=np.ones((4, 2))) as store:
        made.put(store, store.pending()[0])
    with pytest.raises(IncompleteDataset, match="s3://runs"):
        open_dataset(place)
    with RunStore.append_to(place) as store:
        assert store.initial.shape == (4, 2)
        made.finish(store)
    ds = open_dataset(place)
    np.testing.assert_array_equal(ds.position, made.grid)
    assert verify(place).ok
    assert ds.encoding["source"] == place


def test_existing_and_absent_places(place, example):
    made = example()
    RunStore.create(place, made.layout).close()
    with pytest.raises(StoreExists, match="already something"):
        RunStore.create(place, made.layout)
    for act in (open_dataset, RunStore.append_to, verify):
        with pytest.raises(FileNotFoundError):
            act("s3://runs/absent/one")
    with pytest.raises(StoreError):
        RunStore.create("s3://no-such-bucket/one", made.layout)


def test_a_creation_that_was_cut_short_is_nothing_and_the_first_commit_wins(place, example):
    made = example()
    create_repository(Place.of(place))
    assert not Place.of(place).taken()
    with pytest.raises(StoreError):
        open_dataset(place)
    slow = threading.Event()

    def second(group):
        slow.wait(30)
        declare(group, made.layout, None)

    loser = []
    thread = threading.Thread(target=lambda: loser.append(refused(lambda: create_remote(Place.of(place), second))))
    thread.start()
    RunStore.create(place, made.layout).close()
    assert Place.of(place).taken()
    slow.set()
    thread.join(60)
    assert isinstance(loser[0], StoreExists)


def refused(act):
    try:
        act()
    except StoreError as error:
        return error
    return None


def test_two_writers_write_every_member_once_and_whole(place, example, small_blocks):
    made = example()
    RunStore.create(place, made.layout).close()
    with RunStore.append_to(place) as one, RunStore.append_to(place) as two:
        for block in one.pending()[:4]:
            made.put(one, block)
        for block in reversed(two.pending()[2:]):
            made.put(two, block)
        one.commit()
        two.commit()
        assert two.pending() == []
    ds = open_dataset(place)
    np.testing.assert_array_equal(ds.position, made.grid)
    assert verify(place).ok


@pytest.mark.long
def test_checkpoints_and_failures_are_written_again_too(place, example, small_blocks):
    made = example()
    RunStore.create(place, made.layout).close()
    with RunStore.append_to(place) as one, RunStore.append_to(place) as two:
        first, second, third, *_ = one.pending()
        made.put(one, first)
        two.fail(second, "overflow")
        rows = list(third)
        two.checkpoint(third, step=2, state=made.position[rows, 2], position=made.position[rows, :3], first_frame=0)
        made.put(two, first)
        one.commit()
        two.commit()
        assert two.last_checkpoint(third).frames == 3
    ds = open_dataset(place, allow_partial=True)
    assert ds.status.values.ravel().tolist() == [1] * 2 + [2] * 2 + [0] * 8


@pytest.mark.long
def test_four_writers_at_once(place, example, small_blocks):
    made = example(seeds=tuple(range(8)))
    RunStore.create(place, made.layout).close()
    errors = []

    def work(first):
        try:
            with RunStore.append_to(place) as store:
                blocks = list(made.layout.blocks())
                for block in blocks[first:] + blocks[:first]:
                    made.put(store, block)
                    store.commit()
        except StoreError as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(first,)) for first in (0, 3, 6, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    np.testing.assert_array_equal(open_dataset(place).position, made.grid)
    assert verify(place).ok


def test_export_is_imported_into_a_bucket(place, example, tmp_path):
    made = example()
    export_zarr(made.write(tmp_path / "run"), tmp_path / "plain.zarr")
    import_zarr(tmp_path / "plain.zarr", place)
    np.testing.assert_array_equal(open_dataset(place).position, made.grid)


def test_credentials_go_nowhere(place, example, caplog):
    caplog.set_level("DEBUG")
    made = example()
    with RunStore.create(place, made.layout) as store:
        made.finish(store)
    ds = open_dataset(place)
    assert SECRET not in caplog.text + repr(ds) + str(ds.attrs) + str(ds.encoding) + repr(Place.of(place))


@pytest.mark.parametrize(
    "address", ["s3://key:secret@bucket/x", "s3://bucket", "s3://bucket/", "gs://b/x", "http://b/x", "s3:///x"]
)
def test_other_addresses_are_refused_without_repeating_them(address):
    with pytest.raises(InvalidInput, match="s3://bucket/prefix") as caught:
        Place.of(address)
    assert "secret" not in str(caught.value)


def test_library_and_commands_take_addresses(place, tmp_path, capsys):
    spec = tmp_path / "spec.yaml"
    spec.write_text("model: {kind: localmax}\ntokens: {kind: uniform, n: 5, d: 2}\nsteps: 3\nseeds: [0, 1]\n")
    assert cli.main(["simulate", str(spec), "--store", place]) == 0
    made = lmdata.open(place)
    again = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(5, 2), steps=3, seeds=(0, 1), store=place)
    assert again.identical(made)
    assert lmdata.resume(place).identical(made)
    assert lmdata.verify(place).ok
    with pytest.raises(RecipeMismatch, match="another recipe"):
        lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(5, 2), steps=4, seeds=(0, 1), store=place)
    for words in (["open", place], ["verify", place], ["resume", place], ["export", place, str(tmp_path / "x.zarr")]):
        assert cli.main(words) == 0
    assert capsys.readouterr().out.count(place) >= 4
    for words in (["repair", place], ["export", place, "s3://runs/plain"]):
        assert cli.main(words) == 2
    assert cli.main(["open", "s3://runs/absent/one"]) == 2
    assert cli.main(["resume", "s3://runs/absent/one"]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spec.yaml", "x.zarr"]


def test_interrupted_run_in_a_bucket_says_how_to_go_on(place):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=rf"0 of 2 members.*lmdata resume {place}"):
        lmdata.simulate(
            lmdata.Localmax(), lmdata.tokens.uniform(5, 2), steps=3, seeds=(0, 1), store=place, progress=interrupt
        )
    assert (lmdata.resume(place).status == 1).all()


@pytest.mark.long  # icechunk tries again for half a minute
def test_bucket_that_cannot_be_reached(server, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StoreError, match=r"s3://runs/one cannot be reached"):
        lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(5, 2), steps=3, store="s3://runs/one")


@pytest.mark.long
def test_runs_in_a_bucket_are_extended_published_and_tidied(place):
    model, tokens = lmdata.Localmax(), lmdata.tokens.uniform(4, 2)
    lmdata.simulate(model, tokens, steps=2, seeds=range(2), store=place)
    lmdata.publish(place, "v1")
    wide = lmdata.extend(place, seeds=range(5))
    assert wide.attrs["digest"] == lmdata.simulate(model, tokens, steps=2, seeds=range(5)).attrs["digest"]
    lmdata.gc(place, days=0)
    lmdata.migrate(place)
    assert lmdata.versions(place) == {"v1": lmdata.open(f"{place}@v1").attrs["digest"]}
    assert lmdata.open(f"{place}@v1").sizes["seed"] == 2
    assert verify(place).ok
