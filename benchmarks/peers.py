"""One hardmax or localmax step as others write it: a Python loop, vectorised NumPy, jax and torch.

Each function of `STEPPERS` takes tokens (m, n, d), delta and alpha, and returns a function that makes a number of
steps. This file imports nothing of lmdata, so that another interpreter can run it: ``python peers.py`` answers
requests, one JSON line each, on its standard streams.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Steps = Callable[[int], Any]


def tokens(members: int, n: int, d: int) -> np.ndarray:
    """Return the tokens that all contenders start from: uniform in the unit cube, in higher dimensions of length 1."""
    z = np.random.default_rng(20251109).uniform(-1.0, 1.0, size=(members, n, d))
    return z if d <= 3 else z / np.linalg.norm(z, axis=-1, keepdims=True)


def python_loop(z: np.ndarray, delta: float, alpha: float) -> Steps:
    """Token by token, as the scripts of papers do."""
    matrix = np.eye(z.shape[2])

    def step(state: np.ndarray) -> np.ndarray:
        after = np.empty_like(state)
        for member in range(len(state)):
            for i in range(state.shape[1]):
                scores = np.dot(state[member], np.dot(matrix, state[member, i]))
                neighbours = np.where(scores >= np.max(scores) - delta)[0]
                mean = np.mean(state[member, neighbours], axis=0)
                after[member, i] = (state[member, i] + alpha * mean) / (1 + alpha)
        return after

    return _repeated(step, z)


def vectorised_numpy(z: np.ndarray, delta: float, alpha: float) -> Steps:
    """All tokens of all members at once."""

    def step(state: np.ndarray) -> np.ndarray:
        scores = state @ state.swapaxes(-1, -2)
        neighbours = (scores >= scores.max(axis=-1, keepdims=True) - delta).astype(state.dtype)
        mean = neighbours @ state / neighbours.sum(axis=-1, keepdims=True)
        return (state + alpha * mean) / (1 + alpha)

    return _repeated(step, z)


def jax_jit(z: np.ndarray, delta: float, alpha: float) -> Steps:
    """The same in jax, compiled, in float64."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    @jax.jit
    def step(state: Any) -> Any:
        scores = state @ state.swapaxes(-1, -2)
        neighbours = (scores >= scores.max(axis=-1, keepdims=True) - delta).astype(state.dtype)
        mean = neighbours @ state / neighbours.sum(axis=-1, keepdims=True)
        return (state + alpha * mean) / (1 + alpha)

    start = jnp.asarray(z)

    def run(steps: int) -> Any:
        state = start
        for _ in range(steps):
            state = step(state)
        return state.block_until_ready()

    return run


def torch_eager(z: np.ndarray, delta: float, alpha: float) -> Steps:
    """The same in torch."""
    import torch

    return _repeated(_torch_step(delta, alpha), torch.from_numpy(z))


def torch_compile(z: np.ndarray, delta: float, alpha: float) -> Steps:
    """The same in torch, compiled."""
    import torch

    return _repeated(torch.compile(_torch_step(delta, alpha)), torch.from_numpy(z))


def _torch_step(delta: float, alpha: float) -> Callable[[Any], Any]:
    def step(state: Any) -> Any:
        scores = state @ state.transpose(-1, -2)
        neighbours = (scores >= scores.amax(dim=-1, keepdim=True) - delta).to(state.dtype)
        mean = neighbours @ state / neighbours.sum(dim=-1, keepdim=True)
        return (state + alpha * mean) / (1 + alpha)

    return step


def _repeated(step: Callable[[Any], Any], start: Any) -> Steps:
    def run(steps: int) -> Any:
        state = start
        for _ in range(steps):
            state = step(state)
        return state

    return run


STEPPERS: dict[str, Callable[[np.ndarray, float, float], Steps]] = {
    "Python loop": python_loop,
    "NumPy": vectorised_numpy,
    "jax": jax_jit,
    "torch": torch_eager,
    "torch.compile": torch_compile,
}


def answer() -> None:
    """Serve requests: {"prepare": stepper, "size": [m, n, d], "delta", "alpha"} or {"run": stepper, "steps": s}."""
    prepared: dict[str, Steps] = {}
    for line in sys.stdin:
        request = json.loads(line)
        reply: dict[str, Any]
        try:
            if "prepare" in request:
                stepper = STEPPERS[request["prepare"]]
                prepared[request["prepare"]] = stepper(tokens(*request["size"]), request["delta"], request["alpha"])
                prepared[request["prepare"]](2)
                module = sys.modules.get(request["prepare"].partition(".")[0])
                reply = {"version": getattr(module, "__version__", "")}
            else:
                begin = time.perf_counter()
                prepared[request["run"]](request["steps"])
                reply = {"seconds": time.perf_counter() - begin}
        except ImportError as error:
            reply = {"absent": str(error)}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    answer()
