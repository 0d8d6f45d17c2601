"""Which max-margin solution a way of training tends to: nuclear, Frobenius, largest entry, joint, composed, benign."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lmdata.errors import InvalidInput
from lmdata.selection import (
    TokenSelection,
    att_svm,
    attention,
    composition,
    construction,
    direction_correlation,
    gaussian,
    given,
    label_noise,
    label_svm,
    margins,
    path_margin,
    regularisation_path,
    selected_mass,
    solutions,
    starts,
    token_scores,
    train,
    value_correlation,
    winner,
)
from lmdata.selection.geometry import optimal_tokens


def of_winner(measure, ds, found):
    """Return the last value of a measure for the solution that wins, over starts and seeds."""
    which = winner(ds, found)
    assert (which >= 0).all()
    return measure(ds, found).isel(iteration=-1).isel(solution=which).values


def test_factors_tend_to_the_nuclear_solution_and_their_product_to_the_frobenius_one():
    """After arXiv 2308.16898: each path ends within a third of the distance between the two solutions."""
    source = gaussian(3, 4, 5, queries="random")
    arguments = {"steps": 3000, "seeds": range(3), "record": [3000]}
    model = TokenSelection(trained="factors", step=0.05)
    factors = train(model, source, starts=starts(count=1, scale=0.1), **arguments)
    plain = train(TokenSelection(trained="weight"), source, **arguments)
    assert (TokenSelection(trained="factors").margin_norm, TokenSelection().margin_norm) == ("nuclear", 2.0)
    chosen = attention(factors).argmax("token").values[0, :, 0]
    assert (chosen == attention(plain).argmax("token").values[0, :, 0]).all()
    for seed, selected in enumerate(chosen):
        by_norm = {n: att_svm(source.draw(seed), selected, of="weight", norm=n).solution for n in ("nuclear", 2.0)}
        apart = 1 - cosine(by_norm["nuclear"], by_norm[2.0])
        key, query = (factors[name][0, seed, -1].values for name in ("key_matrix", "query_matrix"))
        for path, norm in ((key @ query.T, "nuclear"), (plain.weight[0, seed, -1].values, 2.0)):
            assert 1 - cosine(path, by_norm[norm]) < apart / 3


def cosine(x, y):
    return (x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum())


def test_sign_descent_has_the_largest_margin_by_the_largest_entry():
    """It ends within step D^2 e^(step D) / 2 of the largest, D the largest |g|_1 (after arXiv 2502.04664).

    Once attention has settled the loss is a sum R of e^-<g, p>. Its gradient has the l_1 norm gamma R at least, gamma
    the largest margin, so that a step multiplies R by 1 - step gamma + step^2 D^2 e^(step D) / 2 at most, while the
    largest entry of p grows by the step at most."""
    source, step = gaussian(3, 4, 6), 0.02
    arguments = {"steps": 2000, "record": [2000]}
    ds = train(TokenSelection(descent="sign", step=step), source, **arguments)
    found = solutions(ds)
    assert found.attrs["norm"] == "inf"
    reached = of_winner(path_margin, ds, found)[0]
    best = found.solution_margin.isel(solution=winner(ds, found).isel(start=0)).values
    tokens = source.draw(0).tokens
    widest = abs(tokens[:, :, None] - tokens[:, None]).sum(axis=-1).max()
    assert best - step * widest**2 * math.exp(step * widest) / 2 < reached <= best * (1 + 1e-9)
    assert reached > 0.97 * best
    straight = train(TokenSelection(step=step), source, **arguments)
    assert (of_winner(path_margin, straight, solutions(straight, norm=math.inf))[0] < reached).all()


def test_the_margin_by_the_largest_entry_has_a_closed_form():
    """min |u|_inf with <g, u> >= 1 is 1 / |g|_1, at sign(g) / |g|_1; of a cross of g's it is one corner of the cube."""
    g = np.array([[3.0, -1.0, 0.5]])
    one = given(np.stack([g, np.zeros((1, 3))], axis=1), [1], value=[1, 0, 0]).draw(0)
    found = att_svm(one, [0], norm=math.inf)
    np.testing.assert_allclose(found.solution, np.sign(g[0]) / 4.5, rtol=0, atol=1e-9)
    assert found.margin == pytest.approx(4.5, rel=1e-9)


@pytest.mark.parametrize("norm", [2.0, 3.0, math.inf, "nuclear"])
def test_a_path_along_a_solution_has_its_margin(norm):
    """And so it is for each norm: <g, u> / |u| at the solution is 1 / |u|, however long the path is."""
    source = gaussian(3, 4, 5, queries="random")
    ds = train(TokenSelection(trained="factors"), source, steps=1, starts=starts(count=1))
    found = solutions(ds, selected=[[0, 1, 2], optimal_tokens(source.draw(0))], norm=norm)
    assert (found.solution_status == 0).all()
    for k in range(2):
        keys = 3.0 * found.matrix_direction.isel(solution=k).rename(query_feature="width").expand_dims(
            start=1, iteration=2
        )
        along = ds.assign(
            key_matrix=keys.transpose(*ds.key_matrix.dims).drop_vars(["query_feature", "width"], errors="ignore"),
            query_matrix=ds.query_matrix.copy(data=np.broadcast_to(np.eye(5), ds.query_matrix.shape)),
        )
        reached = path_margin(along, found).isel(solution=k)
        np.testing.assert_allclose(reached, found.solution_margin[0, k].item(), rtol=1e-8)


def test_training_weights_under_one_query_is_training_the_prompt():
    """W z moves as the prompt does, with |z|^2 times the step, or |z| times if normalised; to the bit where z = e_1."""
    arguments = {"steps": 300, "seeds": range(2), "record": 50}
    for model in ({}, {"normalised": False, "step": 1.0}, {"loss": "correlation"}, {"descent": "sign"}):
        prompt = train(TokenSelection(**model), gaussian(3, 4, 5), **arguments)
        weight = train(TokenSelection(trained="weight", **model), gaussian(3, 4, 5, queries="shared"), **arguments)
        np.testing.assert_array_equal(weight.weight[..., 0].values, prompt.prompt.values)
        assert not weight.weight[..., 1:].any()
    drawn, rng = gaussian(3, 4, 5).draw(0), np.random.default_rng(0)
    query, begin = 1.5 * rng.normal(size=5), rng.normal(size=(5, 5))
    length = np.linalg.norm(query)
    shared = given(drawn.tokens, drawn.labels, value=drawn.value, query=query)
    for normalised, factor in ((False, length**2), (True, length)):
        weight = train(
            TokenSelection(trained="weight", normalised=normalised, step=0.02), shared, steps=100, starts=[begin]
        )
        prompt = train(
            TokenSelection(normalised=normalised, step=0.02 * factor), drawn, steps=100, starts=[begin @ query]
        )
        np.testing.assert_allclose(weight.weight[0, 0].values @ query, prompt.prompt[0, 0], rtol=0, atol=1e-12)
        across = np.linalg.svd(query[None])[2][1:]
        np.testing.assert_allclose(weight.weight[0, 0, -1].values @ across.T, begin @ across.T, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "support"), [("joint-tight", [True, True, True]), ("joint-loose", [True, True, False])]
)
def test_the_support_of_the_label_separator_decides_the_problem_of_the_prompt(name, support):
    """Samples at the label margin hold the prompt's margin too; others need only not lose (2306.13596)."""
    ds = train(TokenSelection(trained="joint"), construction(name), steps=1000, starts=[[0, -1]], record=[0, 1000])
    found = solutions(ds).isel(seed=0, solution=0)
    assert found.value_support.values.tolist() == support
    assert not found.token_support.values[:, 1].any(), "the selected token is no rival of itself"
    one = construction(name).draw(0)
    gaps = (one.keys()[:, 1] - one.keys()[:, 0]) @ found.direction.values
    assert gaps[support].min() == pytest.approx(1, abs=1e-9)
    assert (gaps[~np.array(support)] >= 0).all()
    at_margin = abs(gaps - np.where(support, 1, 0)) < 1e-6
    assert found.token_support.values[:, 0].tolist() == at_margin.tolist()
    assert value_correlation(ds, solutions(ds))[0, 0, -1, 0] > 0.9999
    held = margins(ds)[0, 0, -1].values / np.linalg.norm(ds.value[0, 0, -1])
    np.testing.assert_allclose(held[support], label_svm(one, [1, 1, 1]).margin, rtol=0.02)
    assert (held[~np.array(support)] > 1.02 * held[0]).all()


def test_the_value_vector_tends_to_the_separator_in_the_norm_of_its_descent():
    """As the prompt does: gradients to the l_2 separator of the labels, the mirror of l_3 to that of l_3."""
    features, labels = np.array([[2.0, 1, 0.5], [-1, -1.5, 0.3], [1, 3, -0.7]]), np.array([1, -1, 1])
    one = given(np.stack([np.zeros((3, 3)), features], axis=1), labels, value=[0.1, 0.1, 0])
    for own, other in ((2.0, 3.0), (3.0, 2.0)):
        model = TokenSelection(trained="joint", exponent=own)
        ds = train(model, one, steps=8000, starts=[[0.3, 0.1, 0.2]], record=[8000])
        near, far = (value_correlation(ds, solutions(ds, norm=n))[0, 0, -1, 0].item() for n in (own, other))
        assert near > 0.997
        assert far < 0.99
        separator = solutions(ds).value_direction[0, 0].values
        assert (labels * (features @ separator)).min() == pytest.approx(1, abs=1e-8)
        np.testing.assert_allclose(separator, label_svm(one.draw(0), [1, 1, 1], norm=own).solution, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["joint-tight", "joint-loose"])
def test_joint_regularisation_paths_tend_to_both_max_margin_directions(name):
    """v off by O(1 / r), p by O(1 / R): the exponents of the loss are r and R times what is off."""
    radii = [5.0, 10.0, 20.0]
    path = regularisation_path(construction(name), radii, trained="joint", starts=starts(count=4), step=0.05)
    assert path.prompt.dims == ("radius", "value_radius", "seed", "iteration", "feature")
    found = solutions(path.sel(radius=20.0, value_radius=20.0))
    of_prompt = direction_correlation(path, found).isel(seed=0, iteration=0, solution=0)
    of_value = value_correlation(path, found).isel(seed=0, iteration=0, solution=0)
    for measure in (of_prompt, of_value):
        along = np.array([measure.sel(radius=r, value_radius=r).item() for r in radii])
        assert (np.diff(along) > 0).all()
        assert along[-1] > 0.999
    np.testing.assert_allclose(np.linalg.norm(path.value, axis=-1)[..., 0, 0], [radii] * 3, rtol=1e-12)


def test_a_convex_head_selects_one_token():
    """A mean of tokens is worth no more than the best of them under relu with v above 0, where it is not dead."""
    tokens = gaussian(2, 3, 6).draw(0).tokens + 0.5
    one = given(tokens, [1, 1], value=[1] * 6)
    ds = train(TokenSelection(head="relu"), one, steps=2000, starts=starts(count=4), record=[2000])
    found = solutions(ds)
    assert (of_winner(direction_correlation, ds, found) > 0.999).all()
    assert (of_winner(selected_mass, ds, found) > 0.999).all()
    best = np.maximum(tokens, 0).sum(axis=-1)
    assert found.selected_token[0, 0].values.tolist() == best.argmax(axis=1).tolist()
    reached = margins(ds).isel(iteration=-1).max("start").values[0]
    assert (reached <= best.max(axis=1) * (1 + 1e-12)).all()


def test_a_concave_head_composes_tokens():
    """tanh(1/2) + tanh(1/2) > tanh(1): attention halves itself between e_1 and e_2; 0 and -e_1 are out.

    The generalised SVM: p_1 = p_2, p_1 >= 1 above 0, so p = (1, 1, 0); with W as well, and off symmetry."""
    one = given([[[1, 0, 0], [0, 1, 0], [0, 0, 0], [-1, 0, 0]]], [1], value=[1, 1, 0], query=[0, 0, 1])
    for trained, name, expected in (
        ("prompt", "direction", [1, 1, 0]),
        ("weight", "matrix", [[0, 0, 1]] * 2 + [[0] * 3]),
    ):
        model = TokenSelection(head="tanh", trained=trained, normalised=False, step=2.0)
        ds = train(model, one, steps=20_000, starts=starts(count=3, scale=0.3), record=[0, 200, 20_000])
        found = composition(ds)
        assert (found.composed.values == [True, True, False, False]).all()
        for direction in found[f"composition_{name}"].values[:, 0]:
            np.testing.assert_allclose(direction, expected, rtol=0, atol=1e-8)
        assert (found.composition_correlation.diff("iteration") > 0).all()
        assert (found.composition_correlation.isel(iteration=-1) > 0.99).all()
        np.testing.assert_allclose(attention(ds).isel(iteration=-1)[:, 0, 0], [[0.5, 0.5, 0, 0]] * 3, rtol=0, atol=1e-3)
        np.testing.assert_allclose(margins(ds).isel(iteration=-1), 2 * math.tanh(0.5), rtol=0, atol=1e-3)
        assert not solutions(ds).locally_optimal.isel(solution=0).any(), "its mean with another token is better"


def test_compositions_arise_on_random_problems():
    """Where no token alone is optimal in a sample, several stay, and p grows along their solution: as log t."""
    drawn = gaussian(3, 4, 8, queries="random").draw(3)
    one = given(drawn.tokens, [1, 1, 1], value=[1] * 8)
    ds = train(TokenSelection(head="tanh", normalised=False, step=1.0), one, steps=3000, record=[30, 300, 3000])
    found = composition(ds)
    assert found.composed.sum("token").values.ravel().tolist() == [2, 1, 1]
    assert (found.composition_correlation.diff("iteration") > 0).all()
    assert found.composition_correlation[..., -1].item() > 0.96
    gaps = attention(ds)[0, 0, :, 0].where(found.composed[0, 0, 0]).isel(iteration=-1).dropna("token")
    assert gaps.min() > 0.05, "and both with a finite part of the weight"


def test_wrong_labels_are_fitted_and_the_signal_is_selected_all_the_same():
    """Benign overfitting (arXiv 2409.17625), on a smaller problem: every label is fitted, fresh ones are predicted; the
    clean samples attend to token 0, those with wrong labels do not."""
    source = label_noise(10, 8, 500, signal=8.0)
    ds = train(TokenSelection(normalised=False, step=0.1), source, steps=1000, record=[0, 1000])
    wrong = (token_scores(ds).isel(token=0) < 0).values[0]
    assert wrong.sum() == 2
    fitted = margins(ds)[0, 0]
    assert (fitted[0] > 0).sum() < 10
    assert (fitted[-1] > 0).all()
    fresh = label_noise(200, 8, 500, signal=8.0, flipped=0.0).draw(1000)
    assert (margins(ds, fresh)[0, 0, -1] > 0).mean() > 0.95
    weight = attention(ds)[0, 0, -1, :, 0].values
    assert weight[~wrong].min() > 0.9
    assert weight[wrong].max() < 0.1


def test_what_a_prediction_needs_is_said():
    ds = train(TokenSelection(), construction("single-local"), steps=1)
    with pytest.raises(InvalidInput, match="problem has 4 features, and the run 3"):
        margins(ds, gaussian(2, 3, 4).draw(0))
    with pytest.raises(InvalidInput, match="v is fixed where 'prompt' is trained"):
        value_correlation(ds, solutions(ds))
    weight = train(TokenSelection(trained="weight"), gaussian(2, 3, 4, queries="random"), steps=1)
    with pytest.raises(InvalidInput, match="query of the problem is None"):
        margins(weight, gaussian(2, 3, 4).draw(0))
    with pytest.raises(InvalidInput, match=r"value_radii is .* with trained 'prompt'"):
        regularisation_path(construction("single-local"), [1], value_radii=[1])


def test_other_samples_are_predicted_as_if_they_had_been_trained_on():
    """The margins of the run's own problem, handed over as another, are those of the run."""
    source = gaussian(3, 4, 5, queries="random")
    for parameters in ({}, {"trained": "weight", "head": "tanh"}, {"trained": "joint"}, {"trained": "factors"}):
        ds = train(TokenSelection(**parameters), source, steps=30, starts=starts(count=2), record=10)
        own, handed_over = margins(ds), margins(ds, source.draw(0))
        assert handed_over.dims == own.dims
        np.testing.assert_allclose(handed_over, own, rtol=0, atol=1e-14)
