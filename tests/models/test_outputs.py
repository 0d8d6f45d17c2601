"""Outputs of the package transformers, and a model's own run: one dataset, whichever way it comes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

import lmdata
from lmdata.errors import InvalidInput, StoreExists
from lmdata.models import Transformer

from . import tiny

TEXTS = ["The river runs to the sea.", "Blue sea"]


class Tensor:
    """What is needed of a tensor of torch: NumPy gets its numbers after it is detached and on the processor."""

    def __init__(self, values, dtype="torch.float32", place="accelerator"):
        self.values, self.dtype, self.place, self.shape = values, dtype, place, values.shape

    def detach(self):
        return Tensor(self.values, self.dtype, "detached")

    def cpu(self):
        assert self.place == "detached"
        return Tensor(self.values, self.dtype, "cpu")

    def float(self):
        return Tensor(self.values, "torch.float32", self.place)

    def __array__(self, dtype=None, copy=None):
        assert self.place == "cpu"
        assert self.dtype != "torch.bfloat16"
        return self.values


class Tokenizer:
    @staticmethod
    def convert_ids_to_tokens(ids):
        return [tiny.VOCABULARY[number] for number in ids]


@pytest.fixture
def model(tmp_path):
    tiny.write(tmp_path / "model")
    return Transformer(tmp_path / "model", dtype="float64")


@pytest.fixture
def outputs(model):
    words = [model.tokenise(text) for text in TEXTS]
    passed = model.forward([found.ids for found in words])
    n = passed.states.shape[2]
    ids = np.array([[*found.ids, *[0] * (n - len(found.ids))] for found in words])
    mask = np.array([[1] * len(found.ids) + [0] * (n - len(found.ids)) for found in words])
    made = SimpleNamespace(
        hidden_states=tuple(map(Tensor, passed.states)), attentions=tuple(map(Tensor, passed.attention))
    )
    return made, {"input_ids": Tensor(ids, "torch.int64"), "attention_mask": Tensor(mask, "torch.int64")}


def test_a_run_and_the_outputs_of_a_padded_batch_are_one_dataset(model, outputs):
    made, inputs = outputs
    run, given = model.run(TEXTS), lmdata.from_transformers(made, Tokenizer(), inputs=inputs)
    assert given.position.dtype == np.float64
    assert list(run.word.values[1]) == ["[CLS]", "blue", "sea", "[SEP]", *[""] * 5]
    for name in ("word", "token_present", "time", "seed"):
        xr.testing.assert_equal(run[name].reset_coords(drop=True), given[name].reset_coords(drop=True))
    for name in ("position", "attention"):
        np.testing.assert_allclose(run[name], given[name], atol=1e-13)
    assert run.sizes == given.sizes == {"seed": 2, "time": 3, "token": 9, "component": 8, "head": 2, "key": 9}


def test_a_text_has_the_same_bits_alone_and_among_others(model):
    together = model.run([*TEXTS, *TEXTS[::-1]])
    for place, text in enumerate([*TEXTS, *TEXTS[::-1]]):
        alone = model.run(text)
        n = alone.sizes["token"]
        own = together.isel(seed=[place], token=slice(n), key=slice(n))
        for name in ("position", "attention"):
            np.testing.assert_array_equal(own[name], alone[name])


def test_one_text_has_its_pieces_as_labels_and_says_where_it_is_from(model):
    ds = model.run(TEXTS[0])
    assert ds.token.values.tolist()[:3] == ["[CLS]", "the@2", "river"]
    source = ds.attrs["source"]
    assert model.sha256 in source
    assert str(model.folder.parent) not in source
    assert "attention" not in model.run(TEXTS[0], attention=False)
    shallow = Transformer(model.folder, layers=1, mlp=False, dtype="float64").run(TEXTS[0])
    assert shallow.sizes["time"] == 2
    assert '"layers":1' in shallow.attrs["source"]
    assert '"mlp":false' in shallow.attrs["source"]


def test_a_run_is_kept_and_opened(model, tmp_path):
    kept = model.run(TEXTS, store=tmp_path / "run")
    xr.testing.assert_equal(kept.compute(), model.run(TEXTS))
    assert lmdata.verify(tmp_path / "run").ok
    with pytest.raises(StoreExists):
        model.run(TEXTS, store=tmp_path / "run")


def test_states_that_are_not_finite_are_refused_and_nothing_is_written(outputs, tmp_path):
    made, inputs = outputs
    made.hidden_states[1].values[0, 2, 3] = np.nan
    with pytest.raises(InvalidInput, match=r"position\[0, 1, 2, 3\] is nan"):
        lmdata.from_transformers(made, Tokenizer(), inputs=inputs, store=tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_padding_changes_no_measure(model):
    together = model.run(TEXTS)
    for measure in (lmdata.token_rank, lmdata.cone_margin, lmdata.isotropy, lmdata.attention_statistics):
        whole = measure(together)
        for place, text in enumerate(TEXTS):
            alone = measure(model.run(text))
            for name, array in (alone.data_vars if isinstance(alone, xr.Dataset) else {alone.name: alone}).items():
                found = (whole[name] if isinstance(whole, xr.Dataset) else whole).isel(seed=[place])
                found = found.isel({dim: slice(array.sizes[dim]) for dim in ("token",) if dim in array.dims})
                np.testing.assert_array_equal(found, array, err_msg=str(name))


def test_bad_texts_write_nothing(model, tmp_path):
    for texts, words in (
        ([], "texts is empty"),
        (["sea", 3], r"texts\[1\]"),
        (["sea", "sea " * 20], r"texts\[1\] has 22"),
    ):
        with pytest.raises(InvalidInput, match=words):
            model.run(texts, store=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_bfloat16_and_jax_arrays_are_taken(outputs):
    made, _ = outputs
    narrow = SimpleNamespace(
        hidden_states=[Tensor(part.values.astype(np.float32), "torch.bfloat16") for part in made.hidden_states]
    )
    assert lmdata.from_transformers(narrow).position.dtype == np.float32
    jax = pytest.importorskip("jax")
    arrays = {"hidden_states": [jax.numpy.asarray(part.values, "bfloat16") for part in made.hidden_states]}
    found = lmdata.from_transformers(arrays)
    assert found.position.dtype == np.float32
    np.testing.assert_allclose(found.position[:, 0], made.hidden_states[0].values, rtol=2**-8)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda o, i: (SimpleNamespace(logits=1), Tokenizer(), i), "output_hidden_states=True"),
        (lambda o, i: (SimpleNamespace(hidden_states=None), Tokenizer(), i), "output_hidden_states=True"),
        (lambda o, i: (o, Tokenizer(), None), "give inputs"),
        (lambda o, i: (o, 3, i), "tokenizer is int"),
        (lambda o, i: (o, Tokenizer(), i | {"input_ids": np.zeros((2, 3), int)}), r"input_ids has shape \(2, 3\)"),
        (lambda o, i: (o, Tokenizer(), i | {"attention_mask": np.ones((2, 3))}), "present has shape"),
        (
            lambda o, i: (SimpleNamespace(hidden_states=(*o.hidden_states[:1], np.ones((2, 3, 8)))), None, None),
            "alike",
        ),
        (lambda o, i: (SimpleNamespace(hidden_states=[np.ones((3, 8))]), None, None), "3-dimensional"),
        (lambda o, i: (SimpleNamespace(hidden_states=o.hidden_states, attentions=(None,)), None, None), "eager"),
        (
            lambda o, i: (SimpleNamespace(hidden_states=o.hidden_states, attentions=o.attentions[:1]), None, None),
            "attention has shape",
        ),
        (lambda o, i: (SimpleNamespace(hidden_states=[np.full((1, 2, 3), np.nan)] * 2), None, None), "nan"),
    ],
)
def test_outputs_that_cannot_be_taken_are_refused(outputs, tmp_path, change, words):
    made, tokenizer, inputs = change(*outputs)
    with pytest.raises(InvalidInput, match=words):
        lmdata.from_transformers(made, tokenizer, inputs=inputs, store=tmp_path / "kept")
    assert not (tmp_path / "kept").exists()
