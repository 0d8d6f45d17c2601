"""The interaction energy against fifty digits, from inverse temperature 1 to a million."""

from __future__ import annotations

import re

import mpmath
import numpy as np
import pytest

import lmdata
from lmdata.analysis.energy import interaction_energies, monotonicity
from lmdata.dynamics import tokens
from lmdata.errors import InvalidInput

TEMPERATURES = [1.0, 3.3, 10.0, 100.0, 600.0, 705.0, 710.0, 712.0, 1e3, 1e4, 1e5, 1e6]
TURN = ((0.6, 0.2, 0.0), (0.2, -0.3, 0.1), (0.0, 0.1, 0.9))


def states():
    """Return tokens spread over the sphere, in clusters that nearly coincide, and an orthogonal frame."""
    spread = tokens.sphere(5, 3).draw(0)
    near = spread[[0, 0, 1, 2, 2]] + 1e-4 * np.random.default_rng(0).normal(size=(5, 3))
    return {"spread": spread, "clusters": near / np.linalg.norm(near, axis=1, keepdims=True), "frame": np.eye(3)}


def exact(state, beta, alignment, relative):
    """Return the logarithm and the energy of the floats as they stand, in fifty digits."""
    with mpmath.workdps(50):
        points = mpmath.matrix(state.tolist())
        score = points * mpmath.matrix(alignment.tolist()) * points.T
        n, shift = len(state), int(relative)
        total = mpmath.fsum(mpmath.exp(beta * (score[i, j] - shift)) for i in range(n) for j in range(n)) / n**2
        value = total if relative else total / (2 * mpmath.mpf(beta))
        return float(mpmath.log(value)), value


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("alignment", [np.eye(3), np.array(TURN)], ids=["identity", "turn"])
@pytest.mark.parametrize("kind", ["spread", "clusters", "frame"])
def test_energies_are_exact_where_float64_holds_them_and_refused_where_not(kind, alignment, relative):
    state = states()[kind]
    for beta in TEMPERATURES:
        logarithm, value = exact(state, beta, alignment, relative)
        ask = {"inverse_temperature": beta, "alignment": alignment, "relative": relative}
        if -708 < logarithm < 709.7:
            with mpmath.workdps(50):
                error = abs(mpmath.mpf(interaction_energies(state, **ask).item()) / value - 1)
            assert error < 2e-15, "exponents of several hundred are summed with what rounding left of them"
        else:
            with pytest.raises(InvalidInput, match=re.escape(f"inverse_temperature={beta:g} is exp(")):
                interaction_energies(state, **ask)


def test_an_orthogonal_frame_has_a_third_of_the_energy_at_any_temperature():
    for beta in (709.0, 710.0, 1e4, 1e6):
        assert interaction_energies(np.eye(3), inverse_temperature=beta, relative=True).item() == 1 / 3


@pytest.mark.parametrize("relative", [True, False])
def test_the_identity_left_out_is_the_identity_to_the_bit(relative):
    for state in states().values():
        for beta in TEMPERATURES[:4]:
            ask = {"inverse_temperature": beta, "relative": relative}
            assert interaction_energies(state, **ask) == interaction_energies(state, alignment=np.eye(3), **ask)


def test_absent_states_have_no_energy():
    position = np.stack([np.eye(3), np.full((3, 3), np.nan)])
    energy = interaction_energies(position, inverse_temperature=2.0)
    assert np.isfinite(energy[0])
    assert np.isnan(energy[1])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_measure_gives_these_energies(dtype):
    ds = lmdata.simulate(lmdata.dynamics.models.SphereAttention(inverse_temperature=30.0), tokens.sphere(6, 3), steps=9)
    ds["position"] = ds.position.astype(dtype)
    found = lmdata.energy(ds, inverse_temperature=1000.0, relative=True)
    expected = [exact(frame.astype(float), 1000.0, np.eye(3), True)[1] for frame in ds.position.isel(seed=0).values]
    np.testing.assert_allclose(found.interaction_energy[0], np.array(expected, float), rtol=1e-12)


def test_monotonicity_counts_what_exceeds_rounding():
    energy = np.array([1.0, 2.0, 2.0 - 1e-14, 1.5, 3.0])
    assert [part.item() for part in monotonicity(energy, sign=1.0)] == [1, 0.5 - 1e-14]
    assert [part.item() for part in monotonicity(energy, sign=-1.0)] == [2, 1.5]
