"""Repair and read stores while operations of the system fail, in a process of its own; say what went wrong.

    LD_PRELOAD=.../failing.so python -m tests.faults.repairing FOLDER FIRST STRIDE

The N-th operation, for N from FIRST on in steps of STRIDE, fails with one error number after the other, once or from
then on.
"""

from __future__ import annotations

import errno
import itertools
import json
import logging
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from lmdata.data import layout
from lmdata.data.export import export_zarr
from lmdata.data.opening import open_dataset
from lmdata.data.repair import repair_store
from lmdata.data.store.writer import RunStore
from lmdata.data.verify import Report, verify
from lmdata.errors import CorruptDataset, Prevented

from ..data.conftest import Example, flip
from .failing import Failing

ERRORS = (errno.EMFILE, errno.EIO, errno.ENOMEM, errno.EACCES, errno.ENFILE, errno.EPERM, errno.ENOSPC, errno.EROFS)


def latest(folder: Path) -> Path:
    return max(folder.iterdir(), key=lambda file: (file.stat().st_mtime_ns, file.stat().st_size))


def chunk(place: Path) -> None:
    file = max((place / "chunks").iterdir(), key=lambda file: file.stat().st_size)
    file.write_bytes(flip(file.read_bytes(), 900))


def repository(place: Path) -> None:
    (place / "repo").write_bytes((place / "repo").read_bytes()[:50])


def no_repository(place: Path) -> None:
    (place / "repo").unlink()


def snapshot(place: Path) -> None:
    latest(place / "snapshots").unlink()


DAMAGE: dict[str, Callable[[Path], None]] = {
    "nothing": lambda place: None,
    "a chunk": chunk,
    "the repository": repository,
    "no repository": no_repository,
    "the last snapshot": snapshot,
}


def main(folder: Path, first: int, stride: int) -> dict[str, object]:
    """Return what repair said, how often, and every case in which it raised what it should not, or lost something."""
    logging.disable()
    layout.BLOCK_BYTES = 800
    made, failing = Example(), Failing()
    with RunStore.create(folder / "run", made.layout) as store:
        for block in store.pending():
            made.put(store, block)
            store.commit()
    said: Counter[str] = Counter()
    wrong: list[str] = []
    for what, damage in DAMAGE.items():
        damaged, copy = folder / "damaged", folder / "copy"
        shutil.copytree(folder / "run", damaged)
        damage(damaged)
        shutil.copytree(damaged, copy)
        repair_store(copy)
        expected = verify(copy).complete
        shutil.rmtree(copy)
        for number in itertools.count(first, stride):
            code, persistent = ERRORS[number % len(ERRORS)], bool(number // len(ERRORS) % 2)
            case = f"{what} damaged, operation {number}: {errno.errorcode[code]}{' from then on' * persistent}"
            shutil.copytree(damaged, copy)
            try:
                with failing.at(copy, number, code, persistent=persistent):
                    repair_store(copy)
                said["repaired"] += failing.failed
            except Prevented as error:
                said[type(error).__name__] += 1
            except Exception as error:
                wrong.append(f"{case}: {error!r}")
            try:
                repair_store(copy)
                if (found := verify(copy).complete) != expected:
                    wrong.append(f"{case}: {found} of {expected} members are left")
            except Exception as error:
                wrong.append(f"{case}: no repair afterwards: {error!r}")
            shutil.rmtree(copy)
            if not failing.failed:
                break
        shutil.rmtree(damaged)
    wrong += read(folder, failing, first, stride)
    return {"said": said, "wrong": wrong}


def read(folder: Path, failing: Failing, first: int, stride: int) -> list[str]:
    """Return every case in which reading raised what says that whole data is damaged, or what is no error of ours."""
    run, export = folder / "run", folder / "export.zarr"
    export_zarr(run, export)
    acts: dict[str, Callable[[], object]] = {
        "open a run": lambda: open_dataset(run).load(),
        "open an export": lambda: open_dataset(export).load(),
        "verify a run": lambda: check(verify(run)),
        "verify an export": lambda: check(verify(export)),
        "go on with a run": lambda: RunStore.append_to(run).close(),
    }
    wrong = []
    for what, act in acts.items():
        for number in itertools.count(first, stride):
            code = ERRORS[number % len(ERRORS)]
            try:
                with failing.at(folder, number, code):
                    act()
            except Prevented:
                pass
            except Exception as error:
                wrong.append(f"{what}, operation {number}: {errno.errorcode[code]}: {error!r}")
            if not failing.failed:
                break
    return wrong


def check(report: Report) -> None:
    if not report.ok:
        raise CorruptDataset(str(report))


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
