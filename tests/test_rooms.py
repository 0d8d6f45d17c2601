"""Imports go down the rooms, and never round: deferred imports and those for types alone count as well."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import lmdata

PACKAGE = Path(lmdata.__file__).parent
ROOMS = (
    *(
        "terminal",
        "wording",
        "markup",
        "errors",
        "memory",
        "plugins",
        "numerics",
        "dynamics",
        "data",
        "runs",
        "outside",
    ),
    *("analysis", "selection", "classification", "sensitivity", "models", "listing", "library", "upkeep", "accessor"),
    *("xarray_engine", "serving", "view"),
    *("lmdata", "pipeline", "demo", "doctor", "cli", "__main__"),
)
"""From the ground up, as in CONTRIBUTING.md; ``lmdata`` is the package's own file, which names what is public."""


def room(module: str) -> str:
    return "lmdata" if module == "lmdata" else module.split(".")[1]


def imports(file: Path, package: Path) -> tuple[str, set[str]]:
    """Return the module that a file is, and every module of the package that it imports, wherever it does."""
    parts = file.relative_to(package.parent).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports are not followed here; name the module in full"
            for alias in node.names:
                path = package.parent.joinpath(*f"{node.module}.{alias.name}".split("."))
                found.add(f"{node.module}.{alias.name}" if is_module(path) else str(node.module))
    return name, {module for module in found if module.split(".")[0] == package.name} - {name}


def is_module(path: Path) -> bool:
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def faults(package: Path) -> list[str]:
    """Return what is wrong with the imports of a package, in words."""
    graph = dict(imports(file, package) for file in sorted(package.rglob("*.py")))
    found = []
    for name, modules in graph.items():
        for module in sorted(modules):
            if ROOMS.index(room(module)) > ROOMS.index(room(name)):
                found.append(f"{name} imports {module}, which is in a room above it")
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found.append(f"a circle: {' <- '.join(error.args[1])}")
    return found


def test_imports_go_down_the_rooms_and_never_round():
    assert faults(PACKAGE) == []


@pytest.mark.parametrize(
    ("planted", "expected"),
    [
        ({"data/low.py": "def f():\n    from lmdata.view.high import x"}, "lmdata.data.low imports lmdata.view.high"),
        ({"data/low.py": "if TYPE_CHECKING:\n    from lmdata import view"}, "lmdata.data.low imports lmdata.view"),
        ({"view/high.py": "from lmdata.view import other", "view/other.py": "import lmdata.view.high"}, "a circle"),
        ({"runs/a.py": "def f():\n    from lmdata import __version__"}, "lmdata.runs.a imports lmdata"),
    ],
)
def test_a_planted_upward_import_or_circle_is_found(tmp_path, planted, expected):
    package = tmp_path / "lmdata"
    for name in ("__init__.py", "data/__init__.py", "view/__init__.py", "view/high.py", "runs/__init__.py"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text("")
    assert faults(package) == []
    for name, text in planted.items():
        (package / name).write_text(text)
    assert any(fault.startswith(expected) for fault in faults(package))


def test_the_same_order_is_written_down():
    said = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert " < ".join(f"`{name}`" for name in ROOMS) in " ".join(said.split())
