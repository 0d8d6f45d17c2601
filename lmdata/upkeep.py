"""Upkeep of stored runs: versions that stay, repair, stores of an earlier lmdata, and what old commits leave behind."""

from __future__ import annotations

import os
from datetime import timedelta

from lmdata.data.repair import repair_store
from lmdata.data.store.maintenance import collect_garbage
from lmdata.data.verify import Report
from lmdata.data.versions import migrate_store, publish_version, published
from lmdata.errors import InvalidInput
from lmdata.library import catalog, catalogued, resume
from lmdata.numerics.checks import as_number
from lmdata.runs.progress import Progress

MOST_DAYS = 36_500
"""A hundred years: nothing older is there to be kept."""


def repair(
    store: str | os.PathLike[str],
    *,
    backend: str = "auto",
    scheduler: int | str | None = None,
    progress: Progress | bool | None = None,
) -> Report:
    """Compute again what is damaged or missing in a run store, from its own recipe, and touch nothing else.

    Parameters
    ----------
    store : path
        A run store in a folder that nobody writes to.
    backend, scheduler, progress
        As for `lmdata.simulate`.

    Returns
    -------
    Report
        Of the verification before the repair: what was wrong.

    Raises
    ------
    CorruptDataset
        If no commit of the store can be read: it has to be made again.
    StoreLocked
        If somebody is writing to it.

    Examples
    --------
    >>> import lmdata, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(4, 2), steps=2, store=f"{folder}/run")
    ...     lmdata.repair(f"{folder}/run").ok
    True
    """
    report = repair_store(store)
    resume(store, backend=backend, scheduler=scheduler, progress=progress)
    return report


def publish(store: str | os.PathLike[str], version: str) -> None:
    """Give the present state of a finished run a version, which stays: it is never changed and never collected.

    The run may be extended and published again; each version is opened, verified and exported by its own name,
    ``PATH@v1``. Versions are for runs that others cite.

    Parameters
    ----------
    store : path or address
        A run store that nobody writes to; every number of it is verified first.
    version : str
        ``v1``, ``v2``, ...

    Raises
    ------
    InvalidInput
        If it is no name of a version, or the dataset is plain zarr, which has one version.
    IncompleteDataset, CorruptDataset
        If members are missing, or anything is not what was written.
    StoreExists
        If there is such a version already.
    StoreLocked
        If somebody is writing to the store.

    Examples
    --------
    >>> import lmdata, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(4, 2), steps=2, store=f"{folder}/run")
    ...     lmdata.publish(f"{folder}/run", "v1")
    ...     _ = lmdata.extend(f"{folder}/run", seeds=range(3))
    ...     lmdata.open(f"{folder}/run@v1").sizes["seed"], lmdata.open(f"{folder}/run").sizes["seed"]
    (1, 3)
    """
    if not isinstance(version, str):
        raise InvalidInput(f"version is {version!r}; a version is named v1, v2, ...")
    publish_version(store, version)


def versions(name_or_path: str | os.PathLike[str]) -> dict[str, str]:
    """List the versions of a dataset: those that were published of a run, or those of a catalogue entry.

    Parameters
    ----------
    name_or_path : str or path
        A run store, or a name of `lmdata.catalog`.

    Returns
    -------
    dict
        The digest of each version, by its name, the first version first; ``NAME@v1`` or ``PATH@v1`` opens one.

    Raises
    ------
    UnknownName
        If there is neither such a name nor such a path.
    StoreError
        If it is no run store, or cannot be read.

    Examples
    --------
    >>> import lmdata
    >>> list(lmdata.versions("hardmax-square"))
    ['v1']
    """
    name = catalogued(name_or_path)
    if name is None:
        return published(name_or_path)
    entry = catalog[name]
    return {f"v{number}": str(entry.at(number).digest) for number in (*sorted(entry.earlier), entry.version)}


def migrate(store: str | os.PathLike[str]) -> None:
    """Bring a run store that an earlier lmdata wrote to the present form, in one commit; its numbers stay as they are.

    A store that has the present form is left as it is. Published versions never change, and stay as they were written.

    Parameters
    ----------
    store : path or address
        A run store that nobody writes to.

    Raises
    ------
    RecipeMismatch
        If there is no way from its form to the present one: it is of a newer lmdata, or no store of lmdata.
    StoreLocked
        If somebody is writing to the store.
    StoreError
        If it is no run store, or cannot be written; it is then as it was.

    Examples
    --------
    >>> import lmdata, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(4, 2), steps=2, store=f"{folder}/run")
    ...     lmdata.migrate(f"{folder}/run")
    """
    migrate_store(store)


def gc(store: str | os.PathLike[str], *, days: float = 1) -> int:
    """Remove from a run store what only commits older than some days need: every commit leaves something behind.

    The last commit and published versions stay whole, whatever their age.

    Parameters
    ----------
    store : path or address
        A run store that nobody writes to.
    days : float
        Datasets that were opened longer ago may have to be opened again. 0 keeps nothing for them.

    Returns
    -------
    int
        Number of bytes removed.

    Raises
    ------
    StoreLocked
        If somebody is writing to the store.
    StoreError
        If it is no run store, or cannot be written.

    Examples
    --------
    >>> import lmdata, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ds = lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(4, 2), steps=2, store=f"{folder}/run")
    ...     lmdata.gc(f"{folder}/run", days=0) > 0
    True
    """
    return collect_garbage(store, keep=timedelta(days=min(as_number(days, "days", minimum=0), MOST_DAYS)))
