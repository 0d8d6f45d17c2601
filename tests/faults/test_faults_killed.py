"""Public acts, killed at operations that change the disk: all works again by itself, and nothing is lost or stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .failing import build
from .killing import ACTS, ENVIRONMENT

PARTS = {
    "runs": ("simulate", "simulate, durably", "resume", "extend", "train", "make an atlas"),
    "upkeep": ("publish", "migrate", "gc", "tidy up", "repair a chunk", "repair the repository", "repair a snapshot"),
    "catalogue": ("add a store", "add a recipe", "remove", "build", "save", "save again", "include", "exclude"),
    "copies": ("export for intake", "export for STAC", "export a folder", "export an archive", "import a folder"),
    "files": ("import an archive", "derive", "write a page", "save a picture"),
}


def killed(folder: Path, most: int, acts: tuple[str, ...]) -> list[dict[str, Any]]:
    library = build(folder)
    if library is None:
        pytest.skip("there is no C compiler to make operations fail with")
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.killing", folder, str(most), *acts],
        env={**os.environ, **ENVIRONMENT, "LD_PRELOAD": str(library)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert sum(len(act["wrong"]) for act in found) == 0, "\n\n".join(wrong for act in found for wrong in act["wrong"])
    return found


@pytest.mark.long
@pytest.mark.parametrize("part", PARTS)
def test_every_act_killed_at_five_instants(tmp_path, part):
    """All instants are many: `python -m tests.faults.killing` tries them."""
    found = killed(tmp_path, 5, PARTS[part])
    assert [act["act"] for act in found] == list(PARTS[part])
    assert all(act["killed"] >= min(5, act["operations"]) - 1 for act in found)  # threads of a store vary a little


@pytest.mark.long
def test_an_export_that_is_killed_between_its_two_places_is_made_again(tmp_path):
    """The data are in their place and the file is not: that is one instant of three hundred."""
    export = "import lmdata; lmdata.catalog.export({!r}, format='intake', names=['hardmax-triangle'])"
    killed = "import os; from lmdata.data.catalog import export; export.move = lambda *places: os._exit(9); "
    target = tmp_path / "out.yaml"
    for before, code in ((killed, 9), ("", 0)):
        done = subprocess.run(
            [sys.executable, "-c", before + export.format(str(target))],
            env={**os.environ, "LMDATA_CACHE": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stderr
        assert ((tmp_path / "out").is_dir(), target.is_file()) == (True, code == 0)


def test_every_act_is_in_a_part():
    assert sorted(act for acts in PARTS.values() for act in acts) == sorted(ACTS)
