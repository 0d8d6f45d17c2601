#!/usr/bin/env python
"""Plant bugs one by one, and tell which of them the tests notice. Run on demand: it takes an hour or two.

    python tests/mutation/run.py                       # every bug, against the tests named beside it
    python tests/mutation/run.py --only analysis/hull  # bugs of files whose path holds this
    python tests/mutation/run.py --all-tests           # against the whole default suite
    python tests/mutation/run.py --jobs 2

Each bug is planted in a copy of the project, in a folder of its own without the reference cases beside it, so that what
is caught is caught by a clone alone. A bug is caught if the tests fail, with an error or beyond the time limit. The
exit code is 1 where a bug survives that is not named as doing the same, or can no longer be planted; 2 where the tests
fail without any bug.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bugs_analysis
import bugs_classification
import bugs_data
import bugs_dynamics
import bugs_models
import bugs_outside
import bugs_runs
import bugs_schemes
import bugs_selection
from bug import Bug

ROOT = Path(__file__).resolve().parents[2]
BUGS: list[Bug] = [
    *bugs_dynamics.BUGS,
    *bugs_schemes.BUGS,
    *bugs_analysis.BUGS,
    *bugs_data.BUGS,
    *bugs_selection.BUGS,
    *bugs_runs.BUGS,
    *bugs_outside.BUGS,
    *bugs_models.BUGS,
    *bugs_classification.BUGS,
]
SECONDS = 900
"""A run of tests beyond this counts as a bug caught: it hangs."""
LEFT_OUT = {".git", ".mypy_cache", ".ruff_cache", ".hypothesis", ".pytest_cache", "build", "dist"}


def linked(source: str, target: str) -> None:
    """Copy a file by a hard link where that can be: what is changed is written anew, so that the original stays."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def copied(target: Path) -> None:
    """Copy the project, with what is compiled."""
    shutil.copytree(ROOT, target, copy_function=linked, ignore=lambda _, names: LEFT_OUT & set(names))


def planted(bug: Bug, root: Path) -> bool:
    """Plant a bug; return whether its line was there, once."""
    file = root / "lmdata" / bug.file
    text = file.read_text(encoding="utf-8")
    if text.count(bug.old) != 1:
        return False
    file.unlink()
    file.write_text(text.replace(bug.old, bug.new), encoding="utf-8")
    return True


def tested(root: Path, tests: list[str], seconds: float) -> str:
    """Run tests of a copy, all that it has for none: ``passed``, ``failed``, ``hangs`` or ``no tests``."""
    names = [name if name.startswith("lmdata/") else f"tests/{name}" for name in tests]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", *names]
    environment = os.environ | {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        command, cwd=root, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0
    ) as run:
        try:
            code = run.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            return "hangs"
    return {0: "passed", 1: "failed", 2: "failed"}.get(code, f"no tests (exit code {code})")


def verdict(bug: Bug | None, tests: list[str], seconds: float = SECONDS) -> str:
    """Run tests in a copy with a bug: ``caught``, ``hangs``, ``SURVIVED``, ``NOT THERE`` or ``no tests``."""
    with tempfile.TemporaryDirectory(prefix="lmdata-mutation-") as folder:
        root = Path(folder) / "project"
        copied(root)
        if bug is not None and not planted(bug, root):
            return "NOT THERE"
        found = tested(root, tests, seconds)
    return {"passed": "SURVIVED", "failed": "caught"}.get(found, found)


def main() -> int:
    """Plant the bugs that are asked for, and tell of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="bugs whose file or new line holds this")
    parser.add_argument("--from", type=int, default=0, dest="first", help="number of the first bug")
    parser.add_argument("--to", type=int, default=len(BUGS), help="number behind the last bug")
    parser.add_argument("--jobs", type=int, default=1, help="bugs at a time")
    parser.add_argument("--all-tests", action="store_true", help="run the whole default suite for each")
    parser.add_argument("--check", action="store_true", help="only tell which bugs can no longer be planted")
    options = parser.parse_args()
    chosen = [
        (number, bug)
        for number, bug in enumerate(BUGS)
        if options.first <= number < options.to and (options.only in bug.file or options.only in bug.new)
    ]

    wanted = {} if options.all_tests else {name: None for _, bug in chosen for name in bug.tests.split()}
    if not options.check and (found := verdict(None, list(wanted), 20 * SECONDS)) != "SURVIVED":
        print(f"the tests do not pass without any bug ({found}): mend them first")
        return 2

    def tell(numbered: tuple[int, Bug]) -> str:
        number, bug = numbered
        begun = time.monotonic()
        if options.check:
            there = (ROOT / "lmdata" / bug.file).read_text(encoding="utf-8").count(bug.old) == 1
            found = "there" if there else "NOT THERE"
        else:
            tests = [] if options.all_tests else bug.tests.split()
            found = verdict(bug, tests, SECONDS * (8 if options.all_tests else 1))
        if bug.same and found == "SURVIVED":
            found = f"the same: {bug.same}"
        line = " ".join(bug.new.split())
        print(f"{number:3d} {time.monotonic() - begun:5.0f} s  {found:9}  {bug.file}: {line:.80}", flush=True)
        return found

    with ThreadPoolExecutor(options.jobs) as pool:
        found = list(pool.map(tell, chosen))
    lost = [word for word in found if word.startswith(("SURVIVED", "NOT THERE", "no tests"))]
    same = sum(word.startswith("the same") for word in found)
    if options.check:
        print(f"{len(found)} bugs, {len(lost)} of which can no longer be planted")
    else:
        print(f"{len(found)} bugs: {len(found) - len(lost) - same} caught, {same} that do the same, {len(lost)} not")
    return bool(lost)


if __name__ == "__main__":
    raise SystemExit(main())
