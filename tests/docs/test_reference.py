"""The reference lists every public name, and every public function says what its parameters are."""

from __future__ import annotations

import importlib.util
import inspect
import re
from pathlib import Path

import pytest

import lmdata

HOOKS = Path(__file__).resolve().parents[2] / "docs" / "_site" / "hooks.py"


@pytest.fixture(scope="module")
def hooks():
    specification = importlib.util.spec_from_file_location("hooks", HOOKS)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def public():
    """Yield every public function and class, with its name."""
    for name in lmdata.__all__:
        value = getattr(lmdata, name)
        if inspect.ismodule(value):
            inner = {n: getattr(value, n) for n in getattr(value, "__all__", ())}
            yield from ((f"{name}.{n}", v) for n, v in inner.items() if inspect.isfunction(v) or inspect.isclass(v))
        elif inspect.isfunction(value) or inspect.isclass(value):
            yield name, value


PUBLIC = dict(public())


def test_no_public_name_is_missing(hooks):
    listed = {name for _, _, names in hooks.pages().values() for name in names}
    assert {hooks.full_name(value) for value in PUBLIC.values()} <= listed
    assert hooks.full_name(type(lmdata.catalog)) in listed


def test_every_page_of_the_reference_can_be_reached(hooks):
    told = (HOOKS.parents[2] / "mkdocs.yml").read_text(encoding="utf-8")
    assert all(f"{path}\n" in told for path, _ in hooks.reference())


def test_every_declared_variable_is_in_the_table(hooks):
    from lmdata.data import registry

    table = hooks.variables()
    assert all(f"| `{name}` |" in table for name in registry.VARIABLES)


def test_formulas_and_references_become_markdown(hooks):
    text = "See :func:`a.b` and :math:`x_i`:\n\n    .. math:: a = b,\n        \\quad c\n\nEnd."
    assert hooks.as_markdown(text) == "See `a.b` and \\(x_i\\):\n\n    \\[a = b, \\quad c\\]\n\nEnd."
    assert "<math" in hooks.on_page_content('<span class="arithmatex">\\(x_i\\)</span>')


FUNCTIONS = {name: value for name, value in PUBLIC.items() if inspect.isfunction(value)}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_parameter_is_described_and_there_is_an_example(name):
    text = inspect.getdoc(FUNCTIONS[name])
    section = text.partition("Parameters\n----------\n")[2]
    heads = re.findall(r"^\*{0,2}(\w[\w, *]*?)(?: :.*)?$", section, re.MULTILINE)
    described = {word for head in heads for word in re.findall(r"\w+", head)}
    missing = set(inspect.signature(FUNCTIONS[name]).parameters) - described
    assert not missing, f"{name} does not describe {missing}"
    assert "Returns\n-------" in text or FUNCTIONS[name].__annotations__["return"] == "None", (
        f"{name}: what comes back?"
    )
    assert ">>>" in text, f"{name} has no example"
