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


def sized(count: int) -> str:
    """Return a number of bytes as people read it.

    Examples
    --------
    >>> sized(1), sized(1536), sized(3 * 2**30)
    ('1 byte', '1.50 KiB', '3.00 GiB')
    """
    for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if count >= unit:
            return f"{count / unit:,.2f} {name}"
    return counted(count, "byte")
