"""Packages made for a test: a module and the metadata by which lmdata finds what it offers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest

from lmdata import plugins
from lmdata.data.catalog.sources import plugin_files
from lmdata.data.registry import VARIABLES
from lmdata.dynamics.model import MODELS
from lmdata.dynamics.tokens.source import SOURCES

MODEL = """
from dataclasses import dataclass
from typing import ClassVar
from lmdata.dynamics.model import register
from lmdata.dynamics.models.base import AttentionMap
from lmdata.dynamics.models.parameters import number

@register
@dataclass(frozen=True, kw_only=True)
class Halving(AttentionMap):
    kind: ClassVar[str] = "halving"
    sweepable: ClassVar[tuple[str, ...]] = ("influence",)

    def pull(self, state, step, own):
        return -state
"""

REMARK = """
import numpy as np
from lmdata.data.registry import VARIABLES, Variable
from lmdata.dynamics.model import Frames

VARIABLES.declare(f"{__name__}:Remarking", Variable(
    "largest_norm", ("*", "seed", "time"), "float64", "largest norm", "1", "diagnostic", float("nan")
))

@register
class Remarking(Halving):
    kind: ClassVar[str] = "remarking"

    @classmethod
    def advance(cls, models, state, **settings):
        frames = super().advance(models, state, **settings)
        return Frames(frames.position, {"largest_norm": np.abs(frames.position).max(axis=(2, 3))})
"""
"""After `MODEL`: one that says something of its own about every frame."""

TOKENS = """
from dataclasses import dataclass
from typing import ClassVar
import numpy as np
from lmdata.dynamics.tokens import register

@register
@dataclass(frozen=True)
class Line:
    kind: ClassVar[str] = "line"
    depends_on_seed: ClassVar[bool] = False
    rebuildable: ClassVar[bool] = True
    labels: ClassVar[None] = None

    n: int

    @property
    def shape(self):
        return self.n, 1

    def specification(self):
        return {"kind": self.kind, "n": self.n}

    def draw(self, seed):
        return np.linspace(-1, 1, self.n)[:, None]
"""

MEASURE = """
import numpy as np
from lmdata.analysis.measuring import measure, measured, positions
from lmdata.data.registry import Variable

@measure(Variable("diameter", ("*", "seed", "time"), "float64", "largest coordinate"))
def diameter(ds):
    return measured(ds, lambda position: np.abs(position).max(axis=(-2, -1)), positions(ds, "diameter"),
                    names=("diameter",), core=(("token", "component"),), source="a test")["diameter"]
"""

type Install = Callable[..., None]


@pytest.fixture
def install(tmp_path, monkeypatch) -> Iterator[Install]:
    """Install packages for as long as the test takes: of a name, a module's text or files, and entry points."""

    kinds = [(registry, dict(registry._classes)) for registry in (MODELS, SOURCES)]
    declared = dict(VARIABLES._declared)
    modules = set(sys.modules)
    forget()

    def made(package: str, text: str | dict[str, str], version: str = "1.0", **groups: dict[str, str]) -> None:
        folder = tmp_path / package
        module = package.replace("-", "_")
        metadata = folder / f"{module}-{version}.dist-info"
        metadata.mkdir(parents=True)
        for name, content in ({f"{module}.py": text} if isinstance(text, str) else text).items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(content)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        lines = [
            f"[lmdata.{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
            for group, points in groups.items()
        ]
        (metadata / "entry_points.txt").write_text("\n".join(lines))
        monkeypatch.syspath_prepend(str(folder))
        forget()

    yield made
    for registry, before in kinds:
        registry._classes.clear()
        registry._classes.update(before)
    VARIABLES._declared.clear()
    VARIABLES._declared.update(declared)
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
    forget()


def forget() -> None:
    """Let lmdata look for plugins anew."""
    for cached in (plugins.offers, plugins._load, plugins.package_of, plugin_files):
        cached.cache_clear()
