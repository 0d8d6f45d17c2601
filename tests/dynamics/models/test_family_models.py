"""What holds for every model of the family: recipes, symmetries, cuts in time and in batches, degenerate tokens."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmdata.dynamics import Localmax, tokens
from lmdata.dynamics.model import Model, model_from_specification
from lmdata.dynamics.models import (
    BoundedConfidence,
    CircleDensityFlow,
    FeedForwardAttention,
    FeedForwardLocalmax,
    KrauseTransformer,
    LocalmaxVariant,
    MultiHeadAttention,
    Noisy,
    NormalisedAttention,
    PositionalAttention,
    PureAttention,
    SelfAttention,
    Sinkformer,
    Softmax,
    SphereAttention,
    SphereGradientFlow,
)
from lmdata.dynamics.models.noisy import standard_normal
from lmdata.dynamics.schedules import Periodic
from lmdata.errors import UnknownName

SPACE = [
    Softmax(inverse_temperature=3.0, influence=0.7),
    Softmax(inverse_temperature=3.0, alignment=[[2, 0.5], [0.5, 1]]),
    Softmax(inverse_temperature=3.0, causal=True),
    SelfAttention(step_size=0.05, values=[[1.0, 0.3], [-0.2, 0.5]], queries=[[1, 0.5], [0, 1]]),
    SelfAttention(step_size=0.05, form="plain", scheme="exponential", values=[[0.5, 0], [0, -1]]),
    SelfAttention(step_size=0.05, form="plain", scheme="euler", causal=True),
    Sinkformer(inverse_temperature=1.0, step_size=0.1, values=[[-0.2, 0.1], [0, 0.3]]),
    Sinkformer(inverse_temperature=2.0, step_size=0.1, half_steps=3),
    NormalisedAttention(placement="pre", inverse_temperature=2.0, values=[[1.0, 0.3], [-0.2, 0.5]]),
    NormalisedAttention(placement="peri", inverse_temperature=2.0, alignment=[[1, 0.5], [-0.5, 1]], scheme="euler"),
    PureAttention(inverse_temperature=2.0, queries=[[1, 0.5], [0, 1]], values=[[1.0, 0.3], [-0.2, 0.5]]),
    PureAttention(weights="sinkhorn"),
    BoundedConfidence(radius=0.6),
    KrauseTransformer(bandwidth=0.5, nearest=3, queries=[[1, 0.5], [0, 1]]),
    KrauseTransformer(bandwidth=0.5, causal=True, window=3),
    LocalmaxVariant(alignment_sensitivity=0.2, threshold="absolute", exclude_self=True),
    LocalmaxVariant(alignment=[[-2, 0.5], [0.5, 1]], exclude_self=True, causal=True),
    FeedForwardLocalmax(
        alignment_sensitivity=0.2,
        neurons=[[1, 0.5], [-1, 0], [0, 2]],
        outputs=[[0.1, 0, -0.3], [0.2, 0.1, 0]],
        biases=[0.1, 0, -0.2],
        activation="gelu",
    ),
    LocalmaxVariant(alignment_sensitivity=0.2, threshold="spread"),
    LocalmaxVariant(alignment_sensitivity=0.3, threshold="maximum", influence=0.5),
    LocalmaxVariant(alignment_sensitivity=0.2, threshold="absolute", causal=True),
    Noisy(model=Softmax(), scale=Periodic((0.05, 0.1))),
    Noisy(model=SelfAttention(form="plain", values=[[0, 0], [0, 0]]), noise="values", scale=0.5),
    Noisy(model=Localmax(0.1), noise="common", scale=0.05),
]
SPHERE = [
    SphereAttention(inverse_temperature=4.0),
    SphereAttention(inverse_temperature=4.0, scheme="layernorm", causal=True),
    SphereAttention(
        inverse_temperature=1.0, normalised=False, alignment=[[1, 0.5], [-0.5, 1]], values=[[1, 0], [0, 2]]
    ),
    SphereAttention(inverse_temperature=1.0, scheme="geodesic"),
    SphereAttention(inverse_temperature=1.0, ellipsoid=[[2, 0], [0, 1]], off_surface="normalise"),
    SphereGradientFlow(step_size=0.1, alignment=[[1, 0], [0, -1]]),
    SphereGradientFlow(step_size=0.1, direction="descent", scheme="euler"),
    FeedForwardAttention(
        neurons=[[1, 0.5], [-1, 0], [0, 2]], gains=[1, -2, 0.5], biases=[0, 0.3, -0.1], step_size=0.05
    ),
    FeedForwardAttention(normalised=True, alignment=[[1, 0.5], [0.5, -1]], neurons=[[1, 0.3]], activation="sigmoid"),
    MultiHeadAttention(heads=[[[1, 0.2], [0.2, 0]], [[0, 1], [-1, 0.5]]], step_size=0.05),
    MultiHeadAttention(heads=[[[1, 0.2], [0.2, 0]], [[0, 1], [1, 0.5]]], normalised=True, inverse_temperature=2.0),
    NormalisedAttention(placement="ngpt", inverse_temperature=2.0, rate=0.5, scheme="layernorm", causal=True),
    NormalisedAttention(placement="mix", inverse_temperature=2.0, switch=0.43),
    NormalisedAttention(placement="sqrt-depth", inverse_temperature=2.0),
    LocalmaxVariant(alignment_sensitivity=0.2, threshold="spread", geometry="sphere"),
    PositionalAttention(slope=0.5, rotation=0.3, averaged=True),
    PositionalAttention(inverse_temperature=4.0, slope=0.1, normalised=True, strict=False, scheme="geodesic"),
    Noisy(model=SphereAttention(inverse_temperature=4.0), scale=0.1),
    Noisy(model=SphereAttention(values=[[0, 0], [0, 0]], scheme="layernorm"), noise="values", scale=0.7),
]
MODELS = SPACE + SPHERE
NAMES = [f"{i}-{model.model.kind if isinstance(model, Noisy) else ''}{model.kind}" for i, model in enumerate(MODELS)]
every_model = pytest.mark.parametrize("model", MODELS, ids=NAMES)


def start_of(model, seed, n=6):
    return tokens.sphere(n, 2).draw(seed) if model in SPHERE else tokens.uniform(n, 2).draw(seed)


def advance(model, state, record, *, start=0, seed=0):
    frames = type(model).advance([model], state[None], start=start, record=list(record), seeds=[seed])
    return frames.position[0]


@every_model
def test_the_specification_gives_the_model_back(model):
    specification = model.specification()
    assert isinstance(model, Model)
    assert model_from_specification(json.loads(json.dumps(specification))) == model
    assert specification["kind"] == model.kind
    name = model.sweepable[0]
    assert model.with_parameter(name, 0.25) == model_from_specification(
        json.loads(json.dumps(model.with_parameter(name, 0.25).specification()))
    )
    with pytest.raises(UnknownName, match="sweepable"):
        model.with_parameter("nonsense", 1.0)


@every_model
def test_a_run_may_be_cut_anywhere(model):
    state = start_of(model, 1)
    whole = advance(model, state, range(13))
    first = advance(model, state, range(6))
    rest = advance(model, first[-1], range(5, 13), start=5)
    np.testing.assert_array_equal(np.concatenate([first[:-1], rest]), whole)


@every_model
def test_a_member_does_not_depend_on_its_batch(model):
    """Every swept parameter differs from member to member."""
    models = [model, model, model]
    for name in model.sweepable:
        models[1:] = [models[1].with_parameter(name, 0.2), models[2].with_parameter(name, 0.9)]
    states = [start_of(model, seed) for seed in (1, 2, 3)]
    batch = type(model).advance(models, np.stack(states), start=0, record=[0, 3, 8], seeds=[1, 2, 3])
    for member in range(3):
        alone = type(model).advance(
            [models[member]], states[member][None], start=0, record=[0, 3, 8], seeds=[member + 1]
        )
        np.testing.assert_array_equal(alone.position[0], batch.position[member])
        for key, values in alone.diagnostics.items():
            np.testing.assert_array_equal(values[0], batch.diagnostics[key][member])


def carry_noise_along(monkeypatch, change):
    """Let each draw of noise be changed as the tokens are: equality in law becomes equality."""

    def drawn(seeds, step, shape):
        return change(standard_normal(seeds, step, shape))

    monkeypatch.setattr("lmdata.dynamics.models.noisy.standard_normal", drawn)


@every_model
def test_permuting_tokens_permutes_the_trajectory(model, monkeypatch):
    """Not under a causal mask, where order is the point; each token takes along the noise that is its own."""
    if getattr(model, "causal", False):
        pytest.skip("tokens are told apart by their order")
    state, order = start_of(model, 4), np.array([3, 0, 5, 1, 4, 2])
    one = advance(model, state, [10])
    if isinstance(model, Noisy) and model.noise == "additive":
        carry_noise_along(monkeypatch, lambda noise: noise[:, order])
    other = advance(model, state[order], [10])
    if isinstance(model, BoundedConfidence | FeedForwardLocalmax | LocalmaxVariant):
        np.testing.assert_array_equal(one[:, order], other)
    np.testing.assert_allclose(one[:, order], other, rtol=0, atol=1e-12)


def rotated(model, turn):
    """Return the model in rotated coordinates: every matrix M becomes Q M Q'."""
    if isinstance(model, Noisy):
        return replace(model, model=rotated(model.model, turn))
    matrices = {}
    for name in ("alignment", "queries", "keys", "values", "ellipsoid"):
        if getattr(model, name, None) is not None:
            matrix = turn @ np.array(getattr(model, name)) @ turn.T
            matrices[name] = (matrix + matrix.T) / 2 if np.allclose(matrix, matrix.T) else matrix
    for name, change in [("neurons", lambda u: u @ turn.T), ("outputs", lambda w: turn @ w)]:
        if getattr(model, name, None) is not None:
            matrices[name] = change(np.array(getattr(model, name)))
    if getattr(model, "heads", None) is not None:
        matrices["heads"] = [turn @ np.array(head) @ turn.T for head in model.heads]
    return replace(model, **matrices)


@every_model
def test_rotating_everything_rotates_the_trajectory(model, monkeypatch):
    """Noise included: pushes turn as tokens do, and random value matrices as value matrices."""
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    state = start_of(model, 5)
    one = advance(model, state, [10])
    if isinstance(model, Noisy):
        values = model.noise == "values"
        carry_noise_along(monkeypatch, lambda noise: (turn @ noise if values else noise) @ turn.T)
    other = advance(rotated(model, turn), state @ turn.T, [10])
    np.testing.assert_allclose(one @ turn.T, other, rtol=0, atol=1e-11)


@pytest.mark.parametrize("shift", [1, 7])
def test_turning_or_mirroring_the_circle_turns_a_density(shift):
    """A density with D = I does not know where its cells begin, nor which way they run."""
    mass = 0.1 + tokens.uniform(12, 1, low=0).draw(3)
    mass /= mass.sum()
    for metric in ("wasserstein", "fisher-rao"):
        model = CircleDensityFlow(metric=metric, step_size=0.01)
        end = advance(model, mass, [20])[0]
        np.testing.assert_allclose(
            advance(model, np.roll(mass, shift, axis=0), [20])[0], np.roll(end, shift, axis=0), atol=1e-15
        )
        np.testing.assert_allclose(advance(model, mass[::-1], [20])[0], end[::-1], rtol=0, atol=1e-15)


@every_model
def test_one_token_is_a_fine_system(model):
    state = start_of(model, 1, n=1)
    assert np.isfinite(advance(model, state, [50])).all()


@every_model
def test_coincident_tokens_stay_together(model):
    """Each is treated as the other, to the bit; those that only attend to each other do not move at all."""
    if getattr(model, "causal", False) or (isinstance(model, Noisy) and model.noise == "additive"):
        pytest.skip("tokens are told apart by their order")
    state = start_of(model, 2)
    state[1] = state[0]
    end = advance(model, state, [20])[0]
    if isinstance(model, Sinkformer):
        np.testing.assert_allclose(end[0], end[1], rtol=0, atol=1e-12)
    else:
        np.testing.assert_array_equal(end[0], end[1])


@pytest.mark.parametrize(
    "model",
    [
        Softmax(),
        BoundedConfidence(),
        KrauseTransformer(nearest=2),
        LocalmaxVariant(),
        SelfAttention(values=[[2.0, 1.0], [0.0, -1.0]], step_size=0.05),
    ],
    ids=lambda model: model.kind,
)
@given(point=st.tuples(st.floats(-3, 3), st.floats(-3, 3)), n=st.integers(1, 40))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_a_collapsed_system_stays_put_exactly(model, point, n):
    state = np.tile(np.array(point), (n, 1)) + 0.0
    np.testing.assert_array_equal(advance(model, state, [7])[0], state)


@every_model
def test_attention_weights_are_nonnegative_and_move_the_tokens(model):
    if isinstance(model, Noisy):
        pytest.skip("the weights are the model's")
    state = start_of(model, 3)
    weights = model.attention(state[None])[0]
    assert weights.shape == (6, 6)
    assert (weights >= 0).all()
    if getattr(model, "normalised", True) and not isinstance(model, SphereGradientFlow):
        tolerance = 0.2 if getattr(model, "half_steps", None) else 1e-12
        np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=0, atol=tolerance)
    if getattr(model, "causal", False):
        assert not np.triu(weights, 1).any()


ONE_ATTENTION = [m for m in MODELS if not isinstance(m, Noisy | FeedForwardAttention | MultiHeadAttention)]


@pytest.mark.parametrize("model", ONE_ATTENTION, ids=str)
def test_kernels_agree_with_the_explicit_weights(model):
    state = start_of(model, 6)
    weights = model.attention(state[None])[0]
    own = {name: np.array([getattr(model, name)]) for name in model.sweepable}
    if isinstance(model, Softmax | BoundedConfidence | KrauseTransformer | FeedForwardLocalmax | LocalmaxVariant):
        np.testing.assert_allclose(model.pull(state[None], 0, own)[0], weights @ state - state, rtol=0, atol=1e-13)
        return
    values = getattr(model, "alignment" if isinstance(model, SphereGradientFlow) else "values", None)
    values = np.eye(2) if values is None else np.array(values)
    if isinstance(model, NormalisedAttention):
        expected = weights @ (state / np.linalg.norm(state, axis=1, keepdims=True)) @ values.T
        if model.placement in ("peri", "ngpt"):
            expected *= model.rate / np.linalg.norm(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(model.force(state[None], 0.0, own)[0], expected, rtol=1e-12, atol=1e-13)
        return
    expected = weights @ state @ values.T
    if isinstance(model, SelfAttention) and model.form == "rescaled":
        expected = expected - state @ values.T
    if getattr(model, "direction", "") == "descent":
        expected = -expected
    found = model.move(state[None], 0, own) if isinstance(model, PureAttention) else model.force(state[None], 0.0, own)
    np.testing.assert_allclose(found[0], expected, rtol=1e-12, atol=1e-13)


def test_causal_tokens_do_not_feel_later_ones():
    for model in (
        Softmax(causal=True),
        SelfAttention(causal=True),
        LocalmaxVariant(causal=True, alignment_sensitivity=0.3),
        PositionalAttention(slope=0.5, rotation=0.3),
    ):
        state = start_of(model, 7)
        few = advance(model, state[:3], [10])
        np.testing.assert_array_equal(advance(model, state, [10])[:, :3], few)


def test_localmax_variant_contains_localmax_to_the_bit():
    state = np.round(4 * tokens.uniform(9, 2).draw(0)) / 4  # a lattice: ties abound
    variant = LocalmaxVariant(alignment_sensitivity=0.25, threshold="absolute", influence=0.5)
    np.testing.assert_array_equal(advance(variant, state, range(20)), advance(Localmax(0.25, 0.5), state, range(20)))


@pytest.mark.parametrize("threshold", ["spread", "maximum"])
def test_relative_thresholds_do_not_know_the_scale(threshold):
    """Scaling tokens by 2^k scales the trajectory, to the bit; with the absolute rule delta must go along."""
    state = tokens.uniform(8, 2).draw(3)
    model = LocalmaxVariant(alignment_sensitivity=0.3, threshold=threshold)
    np.testing.assert_array_equal(advance(model, 8 * state, range(10)), 8 * advance(model, state, range(10)))
    absolute = LocalmaxVariant(alignment_sensitivity=0.3, threshold="absolute")
    scaled = replace(absolute, alignment_sensitivity=64 * 0.3)
    np.testing.assert_array_equal(advance(scaled, 8 * state, range(10)), 8 * advance(absolute, state, range(10)))


def test_softmax_tends_to_hardmax_and_to_the_mean():
    state = tokens.uniform(8, 2).draw(1)
    hot, cold = Softmax(inverse_temperature=0.0), Softmax(inverse_temperature=1e300)
    np.testing.assert_allclose(advance(hot, state, [1])[0], (state + state.mean(axis=0)) / 2, rtol=0, atol=1e-15)
    np.testing.assert_allclose(advance(cold, state, [1]), advance(Localmax(), state, [1]), rtol=0, atol=1e-15)


@pytest.mark.parametrize("direction", ["ascent", "descent"])
@pytest.mark.parametrize("scheme", ["rk4", "euler", "geodesic", "adaptive"])
@given(
    seed=st.integers(0, 10_000), signs=st.lists(st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.5]), min_size=2, max_size=3)
)
@settings(max_examples=8, deadline=None, derandomize=True)
def test_energy_is_monotone_along_its_gradient_flow(direction, scheme, seed, signs):
    """Fact F9, for D of every signature."""
    alignment = np.diag(signs)
    model = SphereGradientFlow(alignment=alignment, direction=direction, scheme=scheme, step_size=0.01)
    state = tokens.sphere(7, len(signs)).draw(seed)
    frames = advance(model, state, range(0, 41, 4) if scheme != "adaptive" else range(3))
    energy = np.exp(np.einsum("tik,kl,tjl->tij", frames, alignment, frames)).mean(axis=(1, 2)) / 2
    change = np.diff(energy) if direction == "ascent" else -np.diff(energy)
    assert change.min() >= -1e-14 * energy.max()


@pytest.mark.parametrize("metric", ["wasserstein", "fisher-rao"])
@pytest.mark.parametrize("direction", ["ascent", "descent"])
def test_densities_keep_their_mass_and_move_the_energy_one_way(metric, direction):
    cells = 60
    mass = 0.1 + tokens.uniform(cells, 1, low=0).draw(2)
    mass /= mass.sum()
    model = CircleDensityFlow(alignment=[[1, 0], [0, -0.5]], metric=metric, direction=direction, step_size=0.01)
    model.check(mass, 100)
    assert model_from_specification(model.specification()) == model
    frames = advance(model, mass, range(0, 101, 5))[..., 0]
    angle = 2 * np.pi * np.arange(cells) / cells - np.pi
    kernel = np.exp(np.outer(np.cos(angle), np.cos(angle)) - 0.5 * np.outer(np.sin(angle), np.sin(angle)))
    energy = np.einsum("tk,kl,tl->t", frames, kernel, frames) / 2
    np.testing.assert_allclose(frames.sum(axis=1), 1, rtol=0, atol=1e-12)
    assert frames.min() >= 0
    assert (np.diff(energy) if direction == "ascent" else -np.diff(energy)).min() > 0


def test_a_density_moves_as_the_particles_that_it_stands_for():
    """Mass at one angle, pulled by mass at another: its mean moves at the particle's speed."""
    cells = 720
    mass = np.zeros((cells, 1))
    mass[360 + 60], mass[360] = 0.5, 0.5  # at 30 degrees and at 0
    flow = CircleDensityFlow(direction="ascent", step_size=1e-4, inverse_temperature=2.0)
    angle = 2 * np.pi * np.arange(cells) / cells - np.pi
    moved = advance(flow, mass, [10])[0, :, 0]
    centre = (moved * angle)[380:440].sum() / moved[380:440].sum()
    particles = SphereGradientFlow(step_size=1e-4, inverse_temperature=2.0)
    points = np.array([[np.cos(np.pi / 6), np.sin(np.pi / 6)], [1.0, 0.0]])
    end = advance(particles, points, [10])[0]
    speed = (np.arctan2(end[0, 1], end[0, 0]) - np.pi / 6) / 1e-3
    assert (centre - np.pi / 6) / 1e-3 == pytest.approx(speed, rel=0.02)


def test_rescaled_tokens_reach_any_time_without_overflow():
    model = SelfAttention(values=[[1.0, 0.2], [0.0, 0.5]], step_size=0.5)
    assert np.isfinite(advance(model, tokens.uniform(6, 2).draw(0), [2_000])).all()
