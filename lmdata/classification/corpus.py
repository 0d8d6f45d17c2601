"""Labelled texts, as files hold them: a folder of each label, or a table with a score and a text."""

from __future__ import annotations

import csv
import functools
import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lmdata.data.digest import canonical_json
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_number, as_path, as_text
from lmdata.numerics.random import raw_words
from lmdata.wording import counted

LABELS = {"neg": 0, "pos": 1}
"""Folders of reviews, and what they say."""
WORDS_FOR_LABELS = {"negative": 0.0, "positive": 1.0, "neg": 0.0, "pos": 1.0}
"""What a column of scores may hold in the place of numbers; above zero is positive."""
MOST_BYTES = 2**28
"""A file of texts is read up to so many bytes."""
_BREAK = re.compile(r"<br\s*/?>")
_SPLIT = (7, 0)
"""Of a seed's streams, the one that splits a corpus."""


@dataclass(frozen=True)
class Corpus:
    """Texts that are each negative (0) or positive (1).

    Parameters
    ----------
    texts : tuple of str
    labels : tuple of int
        0 or 1 for each text, both of them somewhere.

    Raises
    ------
    InvalidInput
        If there are not as many labels as texts, a label is neither, or all are one.

    Examples
    --------
    >>> corpus = Corpus(("a fine film", "a dull film", "fine"), (1, 0, 1))
    >>> len(corpus), corpus.sha256[:8]
    (3, '48affa56')
    """

    texts: tuple[str, ...]
    labels: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.texts) != len(self.labels):
            raise InvalidInput(f"there are {counted(len(self.texts), 'text')} and {counted(len(self.labels), 'label')}")
        for number, text in enumerate(self.texts):
            as_text(text, f"texts[{number}]")
        if strange := set(self.labels) - {0, 1}:
            raise InvalidInput(f"labels hold {min(strange, key=repr)!r}; each is 0 (negative) or 1 (positive)")
        if len(set(self.labels)) < 2:
            raise InvalidInput(
                f"the {counted(len(self.texts), 'text')} are not of both labels: give negative and positive ones"
            )

    def __len__(self) -> int:
        return len(self.texts)

    @functools.cached_property
    def sha256(self) -> str:
        """SHA-256 (hex) of labels and texts in their order: the same wherever the files are, and of whatever form."""
        return hashlib.sha256(canonical_json(list(zip(self.labels, self.texts, strict=True))).encode()).hexdigest()

    def held_out(self, seed: int, share: float = 0.2) -> NDArray[np.bool_]:
        """Return which texts are for testing alone, in the split of a seed: so many of a random order.

        The same on every machine. A text that occurs again later counts as itself: see `distinct`.

        Examples
        --------
        >>> Corpus(("a", "b", "c", "d"), (1, 0, 1, 0)).held_out(seed=0, share=0.5).sum()
        np.int64(2)
        """
        share = as_number(share, "share", minimum=0, above=True)
        count = round(share * len(self))
        if not 0 < count < len(self):
            raise InvalidInput(
                f"share is {share:g}, which holds {counted(count, 'text')} of {len(self)} out; "
                "some have to be for training and some for testing"
            )
        held = np.zeros(len(self), np.bool_)
        held[np.argsort(raw_words([seed], len(self), stream=_SPLIT)[0], kind="stable")[:count]] = True
        return held

    def part(self, numbers: Iterable[int]) -> Self:
        """Return the corpus of some of the texts.

        Examples
        --------
        >>> Corpus(("a", "b", "c"), (1, 0, 1)).part([0, 1]).texts
        ('a', 'b')
        """
        chosen = list(numbers)
        return type(self)(tuple(self.texts[i] for i in chosen), tuple(self.labels[i] for i in chosen))

    def distinct(self) -> Self:
        """Return the corpus without texts that have been there before, so that none is both learnt and tested.

        Examples
        --------
        >>> Corpus(("a", "b", "a"), (1, 0, 1)).distinct().texts
        ('a', 'b')
        """
        first: dict[str, int] = {}
        for number, text in enumerate(self.texts):
            first.setdefault(text, number)
        return self.part(first.values())


def reviews(
    path: str | os.PathLike[str],
    *,
    text: int | str | None = None,
    score: int | str | None = None,
    above: float = 0.0,
) -> Corpus:
    r"""Read labelled texts: folders ``pos`` and ``neg`` of text files, or a table of scores and texts.

    A folder is that of the IMDb reviews (Maas et al. 2011): one UTF-8 file ``*.txt`` a text, in the order of their
    names, negative ones first; ``<br />`` counts as a space. A table has one text a line: fields of a ``.csv`` are
    separated by commas and may be quoted, those of any other file by tabs.

    Parameters
    ----------
    path : str or path
        The folder that holds ``pos`` and ``neg``, or the table.
    text, score : int or str, optional
        Which columns, by number from 0 or by the names in the first line. By default the last one and the one before
        it, and the first line counts as names if its score is no number.
    above : float
        Texts whose score is above this are positive, the others negative. Scores may be the words "positive" and
        "negative" as well, which count as 1 and 0.

    Returns
    -------
    Corpus
        Texts and labels; its ``sha256`` depends on these alone, not on where they lay.

    Raises
    ------
    InvalidInput
        If there is nothing at the path, or a folder without texts of both labels, text that is not UTF-8, a line with
        too few fields, a score that is no number, or texts of one label alone: the message names file and line.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     table = Path(folder) / "reviews.tsv"
    ...     _ = table.write_text("1\t2.5\tA fine film.\n2\t-1.5\tDull.\n")
    ...     corpus = reviews(table)
    >>> corpus.texts, corpus.labels
    (('A fine film.', 'Dull.'), (1, 0))
    """
    place = as_path(path, "path")
    above = as_number(above, "above")
    if place.is_dir():
        if text is not None or score is not None:
            raise InvalidInput(f"text and score are columns of a table, and {place} is a folder: leave them out")
        return _folder(place)
    if not place.is_file():
        raise InvalidInput(f"there is no file or folder {place}; give the folder of pos and neg, or a table")
    return _table(place, text, score, above)


def _folder(place: Path) -> Corpus:
    texts, labels = [], []
    for name, label in LABELS.items():
        files = sorted((place / name).glob("*.txt"))
        if not files:
            inside = [f"{part}/" for part in ("train", "test") if (place / part / name).is_dir()]
            raise InvalidInput(
                f"{place} has no folder {name!r} with files *.txt in it; "
                + (f"give one of {', '.join(inside)} in it" if inside else "give the folder that holds pos and neg")
            )
        for file in files:
            texts.append(_BREAK.sub(" ", _read(file)))
            labels.append(label)
    return Corpus(tuple(texts), tuple(labels))


def _table(place: Path, text: int | str | None, score: int | str | None, above: float) -> Corpus:
    lines = _rows(place)
    names, begin = None, 0
    if isinstance(text, str) or isinstance(score, str):
        names, begin = lines[0][1], 1
    text_column = _column(place, text, names, -1)
    score_column = _column(place, score, names, text_column - 1 if score is None else -2)
    if names is None and len(lines) > 1 and _number(_field(place, *lines[0], score_column)) is None:
        begin = 1  # the first line has names
    texts, labels = [], []
    for number, fields in lines[begin:]:
        given = _field(place, number, fields, score_column)
        value = _number(given)
        if value is None:
            raise InvalidInput(f"{place}, line {number}: the score is {given!r:.40}; it must be a finite number")
        texts.append(_field(place, number, fields, text_column))
        labels.append(int(value > above))
    return Corpus(tuple(texts), tuple(labels))


def _rows(place: Path) -> list[tuple[int, list[str]]]:
    """Return the lines of a table, each with the number of its line and its fields; empty ones are left out."""
    content = _read(place)
    if place.suffix.lower() != ".csv":
        rows = [line.split("\t") for line in content.split("\n")]
        numbered = [(number, fields) for number, fields in enumerate(rows, 1) if fields != [""]]
    else:
        reader = csv.reader(content.splitlines(keepends=True), strict=True)
        try:
            numbered = [(reader.line_num, fields) for fields in reader if fields]
        except csv.Error as error:
            raise InvalidInput(
                f"{place}, line {reader.line_num}: it is no CSV ({error}); quote fields whole"
            ) from error
    if not numbered:
        raise InvalidInput(f"{place} has no lines; give a table with a score and a text on each")
    return numbered


def _read(file: Path) -> str:
    try:
        size = file.stat().st_size
        if size > MOST_BYTES:
            raise InvalidInput(f"{file} has {size} B, and at most {MOST_BYTES} are read: split it")
        return file.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InvalidInput(f"{file}, line {line}: it is not UTF-8 (byte {error.start}); convert it first") from error
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}") from error


def _column(place: Path, given: int | str | None, names: list[str] | None, default: int) -> int:
    if given is None:
        return default
    if isinstance(given, str):
        if names is None or given not in names:
            raise InvalidInput(f"{place} has no column {given!r}; its first line names {', '.join(names or [])!r:.80}")
        return names.index(given)
    if isinstance(given, bool) or not isinstance(given, int):
        raise InvalidInput(f"a column is {given!r}; give its number from 0, or its name in the first line")
    return given


def _field(place: Path, number: int, fields: list[str], column: int) -> str:
    if not -len(fields) <= column < len(fields):
        raise InvalidInput(
            f"{place}, line {number}: there are {counted(len(fields), 'field')}, and a score and a text are needed; "
            "say which columns they are (score=, text=), and separate those of a .csv by commas, of others by tabs"
        )
    return fields[column]


def _number(field: str) -> float | None:
    """Return the score that a field holds, or None."""
    word = field.strip().lower()
    if word in WORDS_FOR_LABELS:
        return WORDS_FOR_LABELS[word]
    try:
        value = float(word)
    except ValueError:
        return None
    return value if np.isfinite(value) else None
