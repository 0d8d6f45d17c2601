"""Curves and dots of what was measured: every number where it belongs, on the screen and on paper."""

from __future__ import annotations

import numpy as np
import pytest

from lmdata import view
from lmdata.errors import InvalidInput


@pytest.mark.parametrize("dots", [False, True])
@pytest.mark.parametrize("logx", [False, True])
def test_numbers_are_drawn_as_they_are_and_what_cannot_be_is_left_out(dots, logx, tmp_path):
    lines = {"one": ([0.0, 1.0, 10.0, np.nan], [3.0, 2.0, 1.0, 0.0]), "two": ([2.0, 5.0], [0.5, 0.25])}
    figure = view.curves(lines, title="T", x="x", y="y", logx=logx, dots=dots)
    first, second = figure
    assert first.dimension_values("x").tolist() == ([1.0, 10.0] if logx else [0.0, 1.0, 10.0])
    assert first.dimension_values("y").tolist() == ([2.0, 1.0] if logx else [3.0, 2.0, 1.0])
    assert second.dimension_values("y").tolist() == [0.5, 0.25]
    assert [element.label for element in figure] == ["one", "two"]
    assert view.save(figure, tmp_path / "curves.png").stat().st_size > 1000
    page = view.write_page(tmp_path / "page.html", "Curves", [view.Section("All", figure)])
    assert page.stat().st_size > 1000


def test_refusals():
    with pytest.raises(InvalidInput, match="0 lines"):
        view.curves({}, title="T", x="x", y="y")
    with pytest.raises(InvalidInput, match=r"line 'a' has the shapes \(2,\) and \(1,\)"):
        view.curves({"a": ([1.0, 2.0], [1.0])}, title="T", x="x", y="y")
    with pytest.raises(InvalidInput, match="no number"):
        view.curves({"a": ([0.0], [1.0])}, title="T", x="x", y="y", logx=True)
