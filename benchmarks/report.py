"""The results as JSON and Markdown, and one line a run in a file that follows the commits."""

from __future__ import annotations

import json
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from lmdata.numerics.threads import cores

RESULTS = Path(__file__).resolve().parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "speed.md"
"""The page that shows the latest table, between two comments."""


def describe_machine() -> dict[str, Any]:
    """Return what the figures depend on: processor, cores, versions, commit."""
    cpu = Path("/proc/cpuinfo")
    names = {line.partition(":")[2].strip() for line in cpu.read_text().splitlines() if line.startswith("model name")}
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "processor": ", ".join(sorted(names)) or platform.processor(),
        "cores": cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in ("lmdata", "numpy", "numba", "scipy")},
    }


def markdown(machine: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """Return the table: medians, and how many times lmdata's each other contender takes."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [
        f"Medians of interleaved repeats on {machine['processor']}, {machine['cores']} cores; Python "
        f"{machine['python']}, {versions}; commit {machine['commit']}, {machine['date'][:10]}.",
        "",
        "| work | backend | median, and as a multiple of lmdata's |",
        "| --- | --- | --- |",
    ]
    for row in rows:
        ours = row["times"].get("lmdata", {}).get("median")
        cells = []
        for name, taken in row["times"].items():
            ratio = f" ({taken['median'] / ours:.3g} x)" if ours and name != "lmdata" else ""
            cells.append(f"{name} {taken['median']:.3g} {row['unit']}{ratio}")
        cells.extend(f"{name} {row[name]:.4g}" for name in ("exponent", "peak_MB") if name in row)
        lines.append(f"| {row['work']} | {row['backend']} | {'<br>'.join(cells)} |")
    return "\n".join(lines) + "\n"


def store(machine: dict[str, Any], rows: list[dict[str, Any]], folder: Path = RESULTS) -> list[Path]:
    """Write ``latest.json`` and ``latest.md`` and append lmdata's medians to ``history.jsonl``; return the paths.

    The table also goes into the documentation where the folder is the project's own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table, text, history = folder / "latest.json", folder / "latest.md", folder / "history.jsonl"
    table.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")
    text.write_text(markdown(machine, rows))
    medians = {row["work"]: row["times"]["lmdata"]["median"] for row in rows if "lmdata" in row["times"]}
    line = {key: machine[key] for key in ("date", "commit", "processor", "cores")} | {"medians": medians}
    with history.open("a") as file:
        file.write(json.dumps(line) + "\n")
    if folder.resolve() == RESULTS:
        before, begin, rest = PAGE.read_text().partition("<!-- table -->\n")
        PAGE.write_text(before + begin + text.read_text() + "<!-- end -->\n" + rest.partition("<!-- end -->\n")[2])
    return [table, text, history]


def past(folder: Path = RESULTS, runs: int = 6) -> str:
    """Return a table of the last runs: lmdata's medians, a column a commit, in the unit of the latest table."""
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()][-runs:]
    works = list(dict.fromkeys(work for line in lines for work in line["medians"]))
    header = ["work", *(f"{line['commit']} {line['date'][:10]}" for line in lines)]
    rows = [[work, *(f"{line['medians'].get(work, float('nan')):.3g}" for line in lines)] for work in works]
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *rows])
