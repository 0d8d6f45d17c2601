"""Kinds: classes by the name under which a specification asks for them, one's own and those of other packages."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from lmdata import plugins
from lmdata.errors import InvalidInput, UnknownName, UnknownParameter

SYMBOLS = {
    ("delta", "δ"): ("alignment_sensitivity",),
    ("alpha", "α"): ("influence", "rate"),
    ("beta", "β", "temperature"): ("inverse_temperature",),
    ("kappa", "κ"): ("strength",),
    ("sigma", "σ"): ("scale", "bandwidth"),
    ("epsilon", "eps", "ε"): ("radius",),
    ("dt", "h", "step"): ("step_size",),
    ("A", "D"): ("alignment",),
    ("Q",): ("queries",),
    ("K",): ("keys",),
    ("V",): ("values",),
}
"""What papers write, and the parameters that it may be here."""


class Kinds[T](Mapping[str, type[T]]):
    """The classes of one sort, by their ``kind``.

    Parameters
    ----------
    what
        What they are, in words.
    group
        Of the plugins that may add to them; none may by default.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> kinds = Kinds("shape")
    >>> @kinds.register
    ... @dataclass
    ... class Square:
    ...     kind = "square"
    ...     side: float
    >>> kinds.read({"kind": "square", "side": 2.0})
    Square(side=2.0)
    """

    def __init__(self, what: str, group: plugins.Group | None = None) -> None:
        self.what = what
        self._group = group
        self._classes: dict[str, type[T]] = {}

    def register[C: type](self, cls: C) -> C:
        """Enter a class by its ``kind``; use as a decorator.

        Raises
        ------
        InvalidInput
            If another class has that kind; the message names both.
        """
        kind = getattr(cls, "kind", None)
        if not isinstance(kind, str):
            raise InvalidInput(f"{full_name(cls)} has the kind {kind!r}; give the class a `kind`, a name of its own")
        known = self._classes.get(kind)
        if known is not None and full_name(known) != full_name(cls):  # a module may be loaded anew
            raise InvalidInput(
                f"{self.what} kind {kind!r} of {full_name(cls)} is taken by {full_name(known)}; choose another `kind`"
            )
        self._classes[kind] = cls
        if known is not cls:
            _explain_parameters(cls)
        return cls

    def __getitem__(self, kind: str) -> type[T]:
        if kind not in self._classes and self._group is not None:
            cls = plugins.load(self._group, kind)
            if isinstance(cls, type) and getattr(cls, "kind", None) == kind:
                self.register(cls)  # it may have forgotten to
            elif cls is not None:
                plugins.reject(self._group, kind, f"its kind is {getattr(cls, 'kind', None)!r}")
        if kind not in self._classes:
            raise UnknownName.among(self.what, kind, self)
        return self._classes[kind]

    def __contains__(self, kind: object) -> bool:
        try:
            return bool(self[str(kind)])
        except UnknownName:
            return False

    def __iter__(self) -> Iterator[str]:
        offered = plugins.offers(self._group) if self._group is not None else {}
        return iter(sorted({*self._classes, *offered}))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def read(self, specification: Any) -> T:
        """Return what a specification ``{"kind": ..., parameters}`` describes.

        A class reads it by its own ``from_specification``, or as a dataclass: a parameter for each field.

        Raises
        ------
        InvalidInput
            If it is not a mapping with a ``kind``, or a parameter is missing or not allowed.
        UnknownName
            If there is no such kind or parameter.
        """
        if not isinstance(specification, Mapping) or "kind" not in specification:
            example = next(iter(self._classes), "...")
            raise InvalidInput(
                f"{self.what} specification {specification!r:.200} has no 'kind'; "
                f"give a mapping such as {{'kind': {example!r}}}"
            )
        cls: Any = self[str(specification["kind"])]
        if hasattr(cls, "from_specification"):
            made: T = cls.from_specification(specification)
            return made
        fields = dataclasses.fields(cls)
        what = f"{self.what} {cls.kind!r}"
        parameters = read_parameters(specification, what, [field.name for field in fields])
        needed = [
            field.name
            for field in fields
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        ]
        for name in needed:
            if name not in parameters:
                raise InvalidInput(f"{what} lacks {name!r}; it needs {', '.join(needed)}")
        read: T = cls(**parameters)
        return read


def _explain_parameters(cls: type) -> None:
    """Let a class answer a parameter that it does not have with the name that was perhaps meant."""
    made: Callable[..., None] = cls.__init__  # type: ignore[misc]

    @functools.wraps(made)
    def make(self: Any, *args: Any, **parameters: Any) -> None:
        try:
            made(self, *args, **parameters)
        except UnknownParameter:
            raise
        except TypeError:
            known = inspect.signature(made).parameters
            unknown = [name for name in parameters if name not in known]
            if not unknown or any(one.kind is one.VAR_KEYWORD for one in known.values()):
                raise
            raise unknown_parameter(f"parameter of {cls.__name__}", unknown[0], list(known)[1:]) from None

    setattr(cls, "__init__", make)  # noqa: B010 - a method is not to be assigned to, says mypy


def unknown_parameter(what: str, name: object, known: Iterable[str]) -> UnknownParameter:
    """Return the error for a parameter's name: the letter that papers have for one suggests it.

    Examples
    --------
    >>> print(unknown_parameter("parameter of localmax", "delta", ("alignment_sensitivity", "influence")))
    there is no parameter of localmax named 'delta'; did you mean 'alignment_sensitivity'?
    """
    return UnknownParameter.among(what, name, known, meant=meant_by(name))


def meant_by(name: object) -> tuple[str, ...]:
    """Return the parameters for which papers have this letter.

    Examples
    --------
    >>> meant_by("beta"), meant_by("gamma")
    (('inverse_temperature',), ())
    """
    return next((names for letters, names in SYMBOLS.items() if name in letters), ())


def full_name(cls: type) -> str:
    """Return where a class is, ``module:name``."""
    return f"{cls.__module__}:{cls.__qualname__}"


def read_parameters(specification: Mapping[str, Any], kind: str, known: Sequence[str]) -> dict[str, Any]:
    """Return the parameters of a specification of this kind, refusing names that it does not have."""
    parameters = {name: value for name, value in specification.items() if name != "kind"}
    for name in parameters:
        if name not in known:
            raise unknown_parameter(f"parameter of {kind}", str(name), known)
    return parameters
