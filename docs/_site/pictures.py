"""Draw the pictures of the gallery: run pages that have figures, and save these into docs/images.

``python docs/_site/pictures.py [PAGE ...]``, all pages that have some by default.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from lmdata import view

DOCS = Path(__file__).resolve().parents[1]


def draw(pages: list[str], folder: Path) -> list[Path]:
    """Run pages of the gallery, and save the figures that they end with: ``figures`` (name -> figure)."""
    drawn = []
    for page in pages:
        figures = runpy.run_path(str(DOCS / "gallery" / f"{page}.py")).get("figures", {})
        drawn += [view.save(figure, folder / f"{name}.png") for name, figure in figures.items()]
    return drawn


if __name__ == "__main__":
    having = [page.stem for page in sorted((DOCS / "gallery").glob("*.py")) if "figures = {" in page.read_text()]
    for path in draw(sys.argv[1:] or having, DOCS / "images"):
        sys.stdout.write(f"{path}\n")
