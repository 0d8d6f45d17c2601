"""The published double-precision runs, reproduced (reference case maxmargin_prompt)."""

from __future__ import annotations

import numpy as np
import pytest

from lmdata.selection import TokenSelection, att_svm, construction, given, label_svm, train

PLANE = np.diag([1.0, 1.0, 0.0])


@pytest.fixture(scope="module")
def case(cases):
    return cases("maxmargin_prompt")


def run(problem, start, case, **parameters):
    """Return the path at the iterations that the case keeps, and these."""
    kept = case["it_saved"].tolist()
    model = TokenSelection(arithmetic="published", **parameters)
    ds = train(model, problem, steps=999, starts=start, record=kept)
    return ds.isel(seed=0), np.array(kept)


@pytest.mark.parametrize("name", ["global", "local"])
def test_single_input(case, name):
    problem = construction(f"single-{name}").draw(0)
    np.testing.assert_allclose(problem.tokens, case[f"single_{name}_X"], atol=1e-7)  # the case has float32 tokens
    published = given(case[f"single_{name}_X"], [1], value=[0, 0, 1], weight=PLANE)
    ds, _ = run(published, case["single_init_p"], case, step=0.1, epsilon=1e-9)
    np.testing.assert_allclose(ds.prompt, case[f"single_{name}_p_f8"], atol=1e-10)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("ngd", {"step": 0.1, "epsilon": 1e-12}), ("gd", {"step": 1.0, "normalised": False})],
)
def test_multi_input(case, name, parameters):
    problem = given(case["multi_X"], [1, 1, 1], value=[0, 0, 1], weight=PLANE)
    ds, _ = run(problem, case["multi_init_p"], case, **parameters)
    np.testing.assert_allclose(ds.prompt, case[f"multi_{name}_p_f8"], atol=1e-10)


@pytest.mark.parametrize("contrast", [1, 2, 10, 100])
@pytest.mark.parametrize(("name", "loss"), [("-x", "correlation"), ("log", "logistic")])
def test_losses(case, name, loss, contrast):
    ds, _ = run(construction("unequal-scores", contrast=contrast), [[0, 0, 0]], case, loss=loss, epsilon=1e-9)
    np.testing.assert_allclose(ds.prompt[0], case[f"loss_{name}_C{contrast}_p"], atol=1e-10)


@pytest.mark.parametrize("name", ["tight", "loose"])
def test_joint(case, name):
    """These runs were made in float32, so that they agree to its rounding, and only while it does not accumulate."""
    problem = construction(f"joint-{name}")
    np.testing.assert_array_equal(problem.draw(0).tokens, case[f"joint_{name}_X"])
    ds, kept = run(problem, [[0, -1]], case, trained="joint", epsilon=1e-19, value_epsilon=1e-9)
    early = kept <= 60
    np.testing.assert_allclose(ds.prompt[0, early], case[f"joint_{name}_p"][early], atol=2e-6)
    np.testing.assert_allclose(ds.value[0, early], case[f"joint_{name}_v"][early], atol=2e-6)


@pytest.mark.parametrize("name", ["global", "local"])
def test_exact_arithmetic_departs_only_by_the_published_rounding(case, name):
    """Once attention has settled, ``a (g - sum a g)`` cancels: relative error 1e-16/|g| a step, |g| about e^-t/10."""
    published = given(case[f"single_{name}_X"], [1], value=[0, 0, 1], weight=PLANE)
    kept = case["it_saved"]
    ds = train(TokenSelection(epsilon=1e-9), published, steps=999, starts=case["single_init_p"], record=kept.tolist())
    distance = np.abs(ds.prompt[:, 0] - case[f"single_{name}_p_f8"]).max(["start", "feature"])
    assert distance[kept <= 100].max() < 1e-11
    assert distance[kept <= 200].max() < 1e-7


def test_exact_arithmetic_on_the_multi_input_case(case):
    """Plain descent loses nothing in the published form; normalised, its rounding is magnified to 4e-7 by step 200."""
    problem = given(case["multi_X"], [1, 1, 1], value=[0, 0, 1], weight=PLANE)
    kept = case["it_saved"]
    for name, model, bounds in (
        ("gd", TokenSelection(step=1.0, normalised=False), {999: 1e-10}),
        ("ngd", TokenSelection(epsilon=1e-12), {100: 1e-10, 200: 1e-6}),
    ):
        ds = train(model, problem, steps=999, starts=case["multi_init_p"], record=kept.tolist())
        distance = np.abs(ds.prompt[:, 0] - case[f"multi_{name}_p_f8"]).max(["start", "feature"])
        for last, bound in bounds.items():
            assert distance[kept <= last].max() < bound


def test_max_margin_solutions(case):
    for name in ("global", "local"):
        problem = construction(f"single-{name}").draw(0)
        for token in (0, 1):
            np.testing.assert_allclose(
                att_svm(problem, [token]).solution, case[f"single_{name}_svm_tok{token}"], atol=2e-6
            )
    for weight, key in ((PLANE, "KQ"), (np.eye(3), "identityW")):
        problem = given(case["multi_X"], [1, 1, 1], value=[0, 0, 1], weight=weight).draw(0)
        np.testing.assert_allclose(att_svm(problem, [0, 0, 0]).solution, case[f"multi_svm_{key}"], atol=2e-6)
    for name, not_supporting in (("tight", []), ("loose", [2])):
        problem = construction(f"joint-{name}").draw(0)
        np.testing.assert_allclose(att_svm(problem, [1, 1, 1]).solution, case[f"joint_{name}_svm_p"], atol=2e-6)
        assert np.flatnonzero(~label_svm(problem, [1, 1, 1]).support).tolist() == not_supporting
        relaxed = att_svm(problem, [1, 1, 1], relaxed=[2])
        np.testing.assert_allclose(relaxed.solution, case[f"joint_{name}_svm_p_relaxed2"], atol=2e-6)
        np.testing.assert_allclose(label_svm(problem, [1, 1, 1]).solution, case[f"joint_{name}_svm_v_unit"], atol=2e-6)
