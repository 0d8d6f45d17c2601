"""Verification: every number of a stored dataset against the digests written with it, and what to do about it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

import numpy as np

from lmdata.data import registry
from lmdata.data.derived import verify_derived
from lmdata.data.digest import dataset_digest, member_digest, sha256_of_json
from lmdata.data.store import storage
from lmdata.data.store.lock import HELD
from lmdata.data.store.prevented import looking
from lmdata.data.store.reading import Stored, read_failures
from lmdata.data.store.storage import Place
from lmdata.data.store.stored_as import GROUP, StoredAs, is_plain, stored_as
from lmdata.data.trajectory import TrajectoryLayout
from lmdata.errors import CorruptDataset, LmdataError
from lmdata.markup import table
from lmdata.wording import counted

MOST_TOLD = 20
"""Problems that a report tells one by one."""
READERS = 2
"""Threads that read and hash: more bring little, since decompression has threads of its own."""
GROUPS = frozenset({"source", "checkpoints"})
FOLDERS = frozenset({"chunks", "manifests", "snapshots", "transactions", "refs", "overwritten"})
FILES = frozenset({"repo", "config.yaml", storage.LOCK_FILE, storage.LOCK_FILE + HELD})


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it should be.

    Parameters
    ----------
    kind
        ``missing``, ``failed``, ``damaged``, ``different`` (a member that is computed otherwise now), ``foreign``
        (something that does not belong here) or ``unreadable`` (the dataset as a whole).
    subject
        Key of the member, or name of the thing.
    message
        What is wrong with it.
    """

    kind: str
    subject: str
    message: str


@dataclass(frozen=True)
class Report:
    """What `verify` found.

    Parameters
    ----------
    location
        The dataset.
    full
        Whether every number was read.
    members, complete
        How many there are, and how many say that they are complete.
    problems
        All of them.
    damaged
        Numbers of the members whose data is not what was written: `lmdata.data.store.writer.RunStore.reset` takes them.
    advice
        What to do.
    recomputed
        Numbers of the members that were computed again.
    version
        The published version that was looked at; the last commit without it.
    tolerance
        To which share of the largest number members were compared that were computed again; None to the last bit.
    """

    location: str
    full: bool
    members: int
    complete: int
    problems: tuple[Problem, ...]
    damaged: tuple[int, ...]
    advice: str
    recomputed: tuple[int, ...] = ()
    version: str | None = None
    tolerance: float | None = None

    @property
    def ok(self) -> bool:
        """Whether there is no problem."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, for JSON."""
        return {"ok": self.ok, **asdict(self)}

    def _repr_html_(self) -> str:
        head, *_ = str(self).splitlines()
        rows = [(problem.kind, problem.subject, problem.message) for problem in self.problems[:MOST_TOLD]]
        if len(self.problems) > MOST_TOLD:
            rows.append(("...", f"and {len(self.problems) - MOST_TOLD} more", ""))
        return table(rows, ("problem", "of", "what is wrong") if rows else (), title=f"{head}; {self.advice}")

    def __str__(self) -> str:
        kinds = [problem.kind for problem in self.problems]
        counts = [f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)]
        depth = "every number read" if self.full else "numbers not read"
        if self.recomputed:
            depth += f", {counted(len(self.recomputed), 'member')} computed again"
            depth += f" and compared to {self.tolerance:g} of the largest number" if self.tolerance else ""
        name = f"{self.location}@{self.version}" if self.version else self.location
        head = f"{name}: {self.complete} of {counted(self.members, 'member')} complete, {depth}"
        lines = [f"  {problem.kind} {problem.subject}: {problem.message}" for problem in self.problems[:MOST_TOLD]]
        if len(self.problems) > MOST_TOLD:
            lines.append(f"  ... and {len(self.problems) - MOST_TOLD} more")
        return "\n".join([f"{head}: {', '.join(counts) or 'as written'}", *lines, self.advice])


def verify(location: str | os.PathLike[str], *, full: bool = True, version: str | None = None) -> Report:
    """Compare a dataset with what was written: recompute its digests, find what is missing, failed or foreign.

    Parameters
    ----------
    location
        A run store, a plain zarr export or a derived dataset.
    full
        Read every number; otherwise only the bookkeeping.
    version
        A published version of a run store (``v1``); the last commit without it.

    Returns
    -------
    Report
        ``ok``, the problems, and what to do.

    Raises
    ------
    FileNotFoundError, StoreError
        If there is no dataset of lmdata at the location.
    Prevented
        If the machine, missing rights or the network prevent reading it: nothing is then known of the data.
    UnknownName
        If it has no such version.
    """
    place = Place.of(location)
    with looking(str(place)):
        return _verified(place, full=full, version=version)


def _verified(place: Place, *, full: bool, version: str | None) -> Report:
    if stored_as(place, version) is StoredAs.DERIVED:
        folder = Place.local(str(place))
        wrong = verify_derived(folder) if full else None
        problems = [Problem("damaged", folder.name, wrong)] if wrong else []
        return _report(place, problems, full=full, members=1, complete=1, damaged=())
    try:
        source = Stored.open(place, tag=version)
    except CorruptDataset as error:
        return _report(place, [Problem("unreadable", str(place), str(error))], full=full, version=version)
    problems = [*_bookkeeping(source), *_identity(source), *_foreign(source)]
    damaged = dict(_damaged(source)) if full else {}
    problems += [Problem("damaged", source.layout.key(member), why) for member, why in damaged.items()]
    return _report(
        place,
        problems,
        full=full,
        members=source.layout.size,
        complete=int(source.members.complete.sum()),
        damaged=tuple(damaged),
        version=version,
        form=source.layout.form,
    )


def _report(
    place: Place,
    problems: list[Problem],
    *,
    full: bool,
    members: int = 0,
    complete: int = 0,
    damaged: tuple[int, ...] = (),
    version: str | None = None,
    form: str = "",
) -> Report:
    kinds = {problem.kind for problem in problems}
    advice = []
    if kinds & {"missing", "failed"}:
        advice.append(f"`lmdata resume {place}` computes the missing and failed members")
    if (version or is_plain(place) or form == TrajectoryLayout.form) and kinds & {"damaged", "unreadable"}:
        advice.append("keep it aside and make it again from its recipe or source, or fetch another copy")
    elif damaged:
        advice.append(f"`lmdata repair {place}` computes the damaged members again and touches nothing else")
    elif "unreadable" in kinds:
        advice.append(f"`lmdata repair {place}` mends what it can; what it cannot is made again from its recipe")
    if "foreign" in kinds:
        advice.append("what is foreign was not written by lmdata: look at it, and remove it if it is not yours")
    text = "To do: " + "; ".join(advice) + "." if advice else "Nothing to do."
    return Report(str(place), full, members, complete, tuple(problems), damaged, text, version=version)


def _bookkeeping(source: Stored) -> Iterator[Problem]:
    reasons = read_failures(source.group)
    for member, status in enumerate(source.members.status.ravel().tolist()):
        key = source.layout.key(member) if status != registry.COMPLETE else ""
        if status == registry.ABSENT:
            steps = int(source.members.steps_done.ravel()[member])
            yield Problem("missing", key, f"computed up to step {steps}" if steps >= 0 else "not computed yet")
        elif status == registry.FAILED:
            yield Problem("failed", key, reasons.get(key, "no reason was kept"))
        elif status != registry.COMPLETE:
            yield Problem("unreadable", key, f"its status is {status}, which means nothing")


def _identity(source: Stored) -> Iterator[Problem]:
    """Check the attributes that identify the dataset against what they are made from."""
    attrs = source.group.attrs.asdict()
    recipe, identity = attrs.get("recipe"), attrs.get("recipe_id")
    try:
        if recipe is not None and sha256_of_json(json.loads(str(recipe))) != identity:
            yield Problem("unreadable", "recipe_id", "it is not that of the recipe beside it")
    except (ValueError, LmdataError) as error:
        yield Problem("unreadable", "recipe", f"it is no recipe: {error}")
    if source.members.complete.all():
        expected = dataset_digest(str(identity or ""), source.members.digest.ravel().tolist())
        if attrs.get("digest") != expected:
            yield Problem("unreadable", "digest", f"it is {attrs.get('digest')}, its members give {expected}")


def _foreign(source: Stored) -> Iterator[Problem]:
    layout = source.layout
    declared = {*layout.coords(), *layout.given(), *layout.variables}
    for name in sorted(set(source.group.keys()) - declared - GROUPS):
        yield Problem("foreign", name, "a variable or group that no dataset has")
    if source.place.folder is not None:
        known = FOLDERS | FILES if source.session is not None else declared | GROUPS | {GROUP}
        for path in sorted(source.place.folder.iterdir()):
            if path.name not in known and storage.STAGED.sub("", path.name) not in FILES:  # or being written just now
                yield Problem("foreign", path.name, "a file or folder that no dataset has")


def _damaged(source: Stored) -> Iterator[tuple[int, str]]:
    """Yield every complete member whose data is not what was written, with the reason."""
    complete = source.members.complete.ravel()
    blocks = (block for block in source.layout.blocks() if complete[list(block)].any())
    with ThreadPoolExecutor(READERS) as pool:
        for found in pool.map(lambda block: list(_check_block(source, block)), blocks):
            yield from found


def _check_block(source: Stored, block: tuple[int, ...]) -> Iterator[tuple[int, str]]:
    complete, digests = source.members.complete.ravel(), source.members.digest.ravel()
    present = [(row, member) for row, member in enumerate(block) if complete[member]]
    names = source.layout.parts
    try:
        if len(block) == 1:
            rows = chain.from_iterable(source.frames(block, name) for name in names)
            found = [member_digest(source.layout.key(block[0]), (row[0] for row in rows))]
        else:
            parts = [np.concatenate(list(source.frames(block, name)), axis=1) for name in names]
            found = [member_digest(source.layout.key(member), [own[row] for own in parts]) for row, member in present]
        for name in source.layout.diagnostics:
            for _ in source.frames(block, name):
                pass
    except CorruptDataset as error:
        for _, member in present:
            yield member, str(error)
        return
    for (_, member), digest in zip(present, found, strict=True):
        if digest != digests[member]:
            yield member, f"its {' and '.join(names)} is not what was written (digest)"
