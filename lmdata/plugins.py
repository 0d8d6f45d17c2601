"""Plugins: models, token sources, measures, pipelines and catalogues of other packages, found by their entry points.

A package says what it adds in its ``pyproject.toml``::

    [project.entry-points."lmdata.models"]
    sparsemax = "lmdata_example:Sparsemax"

Nothing is looked for until a name is unknown, or all names are listed; then once a process. A plugin that cannot be
loaded is a warning that names its package.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

from lmdata.errors import InvalidInput, PluginWarning, UnknownName

Group = Literal["models", "tokens", "measures", "pipelines", "catalogs"]
"""What can be added; each is an entry point group ``lmdata.<group>``."""
GROUPS: tuple[Group, ...] = get_args(Group)


@dataclass(frozen=True)
class Plugin:
    """What a package adds under a name; ``value`` says where it is, ``module:attribute``."""

    group: str
    name: str
    value: str
    package: str
    version: str

    @property
    def module(self) -> str:
        """The module that has it."""
        return self.value.partition(":")[0]

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


@functools.cache
def offers(group: Group) -> Mapping[str, tuple[Plugin, ...]]:
    """Return what the installed packages offer, by name; nothing of it is imported.

    Examples
    --------
    >>> "localmax" in offers("models")  # lmdata's own are no plugins
    False
    """
    found: dict[str, tuple[Plugin, ...]] = {}
    for point in sorted(importlib.metadata.entry_points(group=f"lmdata.{group}"), key=lambda point: point.name):
        package, version = (point.dist.name, point.dist.version) if point.dist else ("an unnamed package", "")
        found[point.name] = (*found.get(point.name, ()), Plugin(group, point.name, point.value, package, version))
    return found


def load(group: Group, name: str) -> Any:
    """Return what a package adds under a name, or None if there is none, or none that can be loaded.

    Raises
    ------
    InvalidInput
        If several packages offer the name.

    Warns
    -----
    PluginWarning
        If it cannot be loaded; once a process.
    """
    plugins = offers(group).get(name, ())
    if len(plugins) > 1:
        raise InvalidInput(_twice(plugins))
    return _load(plugins[0]) if plugins else None


def load_all(group: Group, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return one's own with all that packages add, by name.

    Warns
    -----
    PluginWarning
        For what cannot be loaded, what several packages offer, and what has the name of one's own: it is left out.
    """
    found = dict(own)
    for name, plugins in offers(group).items():
        if len(plugins) > 1:
            _warn(_twice(plugins))
        elif name in own:
            _warn(f"{plugins[0]} offers lmdata.{group} {name!r}, which lmdata has itself; it is left out")
        elif (value := _load(plugins[0])) is not None:
            found[name] = value
    return found


@functools.cache
def _load(plugin: Plugin) -> Any:
    point = importlib.metadata.EntryPoint(plugin.name, plugin.value, f"lmdata.{plugin.group}")
    try:
        return point.load()
    except (Exception, SystemExit) as error:  # a fault of another's package ends nothing here
        _reject(plugin, str(error) or type(error).__name__)
        return None


def reject(group: Group, name: str, why: str) -> None:
    """Warn that what a package adds under a name is of no use."""
    _reject(offers(group)[name][0], why)


def _reject(plugin: Plugin, why: str) -> None:
    _warn(f"{plugin} offers lmdata.{plugin.group} {plugin.name!r}, which cannot be loaded: {why}")


def _twice(plugins: tuple[Plugin, ...]) -> str:
    packages = " and ".join(map(str, plugins))
    return f"lmdata.{plugins[0].group} {plugins[0].name!r} is offered by {packages}: uninstall all but one of them"


def _warn(message: str) -> None:
    warnings.warn(message, PluginWarning, stacklevel=4)


@functools.cache
def package_of(module: str) -> tuple[str, str] | None:
    """Return name and version of the installed package that a module is of, or None if it is of none.

    Examples
    --------
    >>> package_of("numpy.linalg")[0], package_of("__main__")
    ('numpy', None)
    """
    top = module.partition(".")[0]
    for plugin in (plugin for group in GROUPS for plugins in offers(group).values() for plugin in plugins):
        if plugin.module.partition(".")[0] == top:  # found also where a package is installed in place
            return plugin.package, plugin.version
    names = importlib.metadata.packages_distributions().get(top)
    return (names[0], importlib.metadata.version(names[0])) if names else None


def origin(module: str) -> str:
    """Return in words which package and version a module is of.

    Examples
    --------
    >>> origin("my_notes.models")
    'my_notes.models, of no installed package'
    """
    package = package_of(module)
    return " ".join(package) if package else f"{module}, of no installed package"


@contextmanager
def explaining(attrs: Mapping[Any, Any]) -> Iterator[None]:
    """Where a name is unknown that another package gave a dataset, say which package is to be installed.

    Parameters
    ----------
    attrs
        Attributes of the dataset; ``plugins`` holds, as JSON, the class, package and version of each such kind.
    """
    try:
        yield
    except UnknownName as error:
        what, name = error.asked or ("", "")
        made = made_by(attrs, name)
        if made is None:
            raise
        package, module = made["package"], made["class"].partition(":")[0]
        needed = f"pip install '{package}=={made['version']}'" if package else f"import {module}"
        of = f"the package {package} {made['version']}" if package else "no package"
        raise UnknownName(
            f"{what} {name!r} is {made['class']} of {of}, which is not here; {needed}, then try again"
        ) from error


def made_by(attrs: Mapping[Any, Any], name: str) -> dict[str, str] | None:
    """Return the class, package and version of a kind as a dataset names them, if it does so as lmdata writes them."""
    try:
        made = json.loads(str(attrs.get("plugins", "{}")))[name]
        return {part: str(made[part]) for part in ("class", "package", "version")}
    except (ValueError, LookupError, TypeError):
        return None
