"""A catalogue file: small YAML that says what datasets there are, read without trusting it.

Form::

    lmdata_catalog: 1
    datasets:
      hardmax-square:
        title: Hardmax in the square
        description: What it shows, in a sentence or two.
        driver: recipe            # or icechunk, zarr with a path below the file's own folder
        recipe: {model: {kind: localmax, ...}, tokens: {...}, steps: 20, seeds: [0]}
        digest: 64 hexadecimal digits of the dataset
        paper: arXiv:2407.01602
        tags: [hardmax]
"""

from __future__ import annotations

import json
import os
import re
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, ClassVar, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from lmdata.data.catalog.mistakes import explain, explain_yaml, shown
from lmdata.data.digest import canonical_json
from lmdata.data.store.durable import write_whole
from lmdata.errors import CatalogError, InvalidInput
from lmdata.markup import facts

FILE_BYTES = 2**20
"""Size of the largest catalogue file that is read."""
DEPTH = 20
"""Deepest nesting that is read."""
TEXT_TAG = "tag:yaml.org,2002:str"
BREAKS = frozenset("\x85\u2028\u2029\ufeff")
"""Characters that YAML takes for the end of a line, or for the beginning of a file."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Tag = Annotated[str, StringConstraints(pattern=r"^v[1-9][0-9]{0,3}$")]
Version = Annotated[int, Field(ge=1, le=9999, strict=True)]
Before = Annotated[int, Field(ge=1, le=9999)]
"""A version as a key, which is text."""
Line = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$")]
Text = Annotated[str, StringConstraints(max_length=5000)]


class Driver(StrEnum):
    """How a dataset comes about: computed from its recipe, or opened from a run store or a plain zarr folder."""

    recipe = "recipe"
    icechunk = "icechunk"
    zarr = "zarr"


class Earlier(BaseModel):
    """What was different in an earlier version of a dataset; fields as in `Entry`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipe: dict[str, Any] | None = None
    path: Line | None = None
    tag: Tag | None = None
    digest: Digest


class Entry(BaseModel):
    """One dataset of a catalogue.

    Raises
    ------
    pydantic.ValidationError
        If a field is unknown or has a value that is not allowed; `read_catalog` makes it a `CatalogError`.

    Examples
    --------
    >>> Entry(title="Two tokens", driver="recipe", recipe={"steps": 3}).tags
    ()
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Line
    description: Text = ""
    driver: Driver
    recipe: dict[str, Any] | None = None
    path: Line | None = None
    tag: Tag | None = None
    digest: Digest | None = None
    version: Version = 1
    earlier: dict[Before, Earlier] = {}
    paper: Line | None = None
    citation: Text | None = None
    claim: Text | None = None
    measure: Line | None = None
    """The measures or variables that the claim is seen in, by their names."""
    result: Text | None = None
    tolerance: Text | None = None
    """How near the result has to be, and why."""
    tags: tuple[Line, ...] = ()
    derived_from: Line | None = None

    def _repr_html_(self) -> str:
        return facts(self.model_dump(mode="json", exclude_none=True, exclude={"title"}), title=self.title)

    @model_validator(mode="after")
    def _check_driver(self) -> Self:
        if self.driver is Driver.recipe:
            if self.recipe is None or self.path is not None:
                raise ValueError("driver recipe needs a recipe and no path")
            try:
                canonical_json(self.recipe)
            except (InvalidInput, RecursionError) as error:
                raise ValueError(f"recipe is not made of plain values: {error}") from error
        elif self.path is None or self.recipe is not None:
            raise ValueError(f"driver {self.driver} needs a path and no recipe")
        return self

    @model_validator(mode="after")
    def _check_path(self) -> Self:
        if self.path is not None:
            parts = PurePosixPath(self.path)
            outside = parts.is_absolute() or ".." in parts.parts or "://" in self.path or "\\" in self.path
            if outside or not parts.parts:
                raise ValueError(
                    f"path is {shown(self.path)}; it has to be relative and stay below the catalogue's folder"
                )
        return self

    @model_validator(mode="after")
    def _check_versions(self) -> Self:
        if self.tag is not None and self.driver is not Driver.icechunk:
            raise ValueError("only a run store (driver icechunk) has tags")
        for version in self.earlier:
            if version >= self.version:
                raise ValueError(f"earlier version {version} is not before version {self.version}")
            self.at(version)
        return self

    def at(self, version: int) -> Entry:
        """Return the entry as it was in this version.

        Raises
        ------
        KeyError
            If there is none.
        """
        if version == self.version:
            return self
        fields = self.model_dump(exclude={"recipe", "path", "tag", "digest", "version", "earlier"})
        return Entry(**fields, **self.earlier[version].model_dump(), version=version)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    lmdata_catalog: Literal[1]
    datasets: dict[Name, Entry]


def checked_entry(name: str, fields: dict[str, Any]) -> Entry:
    """Return an entry made of these fields, name and all checked as those of a file are.

    Raises
    ------
    pydantic.ValidationError
        If the name or a field is not valid.
    """
    return _File.model_validate({"lmdata_catalog": 1, "datasets": {name: fields}}).datasets[name]


def _whole(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    """Return a whole number as YAML 1.2 reads it: ``010`` is ten, ``0o10`` and ``0x10`` are eight and sixteen."""
    text = str(loader.construct_scalar(node))
    base = {"0x": 16, "0o": 8}.get(text[:2], 10)
    return int(_plain_number(text, node), base)


def _real(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    text = str(loader.construct_scalar(node)).lower()
    return float(_plain_number(text.replace(".inf", "inf").replace(".nan", "nan"), node))


def _plain_number(text: str, node: yaml.ScalarNode) -> str:
    """Refuse what is a number in YAML 1.1 alone: ``1_000``, ``1:30`` (ninety) and ``0b1``."""
    if set("_:") & set(text) or text.lstrip("+-")[:2] == "0b":
        raise yaml.constructor.ConstructorError(
            None,
            None,
            f"{text!r} is a number of YAML 1.1 alone: write it in digits, or in quotes",
            node.start_mark,
        )
    return text


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader without aliases (which can multiply), deep nesting and repeated keys; keys are text."""

    depth = 0
    yaml_constructors: ClassVar[dict[str | None, Any]] = {
        **yaml.SafeLoader.yaml_constructors,
        "tag:yaml.org,2002:int": _whole,
        "tag:yaml.org,2002:float": _real,
    }

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "an alias (*) is not allowed", None)
        self.depth += 1
        if self.depth > DEPTH:
            raise yaml.composer.ComposerError(None, None, f"nested more than {DEPTH} deep", None)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key that is no text", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} twice", key.start_mark)
            seen.add(key.value)
            key.tag = TEXT_TAG  # a dataset may be called 1e6, null or 2026-01-01
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"0o[0-7]+$|[-+]?[0-9]+$"), list("-+0123456789"))
_Loader.add_implicit_resolver(  # YAML 1.1 reads 1e-1 as a word
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]{1,3}$"), list("-+0123456789")
)


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper by the loader's rules: text that the loader would take for a number is quoted."""


_Dumper.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Quote text with characters that YAML takes for the end of a line: written plainly, they come back as spaces."""
    return dumper.represent_scalar(TEXT_TAG, text, style='"' if BREAKS & set(text) else None)


_Dumper.add_representer(str, _represent_text)


def load_yaml(file: Path, *, what: str = "catalogue") -> Any:
    """Return the value of a YAML file: plain values alone, no tags, no aliases, no key twice; keys are text.

    Raises
    ------
    CatalogError
        If the file cannot be read, is larger than 1 MiB, no YAML, or uses what is not allowed.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "values.yaml")
    >>> file.write_text("a: [1, 1e-1]")
    12
    >>> load_yaml(file)
    {'a': [1, 0.1]}
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(FILE_BYTES + 1)
    except OSError as error:
        raise CatalogError(f"{file} cannot be read as a {what}: {error}") from error
    return _parse(content, str(file), what)


def _check_size(size: int, file: str, what: str) -> None:
    if size > FILE_BYTES:
        raise CatalogError(
            f"{file} is larger than {FILE_BYTES} bytes; a {what} is small: give seeds as {{first: 0, count: 1000}}, "
            "or divide it"
        )


def _parse(content: bytes, file: str, what: str) -> Any:
    _check_size(len(content), file, what)
    try:
        return yaml.load(content.decode(), Loader=_Loader)  # noqa: S506 - derived from SafeLoader
    except UnicodeDecodeError as error:
        raise CatalogError(f"{file} cannot be read as a {what}: {error}") from error
    except (
        yaml.YAMLError,
        ValueError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:  # PyYAML's, of tagged nonsense
        raise CatalogError(f"{file} is no {what}: {explain_yaml(error)}") from error


def dump_yaml(value: Any) -> str:
    r"""Return plain values as YAML that `load_yaml`, and readers of YAML 1.1 and 1.2, give back as they are.

    Examples
    --------
    >>> dump_yaml({"name": "1e6", "value": 1e6})
    "name: '1e6'\nvalue: 1000000.0\n"
    """
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def read_catalog(file: Path) -> dict[str, Entry]:
    """Read and check a catalogue file.

    Raises
    ------
    CatalogError
        If the file cannot be read or is no catalogue; the message names the entry and the field.
    """
    return _checked(load_yaml(file), str(file))


def _checked(content: Any, file: str) -> dict[str, Entry]:
    try:
        return dict(_File.model_validate(content).datasets)
    except ValidationError as error:
        raise CatalogError(f"{file} is no valid catalogue: {explain(error)}") from error


def write_catalog(file: Path, entries: dict[str, Entry]) -> None:
    """Write a catalogue file, whole or not at all, once what was written has been read back and compared.

    It is flushed to disk before it takes the place of the one that was there. One process at a time may do so.

    Raises
    ------
    CatalogError
        If an entry could not be read again as it is; the file stays as it was.
    OSError
        If it cannot be written.
    """
    changed = f"{file} with this entry"
    try:
        wanted = _plain(entries)
        _check_size(len(wanted) * 5 // 6, changed, "catalogue")  # its YAML is longer, and takes long to make
        content = dump_yaml(json.loads(wanted)).encode()
    except CatalogError:
        raise
    except (ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise CatalogError(f"{changed} cannot be: {error!s:.200}") from error
    if _plain(_checked(_parse(content, changed, "catalogue"), changed)) != wanted:
        raise CatalogError(f"{changed} would not come back as it is: a text in it has characters that YAML changes")
    write_whole(file, content, alone=True, durable=True)


def _plain(entries: dict[str, Entry]) -> str:
    """Return a catalogue as JSON."""
    datasets = {name: entry.model_dump(mode="json", exclude_defaults=True) for name, entry in entries.items()}
    content = {"lmdata_catalog": 1, "datasets": datasets}
    return json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def resolve(file: Path, path: str) -> Path:
    """Return where an entry's path points: below the catalogue's folder, without a symbolic link on the way.

    Raises
    ------
    CatalogError
        If it leads out of the folder.
    """
    root = file.parent.resolve()
    place = root / path
    if place.resolve() != Path(os.path.normpath(place)):
        raise CatalogError(f"{file}: path {path!r} leads through a symbolic link, which is not followed")
    return place
