"""Contenders of a race: lmdata in this process, others here or in an interpreter that has them."""

from __future__ import annotations

import importlib.util
import json
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import peers
from lmdata.dynamics.kernels import backends

Timed = Callable[[], float]
"""Makes the work once and returns its seconds."""

REST = 0.3
"""Seconds of rest before a turn: compiled peers keep their threads spinning for a while."""

TURN = 0.1
"""Seconds that a turn lasts at least."""


class Interpreter:
    """Another Python that runs `peers` and answers on a pipe; a context manager."""

    def __init__(self, executable: str) -> None:
        command = [executable, str(Path(peers.__file__))]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self._process.args!r} ended while it was asked {request}")
        return dict(json.loads(answer))

    def __enter__(self) -> Interpreter:
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def timed(work: Callable[[], Any]) -> Timed:
    """Return a function that does the work and returns its seconds."""

    def run() -> float:
        begin = time.perf_counter()
        work()
        return time.perf_counter() - begin

    return run


def lmdata_steps(members: int, n: int, d: int, delta: float, steps: int, backend: str = "auto") -> tuple[str, Timed]:
    """Return the backend that `auto` picks, and lmdata's steps, keeping the last frame."""
    choice = backends.choose(backend, kind="localmax", members=members, tokens=n, components=d)
    kernel = backends.kernel(choice, "localmax")
    state, sensitivity, influence = peers.tokens(members, n, d), np.full((members, steps), delta), np.ones(members)
    return str(choice), timed(lambda: kernel(state, sensitivity, influence, None, (steps,)))


def peer_steps(
    name: str, size: tuple[int, int, int], delta: float, steps: int, interpreters: Mapping[str, Interpreter]
) -> tuple[str, Timed] | None:
    """Return a peer's version and its steps, or None where no interpreter at hand has it."""
    library = name.lower().partition(".")[0]
    if library in interpreters:
        interpreter = interpreters[library]
        reply = interpreter.ask(prepare=name, size=size, delta=delta, alpha=1.0)
        if "absent" in reply:
            return None
        return reply["version"], lambda: float(interpreter.ask(run=name, steps=steps)["seconds"])
    if library in ("jax", "torch") and importlib.util.find_spec(library) is None:
        return None
    run = peers.STEPPERS[name](peers.tokens(*size), delta, 1.0)
    run(1)
    return np.__version__, timed(lambda: run(steps))


def race(contenders: Mapping[str, Timed], repeats: int) -> dict[str, dict[str, float]]:
    """Return median, least and number of the seconds of each contender, taken in turn.

    A turn begins after `REST`, when the threads of the one before have gone to sleep. After one run that does not count
    it is the mean of as many as fit into `TURN`: a short run by itself would measure how fast a machine wakes up.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, run in contenders.items():
            time.sleep(REST)
            run()
            taken = [run()]
            while sum(taken) < TURN:
                taken.append(run())
            seconds[name].append(statistics.mean(taken))
    return {
        name: {"median": statistics.median(taken), "least": min(taken), "repeats": len(taken)}
        for name, taken in seconds.items()
    }
