"""Backends: chosen by name, never replaced, imported at first use."""

import sys
import types

import numpy as np
import pytest

from lmdata.dynamics import Localmax
from lmdata.dynamics.kernels.backends import KERNELS, NAMESPACES, choose, kernel, to_host, to_namespace
from lmdata.errors import BackendUnavailable, UnknownName

SIZE = {"members": 2, "tokens": 8, "components": 2}


@pytest.mark.parametrize("name", KERNELS["localmax"])
def test_every_kernel_of_the_table_can_be_imported(name):
    namespace, _, function = name.partition(":")
    if namespace == "numpy":
        choice = choose(name, kind="localmax", **SIZE)
        assert (str(choice), choice.kernel) == (name, function)
        assert callable(kernel(choice, "localmax"))
    assert namespace in NAMESPACES


def test_auto_is_a_kernel_of_the_table_and_says_why():
    choice = choose(kind="localmax", **SIZE)
    assert str(choice) in KERNELS["localmax"]
    assert choice.reason


@pytest.mark.parametrize(
    ("backend", "kind", "error", "message"),
    [
        ("numpi", "localmax", UnknownName, "no backend named 'numpi'; did you mean 'numpy'"),
        ("numpy:canonic", "localmax", UnknownName, "no backend for localmax named .* did you mean 'numpy:canonical'"),
        ("cupy", "softmax", BackendUnavailable, "backend 'cupy' has no kernel for softmax; choose one of numpy"),
    ],
)
def test_backends_that_there_are_not(backend, kind, error, message):
    with pytest.raises(error, match=message):
        choose(backend, kind=kind, **SIZE)


def test_cupy_that_is_not_installed_is_named_with_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(BackendUnavailable, match=r"not installed; install lmdata\[gpu\] or choose backend='numpy'"):
        choose("cupy", kind="localmax", **SIZE)


def test_cupy_without_a_device_is_unavailable(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", types.SimpleNamespace(is_available=lambda: False))
    with pytest.raises(BackendUnavailable, match="found no CUDA device on this machine; choose backend='numpy'"):
        choose("cupy:canonical", kind="localmax", **SIZE)


def test_arrays_go_to_the_namespace_and_come_back_once(monkeypatch):
    moved = []

    def asarray(values):
        moved.append("there")
        return values

    def asnumpy(values):
        moved.append("back")
        return values

    fake = types.SimpleNamespace(is_available=lambda: True, asarray=asarray, asnumpy=asnumpy)
    monkeypatch.setitem(sys.modules, "cupy", fake)
    choice = choose("cupy:canonical", kind="localmax", **SIZE)
    values = np.ones((1, 2, 2))
    assert np.array_equal(to_host(choice, to_namespace(choice, values)), values)
    assert moved == ["there", "back"]


@pytest.mark.gpu
def test_cupy_gives_the_same_bits():
    start = np.random.default_rng(0).integers(-3, 4, size=(50, 16, 2)) / 2.0
    run = {"start": 0, "record": range(20), "seeds": range(50)}
    models = [Localmax(0.25, 0.5, [[2.0, 0.5], [0.5, 1.0]])] * 50
    here = Localmax.advance(models, start, backend="numpy:canonical", **run).position
    there = Localmax.advance(models, start, backend="cupy:canonical", **run).position
    assert np.array_equal(here, there)
