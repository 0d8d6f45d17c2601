"""Numbers in sentences for people."""

from __future__ import annotations


def counted(number: int, noun: str, *, plural: str | None = None, form: str = "") -> str:
    """Return a number with its noun, which is singular for one alone.

    Parameters
    ----------
    number : int
        How many there are.
    noun : str
        What one of them is called; words behind the noun need ``plural``.
    plural : str, optional
        What several are called; the noun with an s by default.
    form : str
        Format specification of the number, such as ``","``.

    Returns
    -------
    str
        The number, a blank, and the noun.

    Examples
    --------
    >>> counted(1, "cluster"), counted(0, "cluster"), counted(1, "vertex", plural="vertices")
    ('1 cluster', '0 clusters', '1 vertex')
    >>> counted(20_000, "member", form=",")
    '20,000 members'
    """
    return f"{number:{form}} {noun if number == 1 else plural or noun + 's'}"
