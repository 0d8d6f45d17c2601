"""The measures that softmax, spherical and Sinkhorn attention call for: published values, and what must hold."""

from __future__ import annotations

import numpy as np
import pytest

import lmdata
from lmdata.analysis.alignment import cosine_density, pair_alignment
from lmdata.analysis.attention import attention, attention_statistics
from lmdata.analysis.cells import cell_of, dominance_cells
from lmdata.analysis.cluster_count import cluster_counts, metastability
from lmdata.analysis.energy import energy, interaction_energies
from lmdata.analysis.equiangular import equiangular_alignment, equiangular_curve
from lmdata.analysis.planes import hyperplanes, leading_direction
from lmdata.analysis.spectrum import anisotropy, span_dimension, spans
from lmdata.analysis.transport import distances, transport_distance
from lmdata.dynamics.models import (
    Noisy,
    SelfAttention,
    Sinkformer,
    Softmax,
    SphereAttention,
    SphereGradientFlow,
)
from lmdata.errors import InvalidInput


@pytest.fixture(scope="module")
def swept():
    model = SphereAttention(values=[[1.0, 0.2, 0], [0, 1, 0], [0, 0, 0.5]], step_size=0.25)
    sweep = {"inverse_temperature": [1.0, 6.0]}
    return lmdata.simulate(model, lmdata.tokens.sphere(5, 3), steps=8, seeds=range(3), sweep=sweep, record=2)


@pytest.mark.parametrize("name", ["I3", "d134", "psd_100", "neg_I3", "nd134", "I2", "d1_1p25", "indef2"])
def test_energies_are_the_published_ones(cases, name):
    """The published energy has no factor 1/2."""
    case = cases("tfdy_energies_flows")
    matrix = case[f"D_{name}"]
    found = interaction_energies(case[f"x{len(matrix)}"], alignment=matrix)
    assert 2 * found == pytest.approx(float(case[f"E_{name}"]), rel=1e-12)


@pytest.mark.parametrize("name", ["max_I3", "max_d134", "min_psd", "max_nd134", "max_I3_beta4"])
def test_energies_along_published_flows(cases, name):
    """The published energy is at beta = 1 whatever the flow's beta."""
    case = cases("tfdy_energies_flows")
    matrix = {"d134": np.diag([1.0, 3, 4]), "psd": np.diag([1, 0.25, 1]), "nd134": -np.diag([1.0, 3, 4])}
    matrix = matrix.get(name[4:], np.eye(3))
    found = interaction_energies(case[f"flow_{name}_x"][:-1], alignment=matrix)
    np.testing.assert_allclose(2 * found, case[f"flow_{name}_E"], rtol=1e-12)


@pytest.mark.parametrize("beta", [1, 4, 50])
def test_energies_on_the_circle_are_the_published_ones(cases, beta):
    case = cases("dotm_circle")
    points = np.stack([np.cos(case["theta"]), np.sin(case["theta"])], axis=-1)
    found = interaction_energies(points, inverse_temperature=beta, relative=True)
    assert found == pytest.approx(float(case[f"b{beta}_energy"]), rel=1e-12)


def test_the_energy_of_a_published_flow_on_the_circle(cases):
    case = cases("dotm_circle")
    angle = case["soft_euler_b4_lr0p05"]
    points = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    found = interaction_energies(points, inverse_temperature=4.0, relative=True)
    np.testing.assert_allclose(found, case["soft_euler_energy"], rtol=1e-12)


def test_monotone_energies_are_reported_as_such():
    """Fact F9, as measured on a dataset; against the direction every step counts."""
    matrix = [[1.0, 0, 0], [0, -1.0, 0], [0, 0, 0.5]]
    model = SphereGradientFlow(alignment=matrix, direction="descent", step_size=0.05)
    ds = lmdata.simulate(model, lmdata.tokens.sphere(6, 3), steps=30, seeds=range(4))
    assert (energy(ds, alignment=matrix, direction="descent").against == 0).all()
    assert (energy(ds, alignment=matrix, direction="ascent").against == 30).all()


@pytest.mark.parametrize("name", ["k5_var", "k7_eq", "k6_var_unit"])
def test_dominance_cells_are_the_published_ones(cases, name):
    """Cells are numbered in the order of the hull's vertices; points outside the hull have none there."""
    case = cases("frankwolfe_cells")
    published = case[f"{name}_cell"]
    x, y = np.meshgrid(case[f"{name}_grid_x"], case[f"{name}_grid_y"])
    corners = case[f"{name}_V"][case[f"{name}_hull"]]
    cells = cell_of(np.stack([x, y], axis=-1), corners, unit=name.endswith("unit"))
    inside = published >= 0
    assert inside.sum() > 1000
    np.testing.assert_array_equal(cells[inside], published[inside])


def test_the_equiangular_solution_is_the_published_one(cases):
    """The published curve uses the integrator's default tolerance: 13 of 300 points differ from the accurate ones."""
    case = cases("rotf_curve_n128")
    for index in (0, 7, 20, 49):
        found = equiangular_alignment(case["t"], float(case["betas"][index]), tokens=128)
        np.testing.assert_allclose(found, case["y_tight_tol"][index], rtol=0, atol=1e-6)
    curve = equiangular_curve(case["t"], case["betas"], tokens=128)
    np.testing.assert_array_equal(curve, case["beta_t_tight"])
    assert (curve != case["beta_t_default"]).sum() == 13


def test_equiangular_tokens_follow_the_equiangular_solution():
    n, beta = 4, 3.0
    model = SphereAttention(inverse_temperature=beta, step_size=0.05)
    ds = lmdata.simulate(model, np.eye(n), steps=100, record=10)
    cosine = (ds.position.isel(seed=0, token=0) * ds.position.isel(seed=0, token=3)).sum("component")
    np.testing.assert_allclose(cosine, equiangular_alignment(ds.time, beta, tokens=n), rtol=0, atol=1e-6)


def test_attention_in_one_dimension_becomes_boolean_of_rank_at_most_two(cases):
    """arXiv 2305.05465; the start is the published one."""
    start = cases("glpr_rescaled_accurate")["d1_V1_z"][0]
    ds = lmdata.simulate(SelfAttention(step_size=0.02), start, steps=1000, record=[0, 1000])
    found = attention_statistics(ds, tolerance=1e-3).isel(seed=0)
    assert found.attention_rank.values[0] > 2 >= found.attention_rank.values[1]
    assert found.distance_to_boolean.values[1] < 1e-3 < found.distance_to_boolean.values[0]


def test_hyperplanes_are_at_most_three(cases):
    """arXiv 2305.05465, from the published start."""
    case = cases("glpr_rescaled_accurate")
    model = SelfAttention(values=case["d2_hyperplanes_V"], step_size=0.05)
    ds = lmdata.simulate(model, case["d2_hyperplanes_z"][0], steps=600, record=[0, 600])
    assert hyperplanes(ds).plane_count.isel(seed=0).values.tolist()[1] <= 3
    with pytest.raises(InvalidInput, match="real, positive and simple"):
        leading_direction(np.eye(2))
    with pytest.raises(InvalidInput, match=r"SelfAttention\(form='rescaled'"):
        hyperplanes(lmdata.simulate(Softmax(), lmdata.tokens.uniform(3, 2), steps=1))


def test_sinkhorn_attention_gives_and_receives_one():
    ds = lmdata.simulate(Sinkformer(step_size=0.1), lmdata.tokens.sphere(6, 2), steps=3)
    found = attention_statistics(ds)
    for name in ("row_sum", "column_sum"):
        np.testing.assert_allclose(found[name], 1, rtol=0, atol=1e-12)


def test_position_decides_what_a_causal_mask_leaves_to_attend_to():
    """At beta = 0 the token at place i attends to i + 1 tokens alike, i / 2 places back; the first is heard most."""
    n = 7
    model = Softmax(inverse_temperature=0.0, causal=True)
    found = attention_statistics(lmdata.simulate(model, lmdata.tokens.uniform(n, 2), steps=2)).isel(seed=0)
    place = np.arange(n)
    for frame in range(3):
        now = found.isel(time=frame)
        np.testing.assert_allclose(now.attended_keys, place + 1, rtol=1e-13)
        np.testing.assert_allclose(now.attended_back, place / 2, rtol=0, atol=1e-13)
        np.testing.assert_allclose(now.column_sum, [(1 / (place[i:] + 1)).sum() for i in place], rtol=1e-13)
        np.testing.assert_allclose(now.attention_entropy, np.log(place + 1).mean(), rtol=1e-13)
        np.testing.assert_allclose(now.sink_share, (1 / (place + 1)).mean(), rtol=1e-13)
    hard = Softmax(inverse_temperature=1e6, causal=True)
    cold = attention_statistics(lmdata.simulate(hard, lmdata.tokens.sphere(n, 2), steps=0)).isel(seed=0, time=0)
    np.testing.assert_allclose(cold.attended_keys, 1, atol=1e-9)  # each token of the sphere is best aligned with itself
    np.testing.assert_allclose(cold.attended_back, 0, atol=1e-9)


def test_attention_knows_the_swept_values_of_a_noisy_model():
    noisy = Noisy(model=Softmax(), scale=0.1)
    ds = lmdata.simulate(noisy, lmdata.tokens.uniform(4, 2), steps=2, sweep={"inverse_temperature": [0.0, 50.0]})
    found = attention(ds).isel(seed=0, time=-1)
    np.testing.assert_allclose(found.isel(inverse_temperature=0), 0.25, rtol=0, atol=1e-15)
    state = ds.position.isel(seed=0, time=-1, inverse_temperature=1).values
    np.testing.assert_array_equal(
        found.isel(inverse_temperature=1), Softmax(inverse_temperature=50.0).attention(state[None])[0]
    )


def test_a_staircase_of_merging_clusters():
    """Three well separated groups merge one by one; plateaus fill the record."""
    angle = np.array([0.0, 0.02, 0.7, 0.72, 2.0])
    start = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    ds = lmdata.simulate(SphereAttention(inverse_temperature=25.0, step_size=0.2), start, steps=4000, record=20)
    found = metastability(ds).isel(seed=0)
    merge, plateau = found.merge_time.values, found.plateau.values
    assert merge[4] == merge[2] == 0.0
    assert merge[1] > 20
    assert np.nansum(plateau[1:3]) + np.nansum(plateau[:1]) == pytest.approx(800)
    counts = cluster_counts(ds, reach=0.05, cosine=0.9999).isel(seed=0)
    assert counts.cluster_count.values[0] == 3
    assert counts.cluster_count.values[-1] == counts.cluster_rank.values[-1]


def test_transport_distance_is_a_distance_of_clouds():
    random = np.random.default_rng(0)
    one, two, three = random.normal(size=(3, 4, 7, 2))
    forward = distances(one, two)
    np.testing.assert_allclose(forward, distances(two, one[:, ::-1]), rtol=1e-14)
    assert (forward <= distances(one, three) + distances(three, two) + 1e-12).all()
    np.testing.assert_array_equal(distances(one, one[:, [3, 1, 0, 2, 6, 5, 4]]), 0)
    np.testing.assert_allclose(distances(one, one + 0.5), np.sqrt(0.5), rtol=1e-12)
    for member in range(4):  # in one dimension the sorted matching is optimal
        expected = np.sqrt(np.mean((np.sort(one[member, :, 0]) - np.sort(two[member, :, 0])) ** 2))
        assert distances(one[member, :, :1], two[member, :, :1]) == pytest.approx(expected, rel=1e-12)


def test_softmax_and_hardmax_part_with_the_temperature():
    tokens = lmdata.tokens.uniform(12, 2)
    hard = lmdata.simulate(lmdata.Localmax(), tokens, steps=15, seeds=range(3))
    sweep = {"inverse_temperature": [1.0, 10.0, 1e6]}
    soft = lmdata.simulate(Softmax(), tokens, steps=15, seeds=range(3), sweep=sweep)
    far = transport_distance(soft, hard).isel(time=-1).mean("seed").values
    assert far[0] > far[1] > far[2]
    assert far[2] < 1e-3


def test_spectra_of_known_clouds():
    cross = np.array([[2.0, 0, 0], [-2, 0, 0], [0, 1, 0], [0, -1, 0]])
    ds = lmdata.simulate(lmdata.Localmax(), cross, steps=0)
    found = anisotropy(ds).isel(seed=0, time=0)
    np.testing.assert_allclose(found.covariance_eigenvalue, [2.0, 0.5, 0.0], atol=1e-14)
    assert found.anisotropy.item() == pytest.approx(0.8)
    assert span_dimension(ds).item() == 2
    assert np.isnan(anisotropy(lmdata.simulate(lmdata.Localmax(), np.ones((3, 2)), steps=0)).anisotropy.item())


@pytest.mark.parametrize("exponent", [-300, -20, 0, 20, 300])
def test_the_dimension_of_a_span_has_no_scale_of_its_own(exponent):
    states = np.random.default_rng(3).normal(size=(5, 6, 4)) * [1.0, 1.0, 1e-5, 1e-9]
    assert spans(np.ldexp(states, exponent), tolerance=1e-7).tolist() == [3] * 5
    assert spans(np.zeros((1, 3, 2)), tolerance=1e-6).tolist() == [0]


def test_cosine_densities_integrate_to_one(swept):
    density = cosine_density(swept, bins=20)
    np.testing.assert_allclose(density.sum("bin") * 0.1, 1, rtol=1e-12)
    above = density.sel(bin=slice(0.9, None)).sum("bin") * 0.1
    np.testing.assert_allclose(above, pair_alignment(swept, threshold=0.9), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda ds: pair_alignment(ds, threshold=2), "threshold is 2"),
        (lambda ds: cosine_density(ds, bins=0), "bins is 0"),
        (lambda ds: energy(ds, inverse_temperature=0), "must be above 0"),
        (lambda ds: energy(ds, direction="up"), "direction is 'up'"),
        (lambda ds: energy(ds, alignment=np.eye(2)), r"D must be \(3, 3\)"),
        (lambda ds: attention_statistics(ds, tolerance=0), "tolerance is 0"),
        (lambda ds: cluster_counts(ds, reach=0), "reach is 0"),
        (lambda ds: cluster_counts(ds, cosine=2), "cosine is 2"),
        (lambda ds: dominance_cells(ds, np.eye(2)), r"it must be \(vertex, 3\)"),
        (lambda ds: dominance_cells(ds, np.zeros((1, 3)), unit=True), "a vertex is zero"),
        (lambda ds: span_dimension(ds, tolerance=-1), "tolerance is -1"),
        (lambda ds: transport_distance(ds, ds.isel(token=[0, 1])), "have 5 and 2 along 'token'"),
        (lambda ds: equiangular_alignment([1.0, 0.0], 1.0, tokens=3), "ascending"),
        (lambda ds: equiangular_alignment([1.0], 1.0, tokens=1), "must be at least 2"),
    ],
)
def test_bad_arguments_are_named(call, message, swept):
    with pytest.raises(InvalidInput, match=message):
        call(swept)
