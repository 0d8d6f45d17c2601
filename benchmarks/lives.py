"""What commits in many lives leave: disk, longest pause, memory. ``python -m benchmarks.lives [COMMITS [LIVES]]``."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.storage import fast_folder
from lmdata.data.layout import Layout
from lmdata.data.store.maintenance import History
from lmdata.data.store.writer import RunStore


def live(place: Path, commits: int, lives: int, chunk: int) -> tuple[float, float, float]:
    """Commit a member of 896 bytes at a time, in so many lives; return MB of data, MB on disk, seconds of pause."""
    layout = Layout(
        swept={}, seeds=tuple(range(commits)), time=np.arange(4), time_unit="step", labels=None, tokens=14,
        components=2, chunk=(chunk, 4),
    )  # fmt: skip
    position = np.random.default_rng(0).normal(size=(commits, 4, 14, 2))
    with RunStore.create(place, layout):
        pass
    longest, most = 0.0, 0.0
    for life, members in enumerate(np.array_split(np.arange(commits), lives)):
        begun = time.perf_counter()
        store = RunStore.append_to(place)
        for member in members.tolist():
            store.put([member], position[[member]], steps_done=3)
            store.commit()
            longest, begun = max(longest, time.perf_counter() - begun), time.perf_counter()
        store.close()
        longest = max(longest, time.perf_counter() - begun)
        if life % max(1, lives // 20) == 0 or life == lives - 1:
            most = max(most, sum(file.stat().st_blocks * 512 for file in place.rglob("*")) / 1e6)
    return position.nbytes / 1e6, most, longest


def measure(commits: int, lives: int, chunk: int, *, tidy: bool) -> None:
    """Live, with or without tidying up, and print a line."""
    if not tidy:
        History.due = lambda self, data: False  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory(dir=fast_folder(2**30)) as folder:
        data, most, longest = live(Path(folder, "run"), commits, lives, chunk)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(
        f"{commits} commits in {lives} lives, {data:.1f} MB in chunks of {chunk}, {'' if tidy else 'un'}tidied: "
        f"{most:.0f} MB on disk at most, longest pause {longest:.2f} s, peak memory {peak:.0f} MB",
        flush=True,
    )


def main() -> None:
    """Measure each way in a process of its own."""
    if len(sys.argv) == 5:
        commits, lives, chunk, tidy = map(int, sys.argv[1:])
        measure(commits, lives, chunk, tidy=bool(tidy))
        return
    given = [int(text) for text in sys.argv[1:3]]
    commits, lives = given + [4000, 100][len(given) :]
    for chunk, tidy in ((1, 0), (1, 1), (commits, 1)):  # untidied, chunks of all members would take gigabytes
        command = [sys.executable, "-m", "benchmarks.lives", *map(str, (commits, lives, chunk, tidy))]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
