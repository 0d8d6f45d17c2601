"""Where the parts of a recipe come from: whether a store would give them back, and which packages that needs."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from lmdata import plugins
from lmdata.data.digest import canonical_json
from lmdata.dynamics.kinds import full_name
from lmdata.dynamics.model import Model
from lmdata.dynamics.tokens import TokenSource
from lmdata.errors import InvalidInput, LmdataError, RecipeMismatch, UnknownName
from lmdata.plugins import package_of

PAGE = "see 'Extending lmdata' in the documentation"


def check_returns(part: Any, read: Callable[[Any], Any], *, what: str, otherwise: str) -> None:
    """Refuse a model or source that its own specification would not give back, here and in another process.

    What lmdata itself has comes back; this is about the classes of others.

    Parameters
    ----------
    part
        Has a ``kind`` and a ``specification()``, as have the parts that it may hold.
    read
        Makes it from its specification.
    what, otherwise
        What it is, and what else can be done, in words.

    Raises
    ------
    InvalidInput
        Naming the class, what is wrong and the remedy.
    """
    others = [each for each in _parts(part) if not _is_own(type(each))]
    for each in others:
        if not _importable(type(each)):
            raise InvalidInput(
                f"{what} is made by {full_name(type(each))}, which no other process can import, so that a store of it "
                f"could not be resumed: put the class into a module or package of its own ({PAGE}), or {otherwise}"
            )
        _check_not_offered(each, what, otherwise)
    if not others:
        return
    name = full_name(type(part))
    try:
        again = read(json.loads(canonical_json(part.specification())))
    except UnknownName as error:
        raise InvalidInput(
            f"{what} is made by {name}, and its specification does not give it back: {error}. Decorate the class with "
            f"`register` ({PAGE}), or {otherwise}"
        ) from error
    except (LmdataError, TypeError, ValueError) as error:
        raise InvalidInput(
            f"{what} is made by {name}, and its specification does not give it back: {error}. Let specification() and "
            f"from_specification() be inverse ({PAGE}), or {otherwise}"
        ) from error
    if difference := _difference(part, again):
        raise InvalidInput(
            f"{what} is made by {name}, and its specification gives another back: {difference}. Let specification() "
            f"hold every parameter ({PAGE}), or {otherwise}"
        )


def foreign(*parts: Any) -> dict[str, dict[str, str]]:
    """Return the class, package and version of every kind among the parts that is not lmdata's own.

    Examples
    --------
    >>> import lmdata
    >>> foreign(lmdata.Localmax(), lmdata.tokens.uniform(4, 2))
    {}
    """
    found = {}
    for each in (each for part in parts for each in _parts(part)):
        cls = type(each)
        if not _is_own(cls):
            package, version = package_of(cls.__module__) or ("", "")
            found[each.kind] = {"class": full_name(cls), "package": package, "version": version}
    return found


def held(part: Any) -> Iterator[Any]:
    """Yield the models and sources that something holds."""
    for value in getattr(part, "__dict__", {}).values():
        if isinstance(getattr(value, "kind", None), str) and hasattr(value, "specification"):
            yield value


def modules_of(*parts: Any) -> set[str]:
    """Return the modules of other packages that the parts come from, their base classes included.

    Examples
    --------
    >>> import lmdata
    >>> modules_of(lmdata.Localmax(), lmdata.tokens.uniform(4, 2))
    set()
    """
    classes = {cls for part in parts for each in _parts(part) for cls in type(each).__mro__ if not _is_own(cls)}
    return {cls.__module__ for cls in classes if cls.__module__.partition(".")[0] not in sys.stdlib_module_names}


def check_origin(attrs: Mapping[str, Any], recipe: Any) -> None:
    """Refuse to go on with a stored run by another package's class of the same kind.

    Raises
    ------
    RecipeMismatch
        Naming the kind, who made it and who would.
    """
    for kind, here in foreign(*held(recipe)).items():
        there = plugins.made_by(attrs, kind)
        if there is not None and (there["package"] or there["class"]) != (here["package"] or here["class"]):
            raise RecipeMismatch(
                f"{kind!r} of the store is {there['class']} of {there['package'] or 'no package'}, and here it is "
                f"{here['class']} of {here['package'] or 'no package'}: go on where it is what it was"
            )


def _check_not_offered(part: Any, what: str, otherwise: str) -> None:
    """Refuse a class whose kind would be another's in a fresh process, which asks the installed packages."""
    cls, kind = type(part), str(part.kind)
    groups: dict[plugins.Group, type] = {"models": Model, "tokens": TokenSource}
    offered = [plugins.load(group, kind) for group, protocol in groups.items() if isinstance(part, protocol)]
    for other in offered:
        if not isinstance(other, type) or full_name(other) == full_name(cls):
            continue
        raise InvalidInput(
            f"{what} is made by {full_name(cls)}, and another process would take {full_name(other)} for its kind "
            f"{kind!r}: give the class another `kind`, or {otherwise}"
        )


def _parts(part: Any) -> Iterator[Any]:
    """Yield a model or source, and those that it holds."""
    yield part
    for value in held(part):
        yield from _parts(value)


def _is_own(cls: type) -> bool:
    return cls.__module__.startswith("lmdata.")


def _importable(cls: type) -> bool:
    """Whether another process finds a class under its name: not one of a notebook, a script or a function."""
    module = sys.modules.get(cls.__module__)
    return (
        cls.__module__ not in ("__main__", "__mp_main__")
        and getattr(module, "__spec__", None) is not None
        and hasattr(module, cls.__qualname__.partition(".")[0])
    )


def _difference(one: Any, other: Any) -> str:
    """Say what is different between two that should be the same, or nothing."""
    if full_name(type(one)) != full_name(type(other)):
        return f"one of {full_name(type(other))}"
    if canonical_json(one.specification()) != canonical_json(other.specification()):
        return f"one with the specification {other.specification()!r:.200}"
    for field in dataclasses.fields(one) if dataclasses.is_dataclass(one) else ():
        mine, its = getattr(one, field.name), getattr(other, field.name)
        if not (mine is its or np.array_equal(np.asarray(mine, object), np.asarray(its, object))):
            return f"{field.name} is {its!r:.80} instead of {mine!r:.80}"
    return ""
