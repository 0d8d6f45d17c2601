"""The planner: which kernel serves which problem, why, and what is said where one cannot."""

from __future__ import annotations

import logging

import pytest

from lmdata.dynamics.kernels.backends import KERNELS, choose, kernel
from lmdata.dynamics.kernels.planner import plan, why_not
from lmdata.errors import BackendUnavailable

SIZES = [(n, d) for n in (1, 64, 500, 2000, 20_000, 1_000_000) for d in (1, 2, 3, 4, 6, 7, 64, 256)]


@pytest.mark.parametrize(
    ("tokens", "components", "expected"),
    [(16, 2, "fused"), (64, 2, "fused"), (2000, 2, "tree"), (10**6, 2, "tree"), (10**5, 3, "tree"), (64, 256, "fused"),
     (2000, 64, "blocked"), (20_000, 64, "blocked"), (2000, 6, "tree")],
)  # fmt: skip
def test_auto_picks_by_size_and_says_why(tokens, components, expected, caplog):
    with caplog.at_level(logging.DEBUG, logger="lmdata"):
        choice = choose("auto", kind="localmax", members=100, tokens=tokens, components=components)
    assert str(choice) == f"numpy:{expected}"
    assert choice.reason.startswith(f"{tokens} tokens of {components} components: ")
    assert choice.reason in caplog.text


@pytest.mark.parametrize("namespace", ["numpy", "cupy"])
def test_whatever_is_planned_exists_and_can_serve(namespace):
    for tokens, components in SIZES:
        planned = plan(namespace, members=50, tokens=tokens, components=components).kernel
        assert f"{namespace}:{planned}" in KERNELS["localmax"]
        assert why_not(f"{namespace}:{planned}", tokens=tokens, components=components) is None


def test_a_small_problem_compiles_nothing():
    """A first simulation of a few tokens answers at once; a sweep over them is worth a compiled loop."""
    one, many = (choose(kind="localmax", members=members, tokens=16, components=2) for members in (1, 1000))
    assert (one.kernel, many.kernel) == ("canonical", "fused")


def test_a_kernel_that_cannot_serve_is_refused_with_those_that_can():
    with pytest.raises(BackendUnavailable, match=r"up to 6 components, not 64; these can: .*numpy:blocked") as caught:
        choose("numpy:tree", kind="localmax", members=1, tokens=100, components=64)
    assert "numpy:tree" not in str(caught.value).partition("these can")[2]
    assert why_not("cupy:fused", tokens=2000, components=2)


def test_every_kernel_can_be_imported_by_name():
    for name in KERNELS["localmax"]:
        namespace, _, one = name.partition(":")
        choice = choose("numpy", kind="localmax", members=1, tokens=1, components=1)._replace(
            namespace=namespace, kernel=one
        )
        assert callable(kernel(choice, "localmax"))
