"""The example package, installed beside lmdata in an environment of their own, does in fresh processes what it says."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import lmdata

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "lmdata-example"

pytestmark = pytest.mark.long

BEGIN = """
import os, signal, sys, time
import lmdata
from lmdata.data import layout
from lmdata.data.store import writer
from lmdata.runs import runner
from lmdata_example.lattice import Lattice
from lmdata_example.sparsemax import Sparsemax

layout.BLOCK_BYTES, runner.FIRST_SEGMENT, writer.COMMIT_INTERVAL = 2000, 3e5, 0.0  # a few members at a time

def killing(done, total):
    status = lmdata.open(sys.argv[1], allow_partial=True).status if os.path.exists(sys.argv[1]) else None
    if status is not None and int((status == 1).sum()):
        os.kill(os.getpid(), signal.SIGKILL)

settings = {"steps": 40, "seeds": range(3), "sweep": {"inverse_temperature": [0.5, 1.0, 2.0, 4.0]}, "record": 10}
where = {"store": sys.argv[1], "progress": killing} if len(sys.argv) > 1 else {}
print(lmdata.simulate(Sparsemax(influence=0.5), Lattice(4), **settings, **where).attrs["digest"])
"""
"""Simulates into a store, and is killed when something is kept; without a store, simulates in memory."""


class Environment:
    """A virtual environment that has what this one has, but for lmdata and the example, which are installed into it."""

    def __init__(self, folder: Path, *packages: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.python = folder / "bin" / "python"
        paths = sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)})
        Path(paths["purelib"], "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
        self.folder = folder
        self._run(
            sys.executable, "-m", "pip", "--python", self.python, "install", "--quiet", "--no-deps",
            "--no-build-isolation", "--no-index", *packages,
        )  # fmt: skip

    def _run(self, *command: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        variables = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "LMDATA_CACHE": str(self.folder / "cache")}
        done = subprocess.run(
            list(map(str, command)), cwd=self.folder, env=variables, capture_output=True, text=True, timeout=280
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def run(self, program: str, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program in a fresh process."""
        return self._run(self.python, "-c", program, *arguments, check=check)

    def lmdata(self, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the command in a fresh process."""
        return self._run(self.python, "-m", "lmdata", *arguments, check=check)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    return Environment(tmp_path_factory.mktemp("both"), _copy(ROOT, tmp_path_factory), _copy(EXAMPLE, tmp_path_factory))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return Environment(tmp_path_factory.mktemp("alone"), _copy(ROOT, tmp_path_factory))


def _copy(package: Path, factory: pytest.TempPathFactory) -> Path:
    """Return a copy of what a package is built of: nothing is written into the working tree."""
    place = factory.mktemp("source") / package.name
    without = shutil.ignore_patterns(".*", "__pycache__", "shared", "tests", "docs", "benchmarks", "dist", "build")
    return shutil.copytree(package, place, ignore=without)


@pytest.fixture(scope="module")
def killed(both):
    """The place of a run that was killed when some of it was kept."""
    place = both.folder / "run"
    assert both.run(BEGIN, place, check=False).returncode == -9
    return place


def test_the_environments_are_their_own(both, alone):
    where = "import lmdata; print(lmdata.__file__)"
    for environment in (both, alone):
        assert environment.run(where).stdout.startswith(str(environment.folder))
    assert "ModuleNotFoundError" in alone.run("import lmdata_example", check=False).stderr


def test_a_killed_run_is_resumed_in_another_process(both, killed, tmp_path):
    place = shutil.copytree(killed, tmp_path / "run")
    before = lmdata.open(place, allow_partial=True)
    assert 0 < int((before.status == 1).sum()) < before.status.size
    assert json.loads(before.attrs["plugins"]) == {
        "sparsemax": {"class": "lmdata_example.sparsemax:Sparsemax", "package": "lmdata-example", "version": "0.1.0"},
        "lattice": {"class": "lmdata_example.lattice:Lattice", "package": "lmdata-example", "version": "0.1.0"},
    }
    assert json.loads(both.lmdata("resume", place, "--json").stdout)["digest"] == both.run(BEGIN).stdout.strip()
    assert both.lmdata("verify", place).returncode == 0
    measured = both.run(f"import lmdata; print(lmdata.open({str(place)!r}).lm.diameter().attrs['package'])")
    assert measured.stdout.strip() == "lmdata-example 0.1.0"


def test_its_dataset_is_opened_by_name_verified_and_drawn(both):
    assert json.loads(both.lmdata("open", "sparsemax-lattice", "--json").stdout)["complete"] == 3
    assert both.lmdata("verify", "sparsemax-lattice").returncode == 0
    output = both.folder / "figures"
    both.lmdata("analyse", "sparsemax-lattice", "--pipeline", "diameter", "--output", output)
    assert {file.name for file in output.iterdir()} == {f"sparsemax-lattice-diameter.{end}" for end in ("html", "png")}
    kept = both.run(
        "import lmdata; ds = lmdata.open('sparsemax-lattice-diameter'); print(ds.attrs['made_by'], ds.sizes['time'])"
    )
    assert kept.stdout.strip() == "lmdata_example.diameter, of lmdata-example 0.1.0 31"


def test_everything_is_listed(both):
    listed = both.run(
        "import lmdata; from lmdata.dynamics.model import MODELS; from lmdata.dynamics.tokens.source import SOURCES;"
        "ds = lmdata.simulate(lmdata.Localmax(), [[1.0]], steps=0);"
        "print('sparsemax' in list(MODELS), 'lattice' in list(SOURCES), 'diameter' in dir(ds.lm),"
        "'sparsemax-lattice' in list(lmdata.catalog))"
    )
    assert listed.stdout.split() == ["True"] * 4


def test_without_the_package_a_run_is_opened_and_resuming_names_the_package(alone, killed, tmp_path):
    place = shutil.copytree(killed, tmp_path / "run")
    assert alone.lmdata("open", place, "--allow-partial").returncode == 0
    remedy = "of the package lmdata-example 0.1.0, which is not here; pip install 'lmdata-example==0.1.0'"
    for verb in ("resume", "repair"):
        refused = alone.lmdata(verb, place, check=False)
        assert refused.returncode != 0
        [line] = refused.stderr.splitlines()
        assert remedy in line
    near = alone.lmdata("open", "sparsemax-lattice", check=False)
    assert near.returncode != 0
    assert "no dataset, and no path, named 'sparsemax-lattice'" in near.stderr
