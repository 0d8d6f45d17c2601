"""The energy goes by the square of its slope in the flow's own metric, and rests where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import iv

import lmdata
from lmdata.analysis.energy import density_energies, interaction_energies
from lmdata.analysis.uniform_modes import uniform_growth
from lmdata.errors import InvalidInput, UnknownName

D = np.array([[1.0, 0.3, 0.0], [0.3, 0.5, -0.2], [0.0, -0.2, -0.7]])
BETA, STEP = 2.0, 1e-3


def rate_and_slope(model, start, metric, matrix=D):
    """Return the change of the energy over time, by central differences, and the slope."""
    ds = lmdata.simulate(model, start, steps=2)
    found = lmdata.energy(ds, inverse_temperature=BETA, alignment=matrix).interaction_energy.values[0]
    ask = {"metric": metric, "inverse_temperature": BETA, "alignment": matrix}
    return (found[2] - found[0]) / (2 * STEP), lmdata.energy_slope(ds, **ask).values[0, 1]


PARAMETERS = {"inverse_temperature": BETA, "alignment": D, "step_size": STEP, "estimate_error": False}
FLOWS = {
    "gradient flow": (lmdata.SphereGradientFlow(**PARAMETERS), "wasserstein", 1),
    "descent": (lmdata.SphereGradientFlow(direction="descent", **PARAMETERS), "wasserstein", -1),
    "USA": (lmdata.SphereAttention(values=D, normalised=False, **PARAMETERS), "wasserstein", 1),
    "SA": (lmdata.SphereAttention(values=D, **PARAMETERS), "normalised", 1),
}


@pytest.mark.parametrize("name", FLOWS)
def test_along_a_flow_the_energy_changes_by_the_square_of_the_slope(name):
    model, metric, sign = FLOWS[name]
    rate, slope = rate_and_slope(model, lmdata.tokens.sphere(7, 3), metric)
    assert rate == pytest.approx(sign * slope**2, rel=1e-5)  # central differences: the step squared


def test_normalised_attention_is_no_gradient_flow_in_the_metric_of_wasserstein():
    """SA goes elsewhere than up the gradient, and its energy changes at another rate than either slope gives for it."""
    model = FLOWS["SA"][0]
    rate, slope = rate_and_slope(model, lmdata.tokens.sphere(7, 3), "wasserstein")
    assert abs(rate / slope**2 - 1) > 0.1


def test_speeds_of_normalised_attention_give_the_rate_in_the_modified_metric():
    """dE/dt = (1/n) sum_i Z_i |x_i'|^2, from the model's own velocities, Z_i the mean of the exponentials."""
    state = lmdata.tokens.sphere(7, 3).draw(3)
    model = FLOWS["SA"][0]
    own = {"inverse_temperature": np.array([BETA])}
    speed = model.surface.tangent(state[None], model.force(state[None], 0.0, own))[0]
    mass = np.exp(BETA * state @ D @ state.T).mean(axis=1)
    ds = lmdata.simulate(model, state, steps=0)
    slope = lmdata.energy_slope(ds, metric="normalised", inverse_temperature=BETA, alignment=D).item()
    assert (mass * (speed**2).sum(axis=1)).mean() == pytest.approx(slope**2, rel=1e-12)


@pytest.mark.parametrize("surface", ["circle", "sphere"])
@pytest.mark.parametrize("metric", ["wasserstein", "fisher-rao"])
def test_densities_go_along_the_slope_too(surface, metric):
    kind = lmdata.CircleDensityFlow if surface == "circle" else lmdata.SphereDensityFlow
    matrix = D[:2, :2] if surface == "circle" else D
    for direction, sign in (("ascent", 1), ("descent", -1)):
        model = kind(direction=direction, metric=metric, scheme="rk4", **PARAMETERS | {"alignment": matrix})
        start = lmdata.tokens.density(128, [0.3, 0.2], surface=surface)
        rate, slope = rate_and_slope(model, start, metric, matrix)
        # upwind fluxes on the circle are of first order in the width of a cell, harmonics on the sphere exact
        tolerance = 0.1 if (surface, metric) == ("circle", "wasserstein") else 1e-4
        assert rate == pytest.approx(sign * slope**2, rel=tolerance)


@pytest.mark.parametrize("metric", ["wasserstein", "normalised", "fisher-rao"])
def test_what_is_at_rest_has_no_slope(metric):
    octahedron = np.vstack([np.eye(3), -np.eye(3)])
    states = [octahedron, np.tile([[0.6, 0.0, 0.8]], (4, 1))]
    for state in states:
        ds = lmdata.simulate(lmdata.SphereGradientFlow(), state, steps=0)
        assert lmdata.energy_slope(ds, metric=metric).item() < 1e-7
    poles = lmdata.simulate(lmdata.SphereGradientFlow(), [[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]], steps=0)
    skew = np.diag([1.0, 3.0, 2.0])
    assert lmdata.energy_slope(poles, metric=metric, alignment=skew).item() < 1e-7
    moving = lmdata.simulate(lmdata.SphereGradientFlow(), octahedron[[0, 1, 2, 2]], steps=0)
    assert lmdata.energy_slope(moving, metric=metric).item() > 0.05


def test_slopes_near_the_uniform_density_are_those_of_its_modes():
    """1 + e P_k has the slope e a_k / beta times the root of k (k + d - 2) / N_k, and 1 / N_k for Fisher and Rao."""
    small = 1e-6
    for surface, d in (("circle", 2), ("sphere", 3)):
        kind = lmdata.CircleDensityFlow if surface == "circle" else lmdata.SphereDensityFlow
        for k in (1, 2, 4):
            ds = lmdata.simulate(
                kind(step_size=1e-3), lmdata.tokens.density(128, [0] * (k - 1) + [small], surface=surface), steps=0
            )
            kernel = uniform_growth(BETA, k, components=d)[-1] / (k * (k + d - 2))  # a_k / beta
            number = 2 if d == 2 else 2 * k + 1
            for metric, form in (("wasserstein", k * (k + d - 2)), ("fisher-rao", 1)):
                found = lmdata.energy_slope(ds, metric=metric, inverse_temperature=BETA).item()
                assert found == pytest.approx(small * kernel * np.sqrt(form / number), rel=1e-5)
    assert kernel == pytest.approx(np.sqrt(np.pi / (2 * BETA)) * iv(4.5, BETA) / BETA, rel=1e-12)


def test_a_density_of_two_cells_is_two_particles():
    mass = np.zeros((12, 1))
    mass[[3, 4]] = 0.5
    density = lmdata.simulate(lmdata.CircleDensityFlow(), mass, steps=0)
    points = lmdata.CircleDensityFlow().cells(12).points[[3, 4]]
    particles = lmdata.simulate(lmdata.SphereGradientFlow(), points, steps=0)
    for metric in ("wasserstein", "normalised", "fisher-rao"):
        both = [lmdata.energy_slope(ds, metric=metric, alignment=D[:2, :2]).item() for ds in (density, particles)]
        assert both[0] == pytest.approx(both[1], rel=1e-12, abs=1e-16)
    masses = density.position.values[0]
    found = density_energies(masses, cells=lmdata.CircleDensityFlow().cells(12).points, inverse_temperature=3.0)
    assert found.item() == pytest.approx(interaction_energies(points, inverse_temperature=3.0).item(), rel=1e-14)


def test_what_is_not_allowed_is_named():
    ds = lmdata.simulate(lmdata.SphereGradientFlow(), np.eye(3), steps=0)
    with pytest.raises(UnknownName, match="metric"):
        lmdata.energy_slope(ds, metric="euclidean")
    with pytest.raises(InvalidInput, match="alignment is not symmetric"):
        lmdata.energy_slope(ds, alignment=[[0, 1, 0], [0, 0, 0], [0, 0, 0]])
    with pytest.raises(InvalidInput, match=r"alignment has shape \(2, 2\)"):
        lmdata.energy_slope(ds, alignment=np.eye(2))
    with pytest.raises(InvalidInput, match=r"exp\(800\)"):
        lmdata.energy_slope(ds, inverse_temperature=800)
    line = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(3, 1), steps=0)
    with pytest.raises(InvalidInput, match="1 component"):
        lmdata.energy_slope(line)
    density = lmdata.simulate(lmdata.CircleDensityFlow(), lmdata.tokens.density(6), steps=0)
    with pytest.raises(InvalidInput, match="all 6 tokens"):
        lmdata.energy_slope(density.isel(token=[0, 1]))
    with pytest.raises(InvalidInput, match=r"D must be \(2, 2\)"):
        lmdata.energy(density, alignment=np.eye(3))
