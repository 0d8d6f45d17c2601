"""Text of others in HTML: the one place that escapes, and the tables of which representations consist.

Labels, titles and reasons may come from a file of somebody else. In HTML they are text: nothing in them is markup, and
what would steer a terminal (`lmdata.terminal`) stands as its code.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lmdata.terminal import printable

MOST_ITEMS = 8
"""Of a list that is written out."""
LONGEST = 300
"""Letters of a value; longer ones are cut."""
_STYLE = "text-align: left; vertical-align: top; padding: 2px 12px 2px 0"


def escaped(text: object) -> str:
    r"""Return a text as HTML, between tags or in an attribute: no character of it is markup or a control.

    Examples
    --------
    >>> print(escaped("<b title='x'>film\x1b[31m</b> & more"))
    &lt;b title=&#x27;x&#x27;&gt;film\x1b[31m&lt;/b&gt; &amp; more
    """
    return html.escape(printable(str(text)))


def table(rows: Iterable[Sequence[object]], head: Sequence[object] = (), *, title: object = "") -> str:
    """Return rows as an HTML table, escaped; the first cell of a row is its name.

    Examples
    --------
    >>> table([("seed", 3)], title="<run>").count("&lt;run&gt;"), table([("a", "<b>")]).count("<b>")
    (1, 0)
    """
    caption = f'<caption style="{_STYLE}; font-weight: bold">{escaped(title)}</caption>' if title else ""
    top = "".join(f'<th scope="col" style="{_STYLE}">{escaped(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row" style="{_STYLE}">{escaped(first)}</th>'
        + "".join(f'<td style="{_STYLE}">{escaped(cell)}</td>' for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return f"<table>{caption}{f'<thead><tr>{top}</tr></thead>' if head else ''}<tbody>{body}</tbody></table>"


class Specified:
    """What has a ``specification``: a notebook shows it as a table of its values."""

    def _repr_html_(self) -> str:
        return facts(self.specification(), title=type(self).__name__)  # type: ignore[attr-defined]


def facts(values: Mapping[str, Any], *, title: object = "") -> str:
    """Return names and their values as an HTML table of two columns; what is empty is left out.

    Examples
    --------
    >>> facts({"kind": "localmax", "alignment": None}).count("<tr>")
    1
    """
    return table(((name, told(value)) for name, value in values.items() if told(value)), title=title)


def told(value: Any) -> str:
    """Return a plain value in one line: what has a kind as a call, a long list by its ends and length.

    Examples
    --------
    >>> told({"kind": "uniform", "n": 8, "low": None}), told(list(range(20))), told([0.5, 1.0]), told(True)
    ('uniform(n=8)', '[0, 1, 2, ..., 19] (20)', '[0.5, 1.0]', 'True')
    """
    if isinstance(value, Mapping):
        inside = {name: told(item) for name, item in value.items() if name != "kind"}
        parts = ", ".join(f"{name}={item}" for name, item in inside.items() if item)
        return f"{value['kind']}({parts})" if "kind" in value else parts
    if isinstance(value, list | tuple):
        if len(value) > MOST_ITEMS:
            first = ", ".join(told(item) for item in value[:3])
            return f"[{first}, ..., {told(value[-1])}] ({len(value)})"
        return f"[{', '.join(told(item) for item in value)}]" if value else ""
    text = "" if value is None else str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
