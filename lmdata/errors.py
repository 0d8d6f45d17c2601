"""The errors and warnings of lmdata: each message names the argument, its value, what is allowed and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Self

from lmdata.terminal import printable

MOST_NAMES = 12
"""Known names that a message lists."""
MUCH = 0.3
"""By how much a name has to be less alike than the nearest not to be suggested beside it."""


class LmdataError(Exception):
    """Base of every error that lmdata raises on purpose; its message cannot steer the terminal that shows it."""

    def __str__(self) -> str:
        return printable(super().__str__())


class InvalidInput(LmdataError, ValueError):  # noqa: N818 - errors are named by what is wrong
    """An argument has a value that the model or the function does not allow."""


class BackendUnavailable(LmdataError, RuntimeError):  # noqa: N818
    """The backend or kernel asked for cannot run here, or cannot serve this problem."""


class ExtraMissing(BackendUnavailable, ImportError):  # noqa: N818
    """A package of an extra is not installed; the message says which extra to install."""

    @classmethod
    def of(cls, extra: str, what: str, packages: Iterable[str]) -> ExtraMissing | None:
        """Return the error for ``what``, which needs packages of an extra, or None if they are all there."""
        for package in packages:
            if find_spec(package) is None:
                return cls(f"{what} needs the package {package}, which is not installed; pip install 'lmdata[{extra}]'")
        return None


class ClusterLost(LmdataError, RuntimeError):  # noqa: N818
    """The scheduler or the workers of a run were lost, or a task on them raised; what was committed is kept."""


class Interrupted(KeyboardInterrupt):
    """A run was stopped by Ctrl-C (or SIGTERM in the commands) after its finished members were committed."""


class StoreError(LmdataError):
    """Base of what can be wrong with a stored dataset."""


class StoreExists(StoreError, FileExistsError):  # noqa: N818
    """There is something at the place where a new store was to be made."""


class StoreLocked(StoreError):  # noqa: N818
    """Another process is writing to the store."""


class RecipeMismatch(StoreError):  # noqa: N818
    """The store was made by another recipe, or another schema, than the one asked for."""


class IncompleteDataset(StoreError):  # noqa: N818
    """Members are missing or failed, and the caller did not allow a partial dataset."""


class CorruptDataset(StoreError):  # noqa: N818
    """Stored data differs from what was written: a digest, a checksum or the layout does not fit."""


class Prevented(StoreError):  # noqa: N818
    """The machine, missing rights or the network prevented it; of the data itself nothing is known by that."""


class MachineFailed(Prevented):
    """The machine could not: too many open files, no memory or room left, or a disk that fails."""


class AccessDenied(Prevented):
    """The rights are missing: of a file or folder, or credentials that are missing, wrong or expired."""


class NotReachable(Prevented):
    """Nobody answers over the network, or what was sent was cut."""


class CatalogError(LmdataError, ValueError):
    """A catalogue file is not a catalogue, or an entry in it is not valid."""


class UnknownName(LmdataError, LookupError):  # noqa: N818
    """A name that is not there; the message names the nearest that are."""

    asked: tuple[str, str] | None = None
    """What was asked for: a model, say, and its name."""

    @classmethod
    def among(cls, what: str, name: object, known: Iterable[str], *, meant: Iterable[str] = ()) -> Self:
        """Return the error for ``name``, with the nearest of the ``known`` names as suggestion.

        Those of them that are surely ``meant``, as the name for which a paper has a letter, go before what is spelled
        alike.
        """
        names = sorted(known)
        near = [one for one in meant if one in names] or _nearest(str(name), names)
        few = ", ".join(names[:MOST_NAMES]) + (
            f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        )
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known: {few}"
        error = cls(f"there is no {what} named {f'{name!r:.200}'}; {hint}")
        error.asked = (what, str(name))
        return error


def _nearest(name: str, names: Sequence[str]) -> list[str]:
    """Return at most three names that are spelled alike, the nearest first, and none that is far behind it."""
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
    alike = [difflib.SequenceMatcher(None, one, name).ratio() for one in near]
    return [one for one, ratio in zip(near, alike, strict=True) if ratio > alike[0] - MUCH]


class UnknownParameter(UnknownName, TypeError):  # noqa: N818
    """A model, token source or schedule has no parameter of that name; the message names what was perhaps meant."""


class ResolutionWarning(UserWarning):
    """A parameter is below what float64 can resolve for these tokens."""


class AccuracyWarning(UserWarning):
    """A result is less accurate than asked: an unstable step size, an iteration stopped before its tolerance."""


class UnsettledWarning(UserWarning):
    """Tokens still move at the last stored frame that limits are read off; the message says how many."""


class PluginWarning(UserWarning):
    """What another package adds cannot be loaded, or has a name that is taken; or a catalogue file is gone."""


class StaleDataset(UserWarning):
    """A derived dataset was computed from data that has changed since."""


class CatalogWarning(UserWarning):
    """A catalogue file cannot be read, and is left out."""
