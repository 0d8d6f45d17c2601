"""The CUDA kernels: their very source, run by the threads of a processor, gives the canonical bits; so does a GPU."""

from __future__ import annotations

import ctypes
import importlib.util
import itertools
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from lmdata.dynamics.kernels import canonical, gpu

from .hinging import KINDS, alignment_of, batch_of, same_bits, sensitivity_of, tokens_of

HERE = Path(__file__).parent


class Processor:
    """A `gpu.Device` whose blocks are run, one after the other, by threads of this processor."""

    xp = np

    def __init__(self, folder: Path) -> None:
        self._folder, self._libraries = folder, {}

    def _library(self, components: int) -> ctypes.CDLL:
        if components not in self._libraries:
            library = self._folder / f"cuda_{components}.so"
            source = f'-DCUDA_SOURCE="{gpu.SOURCE}"'
            flags = ["-std=c++20", "-O1", "-ffp-contract=off", "-shared", "-fPIC", "-pthread", "-x", "c++"]
            command = ["g++", *flags, source, f"-DCOMPONENTS={components}", HERE / "cuda_on_host.cpp", "-o", library]
            subprocess.run(command, check=True, capture_output=True)
            self._libraries[components] = ctypes.CDLL(str(library))
        return self._libraries[components]

    def launch(self, name, components, blocks, threads, shared, arguments):
        converted = []
        for value in arguments:
            if isinstance(value, np.ndarray):
                assert value.flags.c_contiguous
                converted.append(ctypes.c_void_p(value.ctypes.data))
            elif isinstance(value, np.float64):
                converted.append(ctypes.c_double(value))
            else:
                converted.append(ctypes.c_longlong(int(value)))
        getattr(self._library(components), f"run_{name}")(blocks, threads, ctypes.c_longlong(shared), *converted)


@pytest.fixture(scope="module")
def processor(tmp_path_factory):
    if shutil.which("g++") is None:
        pytest.skip("needs g++ to compile the CUDA source for the processor")
    return Processor(tmp_path_factory.mktemp("cuda"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [2, *(pytest.param(d, marks=pytest.mark.long) for d in (1, 3))])
def test_fused_on_the_device_gives_the_canonical_states(processor, kind, d):
    for n, threads, seed in [(1, 1, 0), (7, 1, 1), (20, 3, 2), (33, 1, 3)]:
        batch = batch_of(kind, 2, n, d, 12, seed)
        frames, _ = gpu.advance_fused(*batch, device=processor, threads=threads)
        assert same_bits(frames, canonical.advance(*batch)[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [2, pytest.param(3, marks=pytest.mark.long)])
def test_tree_on_the_device_gives_the_canonical_states(processor, kind, d):
    for n, threads, tile, seed in [(1, 1, 4, 0), (50, 1, 4, 1), (33, 3, 8, 2), (60, 1, 16, 3)]:
        batch = batch_of(kind, 1, n, d, 8, seed)
        frames, _ = gpu.advance_tree(*batch, device=processor, threads=threads, tile=tile)
        assert same_bits(frames, canonical.advance(*batch)[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [2, pytest.param(17, marks=pytest.mark.long)])
def test_blocked_on_the_device_gives_the_canonical_states(processor, kind, d):
    for n, threads, rows, seed in [(1, 1, 1, 0), (40, 1, 7, 1), (33, 3, 33, 2), (60, 1, 64, 3)]:
        batch = batch_of(kind, 1, n, d, 8, seed)
        frames, _ = gpu.advance_blocked(*batch, device=processor, threads=threads, rows=rows)
        assert same_bits(frames, canonical.advance(*batch)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_neighbourhoods_on_the_device_are_the_canonical_ones(processor, kind):
    """The sums of one number for each token tell the index sets; of tiles the counts are compared."""
    for n, d, share in itertools.product((1, 30, 70), (2, 9), (0.0, 0.05, 0.5)):
        state, alignment = tokens_of(kind, n, d, n), alignment_of(d, n)
        delta = sensitivity_of(state, share)
        expected = canonical.neighbourhoods(state, delta, alignment)
        _, sums = gpu.sum_neighbours(state, delta, alignment, np.eye(n), device=processor, threads=1, rows=13)
        assert ((sums > 0) == expected).all()
        if d == 2:
            counts, _ = gpu.listen_tiles(state, delta, alignment, device=processor, threads=2, tile=8)
            assert (counts == expected.sum(axis=1)).all()


def test_rows_with_more_neighbours_than_the_list_holds_are_summed(processor):
    n = gpu.LIST + 5
    tokens = np.random.default_rng(0).normal(size=(n, 2))
    counts, sums = gpu.sum_neighbours(tokens, 1e3, None, np.ones((n, 1)), device=processor, threads=1)
    assert (counts == n).all()
    assert (sums == n).all()


def test_tokens_near_each_other_are_near_along_the_curve():
    points = np.array(list(itertools.product(range(8), repeat=2)), float)
    order = gpu.curve_index(np, points).argsort()
    for quarter in order.reshape(4, 16):
        assert (np.ptp(points[quarter], axis=0) == 3).all()
    assert len(set(gpu.curve_index(np, np.zeros((5, 3))).tolist())) == 1


def test_the_source_compiles_for_a_gpu(tmp_path):
    if shutil.which("nvcc") is None:
        pytest.skip("needs nvcc, the compiler of the CUDA toolkit")
    for components in (1, 2, 3, 6):
        target = tmp_path / f"{components}.ptx"
        command = ["nvcc", "-arch=sm_90", "-fmad=false", f"-DCOMPONENTS={components}", "-ptx", gpu.SOURCE, "-o", target]
        subprocess.run(command, check=True, capture_output=True)
        assert "fma.rn.f64" not in target.read_text()


@pytest.fixture
def device():
    if importlib.util.find_spec("cupy") is None:
        pytest.skip("cupy is not installed")
    import cupy

    if not cupy.is_available():
        pytest.skip("no CUDA device")
    return gpu.Cupy()


@pytest.mark.gpu
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("d", "n"), [(2, 64), (3, 200), (2, 3000), (64, 700)])
def test_a_gpu_gives_the_canonical_states(device, kind, d, n):
    state, sensitivity, influence, alignment, keep = batch_of(kind, 2, n, d, 20, 3)
    expected, _ = canonical.advance(state, sensitivity, influence, alignment, keep)
    on_device = device.xp.asarray(state)
    kernels = [gpu.advance_blocked]
    if d <= 6:
        kernels.append(gpu.advance_tree)
    if gpu.fused_size(n, d) <= gpu.SHARED_NUMBERS:
        kernels.append(gpu.advance_fused)
    for kernel in kernels:
        frames, _ = kernel(on_device, sensitivity, influence, alignment, keep)
        assert same_bits(device.xp.asnumpy(frames), expected)
