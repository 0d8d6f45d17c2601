"""Training runs on the road of every run: in memory, in a store, killed and resumed, verified and repaired."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import xarray as xr
import zarr

import lmdata
from lmdata import cli
from lmdata.data.derived import save_derived
from lmdata.data.export import export_zarr, import_zarr
from lmdata.data.opening import open_dataset
from lmdata.data.store.storage import Place, open_repository
from lmdata.data.store.writer import RunStore
from lmdata.errors import (
    BackendUnavailable,
    CorruptDataset,
    IncompleteDataset,
    Interrupted,
    InvalidInput,
    LmdataError,
    RecipeMismatch,
    StoreError,
)
from lmdata.selection import SelectionRecipe, TokenSelection, gaussian, given, run, run_to_store, starts
from lmdata.selection.source import PlainSource
from lmdata.wording import counted

TRAINED = ("prompt", "weight", "joint", "factors")


def recipe_of(trained: str = "joint", **changes: Any) -> SelectionRecipe:
    """24 members: two steps, six starts and two seeds."""
    arguments = {"starts": starts(count=6), "seeds": [0, 5], "steps": 20, "record": 5, "sweep": {"step": [0.1, 0.2]}}
    problem = gaussian(2, 3, 4, queries="random")
    return SelectionRecipe.of(TokenSelection(trained=trained), problem, **(arguments | changes))


@pytest.fixture
def small_blocks(monkeypatch):
    """Storage chunks of a few members of such a run: a batch ends amid one."""
    monkeypatch.setattr("lmdata.data.layout.BLOCK_BYTES", 1500)


def assert_same(ds, other):
    """One dataset: numbers to the bit, names, attributes that identify it."""
    xr.testing.assert_identical(ds.compute().drop_attrs(deep=False), other.compute().drop_attrs(deep=False))
    assert {name: ds.attrs[name] for name in ("recipe", "recipe_id", "digest", "backend")} == {
        name: other.attrs[name] for name in ("recipe", "recipe_id", "digest", "backend")
    }


@pytest.mark.parametrize(
    "trained", ["joint", *(pytest.param(other, marks=pytest.mark.long) for other in TRAINED if other != "joint")]
)
def test_memory_store_export_and_import_have_one_digest(tmp_path, small_blocks, trained):
    recipe = recipe_of(trained)
    memory, kept = run(recipe), run_to_store(recipe, tmp_path / "run")
    assert_same(kept, memory)
    assert kept.attrs["recipe_id"] == recipe.id
    assert kept.loss.chunks is not None
    assert kept.token_vector.chunks is None
    export_zarr(tmp_path / "run", tmp_path / "plain")
    import_zarr(tmp_path / "plain", tmp_path / "again")
    for place in ("run", "plain", "again"):
        assert_same(lmdata.open(tmp_path / place), memory)
        assert lmdata.verify(tmp_path / place, recompute=5).ok
    again = run_to_store(recipe, tmp_path / "run")
    assert again.attrs["snapshot"] == kept.attrs["snapshot"]
    with pytest.raises(RecipeMismatch, match="steps: 20 there, 21 here"):
        run_to_store(recipe_of(trained, steps=21), tmp_path / "run")


CHILD = """
import sys, time
from lmdata.data import layout
from lmdata.data.store import writer
from lmdata.selection import SelectionRecipe, run_to_store, training
import json

layout.BLOCK_BYTES, writer.COMMIT_INTERVAL, writer.COMMIT_SHARE = 1500, 0, 0
training.cores = lambda: 1  # eight members at first

def progress(done, total):
    print(done, flush=True)
    if done:
        time.sleep(600)  # until it is killed

run_to_store(SelectionRecipe.from_specification(json.loads(sys.argv[1])), sys.argv[2], progress=progress)
"""


@pytest.mark.parametrize(
    ("trained", "resume"),
    [
        pytest.param("joint", lmdata.resume, marks=pytest.mark.long),
        ("weight", lambda place: cli.main(["resume", str(place)])),
    ],
    ids=["lmdata.resume", "lmdata resume"],
)
def test_killed_and_resumed_it_has_the_same_digest(tmp_path, trained, resume):
    recipe, place = recipe_of(trained), tmp_path / "run"
    arguments = [sys.executable, "-c", CHILD, json.dumps(recipe.specification()), str(place)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as child:
        assert [child.stdout.readline(), child.stdout.readline()] == ["0\n", "8\n"]
        child.kill()
    assert child.returncode == -9
    left = open_dataset(place, allow_partial=True)
    assert left.status.values.sum() == 8
    first = left["weight" if trained == "weight" else "prompt"]
    absent = (left.status == 0).values
    assert np.isnan(first.values[absent]).all()
    assert np.isfinite(first.values[~absent]).all()
    with pytest.raises(IncompleteDataset, match="16 are missing"):
        run_to_store(recipe, place)
    memory = run(recipe)
    resume(place)
    assert_same(lmdata.open(place), memory)
    assert left.digest.values[~absent].tolist() == memory.digest.values[~absent].tolist()
    assert lmdata.verify(place).ok


def test_interrupted_it_says_how_to_go_on(tmp_path):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=r"after 0 of 24 members.*lmdata resume"):
        run_to_store(recipe_of(), tmp_path / "run", progress=interrupt)
    seen = []
    assert_same(lmdata.resume(tmp_path / "run", progress=lambda *n: seen.append(n)), run(recipe_of()))
    assert (seen[0], seen[-1]) == ((0, 24), (24, 24))


@pytest.mark.parametrize(
    "name", ["prompt", *(pytest.param(name, marks=pytest.mark.long) for name in ("value", "loss"))]
)
def test_a_damaged_store_is_found_and_repaired(tmp_path, small_blocks, damage, name):
    place = tmp_path / "run"
    kept = run_to_store(recipe_of(), place)
    with RunStore.append_to(place) as store:
        blocks = list(store.layout.blocks())
    whole = kept.compute()
    damage(place, f"{name}/c/1/0/0/0" + ("/0" if name != "loss" else ""))
    report = lmdata.verify(place)
    assert {problem.kind for problem in report.problems} == {"damaged"}
    assert report.damaged in blocks
    assert "lmdata repair" in report.advice
    with pytest.raises(CorruptDataset):
        lmdata.open(place).load()
    assert lmdata.repair(place).damaged == report.damaged
    assert lmdata.verify(place).ok
    assert_same(lmdata.open(place), whole)


def test_a_damaged_member_of_a_chunk_of_its_own_is_found(tmp_path, monkeypatch, damage):
    monkeypatch.setattr("lmdata.data.layout.BLOCK_BYTES", 1)
    run_to_store(recipe_of(), tmp_path / "run")
    damage(tmp_path / "run", "value/c/1/3/1/0/0")
    assert lmdata.verify(tmp_path / "run").damaged == (19,)


def test_what_was_written_wrongly_is_found(tmp_path):
    """Two members swapped, checksums right: the digest covers prompt and value; computing again finds the wrong one."""
    place, memory = tmp_path / "run", run(recipe_of())
    run_to_store(recipe_of(), place)
    parts = {name: memory[name].values.reshape(24, *memory[name].shape[3:]) for name in ("prompt", "value", "loss")}
    with RunStore.append_to(place) as store:
        store.reset([2])
        wrong = np.nextafter(parts["value"][[2]], 9)
        store.put([2], parts["prompt"][[2]], steps_done=20, diagnostics={"value": wrong, "loss": parts["loss"][[2]]})
    report = lmdata.verify(place, recompute=24)
    assert [problem.kind for problem in report.problems] == ["different"]
    assert report.problems[0].subject == '{"seed":0,"start":1.0,"step":0.1}'
    with RunStore.append_to(place) as store:
        array = store._now.group["value"]
        array[0, 0, 0] = np.asarray(array[0, 0, 0]) + 1
        store.reset([])
    report = lmdata.verify(place)
    assert report.damaged == (0,)
    assert any("prompt and value is not what was written" in problem.message for problem in report.problems)


def overflowing() -> SelectionRecipe:
    """The second member overflows, by the exponential loss with a large step."""
    problem = given([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]], [1, -1], value=[1, 0])
    model = TokenSelection(trained="joint", loss="exponential", normalised=False)
    return SelectionRecipe.of(model, problem, steps=200, starts=[[1, 0]], sweep={"step": [0.1, 1e4]})


def test_failed_members_are_the_same_in_memory_and_in_a_store(tmp_path):
    memory = run(overflowing())
    with pytest.raises(IncompleteDataset, match="1 failed"):
        run_to_store(overflowing(), tmp_path / "run")
    kept = open_dataset(tmp_path / "run", allow_partial=True)
    xr.testing.assert_identical(kept.compute().drop_attrs(deep=False), memory.drop_attrs(deep=False))
    [problem] = lmdata.verify(tmp_path / "run").problems
    done = int(memory.steps_done[1, 0, 0])
    assert (problem.kind, problem.message) == ("failed", f"its numbers overflow after {counted(done, 'iteration')}")


def test_other_backends_workers_and_extension_are_refused(tmp_path):
    run_to_store(recipe_of(), tmp_path / "run")
    with pytest.raises(BackendUnavailable, match="backend is 'cupy'; training runs have one, 'numpy:selection'"):
        lmdata.resume(tmp_path / "run", backend="cupy")
    with pytest.raises(InvalidInput, match="scheduler is 2, and training runs are computed here"):
        lmdata.resume(tmp_path / "run", scheduler=2)
    with pytest.raises(RecipeMismatch, match="only simulations are extended"):
        lmdata.extend(tmp_path / "run", seeds=[0, 5, 6])
    for backend in ("numpy", "numpy:selection"):
        lmdata.resume(tmp_path / "run", backend=backend)


def test_a_store_of_other_problems_is_not_gone_on_with(tmp_path, monkeypatch):
    run_to_store(recipe_of(), tmp_path / "run")
    with RunStore.append_to(tmp_path / "run") as store:
        store.reset([3])
    made = type(gaussian(2, 3, 4)).draw

    def other(self, seed):
        problem = made(self, seed)
        return dataclasses.replace(problem, tokens=np.nextafter(problem.tokens, 9))

    monkeypatch.setattr(type(gaussian(2, 3, 4)), "draw", other)
    with pytest.raises(RecipeMismatch, match="begun with other problems than its recipe gives here"):
        lmdata.resume(tmp_path / "run")


def test_problems_that_were_changed_are_noticed(tmp_path):
    """Whole chunks with right checksums: the digest of the layout covers the numbers of the problems."""
    run_to_store(recipe_of(), tmp_path / "run")
    session = open_repository(Place.of(tmp_path / "run")).writable_session("main")
    array = zarr.open_group(session.store, mode="r+")["token_vector"]
    array[0, 0, 0, 0] = np.nextafter(np.asarray(array[0, 0, 0, 0]), 9)
    session.commit("behind the back")
    with pytest.raises(CorruptDataset, match="not those that were declared"):
        open_dataset(tmp_path / "run")


@dataclasses.dataclass(frozen=True)
class Pair(PlainSource):
    """A problem source of somebody else, who forgot to register it."""

    kind: ClassVar[str] = "pair-of-another"
    depends_on_seed: ClassVar[bool] = False
    gap: float = 1.0

    def draw(self, seed):
        return given([[[0.0, self.gap], [1.0, 0.0]]], [1], value=[1, 0]).draw(seed)


def test_what_could_not_be_resumed_is_refused_before_any_work(tmp_path, monkeypatch):
    recipe = SelectionRecipe.of(TokenSelection(), Pair(), steps=3)
    assert run(recipe).prompt.shape == (1, 1, 4, 2)
    assert json.loads(run(recipe).attrs["plugins"])["pair-of-another"]["class"].endswith("test_runs:Pair")
    monkeypatch.setattr(Pair, "draw", lambda self, seed: pytest.fail("it was drawn"))
    with pytest.raises(InvalidInput, match=r"the problem is made by .*Pair.*Decorate the class with `register`"):
        run_to_store(recipe, tmp_path / "run")
    monkeypatch.setattr(Pair, "__module__", "__main__")
    with pytest.raises(InvalidInput, match=r"no other process can import.*lmdata\.selection\.given"):
        run_to_store(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_trainings_that_were_stored_as_derived_datasets_still_open(tmp_path):
    memory = run(recipe_of())
    parameters = {"recipe_id": recipe_of().id}
    save_derived(memory, tmp_path / "old", source=memory, made_by="lmdata.selection.train", parameters=parameters)
    xr.testing.assert_equal(lmdata.open(tmp_path / "old").compute(), memory)
    assert lmdata.verify(tmp_path / "old").ok
    with pytest.raises(RecipeMismatch):
        run_to_store(recipe_of(), tmp_path / "old")
    with pytest.raises(StoreError, match="no run store"):
        lmdata.resume(tmp_path / "old")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return the folder of a finished run (``run``) and its plain zarr export (``plain``)."""
    folder = tmp_path_factory.mktemp("made")
    run_to_store(recipe_of(), folder / "run")
    export_zarr(folder / "run", folder / "plain")
    return folder


def change(place: Path, name: str, **changes: Any) -> None:
    """Change the metadata of a plain zarr folder, or of a variable in it."""
    file = place / name / "zarr.json"
    made = json.loads(file.read_text())
    for key, value in changes.items():
        made[key] = value | {} if isinstance(value, dict) else value
    file.write_text(json.dumps(made))


@pytest.mark.parametrize(
    ("variable", "changes", "error"),
    [
        ("", {"lmdata_form": "film"}, "holds a dataset of the form 'film'"),
        ("", {"lmdata_form": "simulation"}, "'position' is not in the store"),
        ("", {"recipe_id": "0" * 64}, "not those that were declared"),
        ("status", {"dimension_names": ["step", "seed", "start"]}, "not those of any training run"),
        ("prompt", {"dimension_names": ["step", "start", "seed", "feature", "iteration"]}, "prompt has dimensions"),
        ("value", {"shape": [2, 6, 2, 5, 3]}, "value has dimensions"),
        ("loss", {"data_type": "float32"}, "loss has dtype float32"),
        ("label", {"dimension_names": ["seed", "start"]}, "label has dimensions"),
        ("seed", {"shape": [2**21]}, "claims more than"),
        ("token_vector", {"shape": [2, 2, 3, 2**40]}, "token_vector has dimensions"),
    ],
)
def test_metadata_that_was_changed_is_refused(tmp_path, made, variable, changes, error):
    shutil.copytree(made / "plain", tmp_path / "plain")
    (root := json.loads((tmp_path / "plain" / "zarr.json").read_text())).pop("consolidated_metadata")
    if not variable:
        root["attributes"] |= changes
    (tmp_path / "plain" / "zarr.json").write_text(json.dumps(root))
    if variable:
        change(tmp_path / "plain", variable, **changes)
    with pytest.raises(LmdataError, match=error):
        open_dataset(tmp_path / "plain")


@pytest.mark.parametrize("name", ["prompt", "value", "loss", "label", "feature", "digest"])
def test_a_variable_that_was_removed_is_missed(tmp_path, made, raw, name):
    shutil.copytree(made / "run", tmp_path / "run")
    with raw(tmp_path / "run") as keys:
        del keys[f"{name}/zarr.json"]
    with pytest.raises(CorruptDataset):
        open_dataset(tmp_path / "run")
    assert not lmdata.verify(tmp_path / "run").ok


def test_a_recipe_file_is_trained_and_resumed_by_the_commands(tmp_path, capsys):
    text = "model: {kind: selection}\ntokens: {kind: construction, name: single-local}\nsteps: 5\n"
    (tmp_path / "spec.yaml").write_text(text)
    assert cli.main(["simulate", str(tmp_path / "spec.yaml"), "--store", str(tmp_path / "run")]) == 0
    for command in (["resume"], ["verify"], ["repair"]):
        assert cli.main([*command, str(tmp_path / "run")]) == 0
    assert lmdata.open(tmp_path / "run").prompt.shape == (1, 1, 6, 3)


def test_problems_too_large_to_be_read_whole_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("lmdata.selection.training.EAGER_BYTES", 100)
    with pytest.raises(InvalidInput, match="token_vector of the problems takes 384 B, and a store keeps at most 100 B"):
        run_to_store(recipe_of(), tmp_path / "run")
    assert run(recipe_of()).sizes["seed"] == 2
