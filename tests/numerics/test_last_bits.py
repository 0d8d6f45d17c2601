"""No test and no result hangs on the last bits of BLAS, LAPACK or libm: rooms pass when these are others."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from .. import last_bits

ROOT = Path(__file__).resolve().parents[2]


def run(*names, seed=1):
    options = ["-q", "-x", "-n", "0", "-p", "tests.last_bits", "-p", "no:cacheprovider"]
    environment = os.environ | {"LAST_BITS_SEED": str(seed), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *map(str, names)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip


def test_what_is_exact_stays_and_the_rest_moves_by_its_rounding():
    random = np.random.default_rng(0)
    whole, real = random.integers(-9, 9, (7, 5)).astype(float), random.normal(size=(7, 5))
    for a, b in ((whole, whole.T), (np.eye(7), real), (whole * 0.25, whole.T * 2.0**-40)):
        np.testing.assert_array_equal(last_bits.last_bits_product(a, b), a @ b)
    found = last_bits.last_bits_product(real, real.T)
    np.testing.assert_array_equal(found, found.T)
    assert (found != real @ real.T).any()
    for i, j in np.ndindex(found.shape):
        terms = [Fraction(x) * Fraction(y) for x, y in zip(real[i], real[j], strict=True)]
        assert abs(Fraction(found[i, j]) - sum(terms)) <= 8 * Fraction(2) ** -53 * sum(map(abs, terms))
    x = np.array([0.0, 1.0, 2.0, 3.0, -5.5, -np.inf])
    moved = last_bits.last_bits_call(np.exp, x)
    np.testing.assert_allclose(moved, np.exp(x), rtol=2.0**-52)
    assert moved[0] == 1.0
    assert moved[5] == 0.0


@pytest.mark.long
def test_a_test_that_hangs_on_the_last_bits_fails(tmp_path):
    file = tmp_path / "test_of_bits.py"
    file.write_text("""
import numpy as np

def test_sums():
    a = np.random.default_rng(0).normal(size=(9, 9))
    assert ((a @ a)[::-1] == a[::-1] @ a).all()
""")
    found = run(file)
    assert found.returncode == 1, found.stdout + found.stderr


@pytest.mark.long
@pytest.mark.timeout(1000)
@pytest.mark.parametrize(
    "files",
    [
        ["selection/test_selection_geometry.py", "selection/test_selection_dataset.py"],
        ["analysis/test_subspace.py", "analysis/test_family_measures.py"],
        ["dynamics/models/test_family_diagnostics.py", "dynamics/models/test_family_models.py"],
    ],
)
def test_rooms_pass_with_other_last_bits(files):
    found = run(*(ROOT / "tests" / name for name in files), seed=3)
    assert found.returncode == 0, found.stdout[-3000:] + found.stderr[-1000:]
