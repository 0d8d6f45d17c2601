"""What is told to people: one of a thing is singular, wherever things are counted."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from lmdata.wording import counted

ROOT = Path(__file__).resolve().parents[1]
NOUNS = ("clusters", "members", "tokens", "components", "frames", "seeds", "words", "starts", "datasets")
ALWAYS_SEVERAL = re.compile(
    r"[A-Z_]+|max\(TREE_FROM\)|array\.nbytes|self\.size|recipe\.size|numbers|n|intervals \* count|components"
    r"|len\((values|seeds)\)|ds\.sizes\['(token|seed)'\]"
)
"""Named limits, and numbers of which a message tells only because they are too large."""
BARE = re.compile(rf"(?:\{{\{{[^}}]*\}}\}}|\$\{{[^}}]*\}}) (?:{'|'.join(NOUNS)})\b")
"""Values in templates and scripts that are followed by a plural."""
NO_NUMBER = {"place", "what", "self._place"}


def test_one_is_singular_and_none_is_plural():
    assert [counted(k, "cluster") for k in (0, 1, 2)] == ["0 clusters", "1 cluster", "2 clusters"]
    assert counted(1, "vertex", plural="vertices") == "1 vertex"
    assert counted(2, "vertex", plural="vertices") == "2 vertices"
    assert counted(1_000, "member", form=",") == "1,000 members"


def bare(source: str) -> list[str]:
    """Return the numbers in formatted strings that are followed by a plural, whatever their value."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            for value, behind in zip(node.values, node.values[1:], strict=False):
                if isinstance(value, ast.FormattedValue) and isinstance(behind, ast.Constant):
                    told = ast.unparse(value.value)
                    noun = re.match(r" (\w+)\b", behind.value)
                    limit = ALWAYS_SEVERAL.fullmatch(told) or told in NO_NUMBER
                    if noun and noun[1] in NOUNS and not limit and not told.startswith("counted("):
                        found.append(f"{{{told}}} {noun[1]}")
    return found


@pytest.mark.parametrize("folder", ["lmdata", "pipelines"])
def test_no_message_says_one_clusters(folder):
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    found = {str(file.relative_to(ROOT)): bare(file.read_text(encoding="utf-8")) for file in files}
    assert {name: told for name, told in found.items() if told} == {}, "count with lmdata.wording.counted"


def test_no_page_says_one_clusters():
    files = [*(ROOT / "lmdata").rglob("*.html"), *(ROOT / "lmdata").rglob("*.js")]
    assert files
    found = {file.name: BARE.findall(file.read_text(encoding="utf-8")) for file in files}
    assert {name: told for name, told in found.items() if told} == {}, "count with the filter or function `count...`"


def test_a_bare_plural_is_found():
    assert BARE.findall("check all {{ members | length }} members of `${these} clusters`") == [
        "{{ members | length }} members",
        "${these} clusters",
    ]
    assert bare('f"{len(members)} clusters, {alone} words alone"') == ["{len(members)} clusters", "{alone} words"]
