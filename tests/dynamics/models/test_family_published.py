"""The published codes' trajectories, to the tolerance of each; where a code has a quirk, the right value."""

from __future__ import annotations

import numpy as np
import pytest

from lmdata.analysis.energy import interaction_energies
from lmdata.dynamics.models import CircleDensityFlow, SelfAttention, SphereAttention, SphereGradientFlow
from lmdata.dynamics.models.circle_density import circle_kernel
from lmdata.dynamics.models.weights import sinkhorn_weights, softmax_weights


def run(model, start, record):
    return type(model).advance([model], start[None], start=0, record=list(record), seeds=[0]).position[0]


SPECTRA = ["d1_V1", "d2_polytope", "d2_hyperplanes", "d3_hyper_Reneg", "d3_hyper_x_poly"]


@pytest.mark.parametrize(
    ("name", "scheme"),
    [(name, "adaptive") for name in SPECTRA] + [("d2_polytope", "rk4"), ("d3_hyper_x_poly", "rk4")],
)
def test_rescaled_dynamics_agree_with_accurate_trajectories(cases, name, scheme):
    """The published "RK4" evaluates attention once a step, so is Euler, and is off by up to 14 here."""
    case = cases("glpr_rescaled_accurate")
    substeps = 1 if scheme == "adaptive" else 25
    step = (case["t"][1] - case["t"][0]) / substeps
    model = SelfAttention(values=case[f"{name}_V"], step_size=step, scheme=scheme)
    expected = case[f"{name}_z"]
    assert np.abs(run(model, expected[0], range(0, 51 * substeps, substeps)) - expected).max() < 1e-6


@pytest.mark.parametrize(
    ("name", "beta", "normalised", "every"),
    [
        ("SA_d3_b1", 1, True, 5),
        ("SA_d3_b9", 9, True, 5),
        ("SA_d2_b4", 4, True, 1),
        ("USA_d3_b1", 1, False, 5),
        ("USA_d2_b4", 4, False, 1),
        ("SA_d3_b1_half", 1, True, 5),
    ],
)
def test_sphere_attention_agrees_with_the_published_layers(cases, name, beta, normalised, every):
    """The published scheme adds h times the mean and normalises, without projecting: `layernorm`, not the flow."""
    case = cases("rotf_sphere")
    expected = case[f"{name}_z"]
    model = SphereAttention(
        inverse_temperature=beta, normalised=normalised, step_size=float(case["dt"]), scheme="layernorm"
    )
    assert np.abs(run(model, expected[0], range(0, every * len(expected), every)) - expected).max() < 1e-10


def test_published_usa_step_is_unstable_and_the_flow_is_not(cases):
    """At beta = 4 the rate reaches exp(4) = 54.6: the published step 0.1 overshoots, and is warned of."""
    from lmdata.errors import AccuracyWarning

    start = cases("rotf_sphere")["USA_d2_b4_z"][0]
    with pytest.warns(AccuracyWarning, match="step_size is 0.1 .* unstable"):
        SphereAttention(inverse_temperature=4, normalised=False, scheme="layernorm").check(start, 20)
    SphereAttention(inverse_temperature=4, normalised=False, scheme="layernorm", step_size=0.03).check(start, 20)


FLOWS = {
    "max_I3": [1, 1, 1],
    "max_d134": [1, 3, 4],
    "min_I3": [1, 1, 1],
    "min_psd": [1, 0.25, 1],
    "max_negI3": [-1, -1, -1],
    "max_nd134": [-1, -3, -4],
    "max_d1_1p25": [1, 1.25],
    "max_I3_beta4": [1, 1, 1],
}


@pytest.mark.parametrize("name", FLOWS)
def test_gradient_flow_agrees_with_the_published_ascent_and_descent(cases, name):
    """The published sign +1 descends; its frame j is the state after j * every + 1 steps."""
    case = cases("tfdy_energies_flows")
    sign, step, steps, every, beta = case[f"flow_{name}_par"]
    expected = case[f"flow_{name}_x"]
    model = SphereGradientFlow(
        alignment=np.diag(FLOWS[name]),
        direction="descent" if sign > 0 else "ascent",
        inverse_temperature=beta,
        step_size=step,
        scheme="layernorm",
    )
    record = [int(j * every) + 1 for j in range(len(expected) - 1)] + [int(steps)]
    start = case[f"x{len(FLOWS[name])}"]
    assert np.abs(run(model, start, record) - expected).max() < 1e-10


def on_the_circle(angle):
    """Return points and unit tangents at angles."""
    points = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return points, np.stack([-points[..., 1], points[..., 0]], axis=-1)


def speeds(angle, beta, *, normalised):
    """Return the angular velocities that the model gives tokens on the circle."""
    points, along = on_the_circle(angle)
    model = SphereAttention(inverse_temperature=beta, normalised=normalised)
    force = model.force(points[None], 0.0, {"inverse_temperature": np.array([float(beta)])})[0]
    return (force * along).sum(axis=-1)


@pytest.mark.parametrize("beta", [1, 4, 50])
def test_velocities_on_the_circle_agree_with_the_published_gradients(cases, beta):
    """The published USA gradient is over n^2 and relative to exp(beta)."""
    case = cases("dotm_circle")
    angle = case["theta"]
    largest = np.abs(case[f"b{beta}_grad"]).max()
    np.testing.assert_allclose(speeds(angle, beta, normalised=True), case[f"b{beta}_grad_soft"], rtol=1e-10, atol=1e-14)
    unnormalised = speeds(angle, beta, normalised=False)
    np.testing.assert_allclose(unnormalised, case[f"b{beta}_grad"], rtol=1e-10, atol=1e-13 * largest)
    relative = unnormalised * np.exp(-beta) / len(angle)
    np.testing.assert_allclose(relative, case[f"b{beta}_grad_USA"], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("beta", [1, 4, 50])
def test_the_published_hessian_on_the_circle_holds_forces_instead(cases, beta):
    """It is antisymmetric off its diagonal, as no Hessian is: n^2 times an entry is minus the force of the pair.

    The Hessian proper is the derivative of the velocities; it is symmetric, and turning all tokens costs nothing.
    """
    case = cases("dotm_circle")
    angle, published = case["theta"], case[f"b{beta}_hess"]
    n, apart = len(angle), angle[:, None] - angle
    pairs = np.sin(apart) * np.exp(beta * np.cos(apart))
    off = ~np.eye(n, dtype=bool)
    np.testing.assert_allclose(n**2 * published[off], -pairs[off], rtol=1e-9, atol=1e-12 * np.abs(pairs).max())
    np.testing.assert_allclose(n * np.diag(published), -speeds(angle, beta, normalised=False), rtol=1e-8, atol=1e-10)
    second = np.exp(beta * np.cos(apart)) * (np.cos(apart) - beta * np.sin(apart) ** 2) / n
    right = second - np.diag(second.sum(axis=1))
    step = 1e-6 * np.eye(n)
    ahead, behind = (np.stack([speeds(angle + sign * row, beta, normalised=False) for row in step]) for sign in (1, -1))
    np.testing.assert_allclose((ahead - behind) / 2e-6, right, rtol=0, atol=1e-6 * np.abs(right).max())


def test_the_staircase_in_rescaled_time_is_the_published_one(cases):
    """Angles move by one length a step along the USA velocity; the energies are those of its last definition."""
    case = cases("dotm_circle")
    beta, rate, _ = case["stair_par"]
    angle, states = case["stair_theta0"], []
    for step in range(5_000):
        velocity = np.exp(-beta) * speeds(angle, beta, normalised=False)
        angle = angle + rate * np.log(beta) * velocity / np.linalg.norm(velocity)
        if step % 100 == 0:
            states.append(on_the_circle(angle)[0])
    energies = interaction_energies(np.stack(states), inverse_temperature=beta, relative=True)
    np.testing.assert_allclose(energies, case["stair_E"][:50], rtol=1e-10)


def test_geodesic_steps_are_euler_for_angles(cases):
    case = cases("dotm_circle")
    angle, expected = case["theta"], case["soft_euler_b4_lr0p05"]
    model = SphereAttention(inverse_temperature=4, step_size=0.05, scheme="geodesic")
    frames = run(model, np.stack([np.cos(angle), np.sin(angle)], axis=-1), range(0, 401, 10))
    difference = np.arctan2(frames[..., 1], frames[..., 0]) - expected
    assert np.abs((difference + np.pi) % (2 * np.pi) - np.pi).max() < 1e-10


@pytest.mark.parametrize("half_steps", [1, 2, 3, 4, 5, 10, 21, 100, 101])
def test_sinkhorn_agrees_with_the_published_attention(cases, half_steps):
    """Both published variants carry 2e-8, since their marginals are float32; a batch of one breaks them, not us."""
    case = cases("sinkformers_sinkhorn")
    weights = sinkhorn_weights(case["scores"], half_steps=half_steps).weights
    for variant in ("vit", "nlp"):
        assert np.abs(weights - case[f"{variant}_f8_it{half_steps}"]).max() < 5e-8
    if half_steps == 101:
        assert np.abs(weights - case["ref_it101"]).max() < 1e-14
    if half_steps == 3:
        assert case["vit_f8_it3_batch1"].shape == (6, 6, 6)
        np.testing.assert_array_equal(sinkhorn_weights(case["scores"][:1], half_steps=3).weights, weights[:1])


@pytest.mark.parametrize("half_steps", [1, 3, 7, 21])
def test_sinkhorn_between_two_sets_agrees_with_the_set_transformer(cases, half_steps):
    """Its plan has the mass one in all, is in float32, says everything twice, and stops early: 21 half steps are 7."""
    case = cases("sinkformers_sinkhorn")
    published = case[f"st_pi_it{half_steps}"]
    scores = case["st_Q"][0] @ case["st_K"][0].T
    done = sinkhorn_weights(scores, half_steps=min(half_steps, 7)).weights
    assert np.abs(done / len(scores) - published).max() < 5e-9
    if half_steps == 21:
        np.testing.assert_array_equal(published, case["st_pi_it7"])


def test_one_half_step_of_sinkhorn_is_softmax(cases):
    case = cases("sinkformers_sinkhorn")
    np.testing.assert_allclose(softmax_weights(case["scores"]), case["softmax"], rtol=0, atol=1e-15)
    np.testing.assert_allclose(
        sinkhorn_weights(case["scores"], half_steps=1).weights, case["softmax"], rtol=0, atol=1e-15
    )


def test_a_cost_matrix_is_balanced_where_the_published_sweeps_are_not(cases):
    """The published figure stops 5 % away from doubly stochastic; to its end the iteration is exact."""
    cost = cases("sinkformers_sinkhorn")["pn_C"]
    published = cases("sinkformers_sinkhorn")["pn_K2"]
    assert np.abs(published.sum(axis=1) * 10 - 1).max() < 0.2
    done = sinkhorn_weights(-cost, limit=200_000, tolerance=1e-12)
    assert done.error < 1e-12


@pytest.mark.long
@pytest.mark.parametrize("index", [0, 8])
def test_minimal_densities_agree_with_the_published_ones(cases, index):
    """The published optimiser works in float32: 6e-5 of the mean mass is what it has."""
    case = cases("tfdy_min_density")
    cells = 1000
    model = CircleDensityFlow(
        alignment=np.diag([1.0, 1.0 + case["eps"][index]]),
        metric="fisher-rao",
        scheme="exponentiated",
        step_size=0.2,
    )
    stops = [0, 1, 10, 100, 500, 1000]
    frames = run(model, np.full((cells, 1), 1 / cells), [*stops, 1500])[..., 0]
    kernel = circle_kernel(cells, 1.0, model.alignment)
    losses = [float(mass @ kernel @ mass) for mass in frames[:-1]]
    np.testing.assert_allclose(losses, case[f"rerun_loss_{index}"][:6], rtol=0, atol=1e-6)
    assert np.abs(frames[-1][::5] - case["pub_density_every5"][index]).max() * cells < 1e-4
    assert np.abs(frames[-1][::5] - case[f"rerun_density_{index}"]).max() * cells < 1e-4
    extremes = cells * np.array([frames[-1].min(), frames[-1].max()])
    np.testing.assert_allclose(extremes, case["pub_density_min_max_xN"][index], rtol=0, atol=1e-4)


def test_energies_of_one_and_two_clusters_are_the_published_ones(cases):
    """D = diag(-1, d): all tokens at e_2 have the energy e^d, opposite pairs at e_1 or e_2 cosh 1 or cosh d."""
    east, north = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    for second, single, at_first, at_second in cases("tfdy_energies_flows")["pub_maxid"]:
        matrix = np.diag([-1.0, second])
        states = np.stack([np.tile(north, (2, 1)), np.concatenate([east, -east]), np.concatenate([north, -north])])
        found = 2 * interaction_energies(states, alignment=matrix)
        np.testing.assert_allclose(found, [single, at_first, at_second], rtol=1e-6)  # published in float32


def test_published_runs_split_where_two_opposite_clusters_are_maxima_alone(cases):
    """Of 100 ascents at each D = diag(d1, 1) some stay split, but between tanh 1 and the root of d tanh d = 1 none."""
    counts = cases("tfdy_energies_flows")["pub_CC"]
    for first, _, split, _ in counts:
        larger, other = max(first, 1.0), min(first, 1.0)
        assert (split > 0) == (other < larger * np.tanh(larger))


def four_particles(second, step, steps, scheme):
    angles = -np.pi + np.pi / 4 + np.arange(4) * np.pi / 2
    start = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    model = SphereGradientFlow(alignment=np.diag([1.0, second]), direction="descent", step_size=step, scheme=scheme)
    end = run(model, start, [steps])[0]
    return np.mean(np.tanh(end[:, 0] ** 2) / np.tanh(second * end[:, 1] ** 2))


def test_the_four_particle_system_has_the_tanh_ratio(cases):
    """tanh(x_1^2) / tanh(d x_2^2) = d at the minimum; the published step 0.05 gives 0 from d = 6 on."""
    table = cases("tfdy_energies_flows")["four_particle"]
    for second, step, published, *_ in table[[4, 12]]:
        assert four_particles(second, step, 10_000, "layernorm") == pytest.approx(published, abs=1e-8)
    assert four_particles(6.0, 0.01, 4_000, "layernorm") == pytest.approx(6.0, rel=1e-6)
