"""Labelled texts from folders and tables: the same corpus from any form, and a clear line for what is none."""

from __future__ import annotations

import numpy as np
import pytest

import lmdata
from lmdata.classification import Corpus
from lmdata.errors import InvalidInput

TEXTS = ("dull", 'a "long", dull film', "fine", "a fine film")
LABELS = (0, 0, 1, 1)
CORPUS = Corpus(TEXTS, LABELS)


def folder(place):
    for number, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True)):
        file = place / ("pos" if label else "neg") / f"{number}_7.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return place


def quoted(text):
    return '"' + text.replace('"', '""') + '"'


FORMS = {
    "a.tsv": "".join(f"7\t{2 * label - 1}.5\t{text}\n" for text, label in zip(TEXTS, LABELS, strict=True)),
    "b.txt": "\r\n".join(f"{label}\t{text}" for text, label in zip(TEXTS, LABELS, strict=True)),
    "c.csv": "".join(f"{label},{quoted(text)}\n" for text, label in zip(TEXTS, LABELS, strict=True)),
    "named.csv": "score,text\n"
    + "".join(f"{label},{quoted(text)}\n" for text, label in zip(TEXTS, LABELS, strict=True)),
    "bom.csv": "\ufeff" + "".join(f"{label},{quoted(text)}\n\n" for text, label in zip(TEXTS, LABELS, strict=True)),
}
"""Tables of the same corpus, by the names of their files."""


@pytest.mark.parametrize("name", FORMS)
def test_a_table_of_any_form_is_the_corpus_of_the_folder(name, tmp_path):
    table = tmp_path / name
    table.write_text(FORMS[name], newline="")
    found = lmdata.reviews(table)
    assert found == CORPUS == lmdata.reviews(folder(tmp_path / "elsewhere"))
    assert found.sha256 == CORPUS.sha256


def test_columns_go_by_number_or_name_and_scores_may_be_words(tmp_path):
    table = tmp_path / "imdb.csv"
    table.write_text("review,stars,sentiment\nfine,4,positive\ndull,2,negative\n")
    for columns in ({"text": "review", "score": "sentiment"}, {"text": 0, "score": 2}):
        assert lmdata.reviews(table, **columns) == Corpus(("fine", "dull"), (1, 0))
    assert lmdata.reviews(table, text="review", score="stars", above=3).labels == (1, 0)


def test_breaks_of_a_folder_count_as_spaces(tmp_path):
    place = folder(tmp_path)
    (place / "pos" / "9_7.txt").write_text("fine<br /><br/>film")
    assert lmdata.reviews(place).texts[-1] == "fine  film"


def test_the_identity_is_that_of_labels_and_texts_in_their_order():
    others = [
        Corpus(TEXTS, (0, 1, 1, 1)),
        Corpus(TEXTS[::-1], LABELS[::-1]),
        Corpus((*TEXTS[:3], "a fine  film"), LABELS),
        Corpus(TEXTS[:3], LABELS[:3]),
    ]
    assert len({CORPUS.sha256, *(other.sha256 for other in others)}) == 5


def test_a_split_holds_out_its_share_the_same_for_each_seed():
    corpus = Corpus(tuple(map(str, range(1000))), (0, 1) * 500)
    held = np.array([corpus.held_out(seed) for seed in range(20)])
    assert (held.sum(axis=1) == 200).all()
    np.testing.assert_array_equal(held, [corpus.held_out(seed) for seed in range(20)])
    assert held.sum(axis=0).max() < 17  # 4 on average; 17 of 20 have a chance of 1e-9 for a text


def test_texts_that_were_there_before_are_left_out():
    assert Corpus(("a", "b", "a", "c"), (1, 0, 1, 0)).distinct() == Corpus(("a", "b", "c"), (1, 0, 0))
    assert Corpus(("a", "b", "a"), (1, 0, 0)).distinct() == Corpus(("a", "b"), (1, 0))  # the first label counts


def make(content, name="t.tsv"):
    def made(place):
        (place / name).write_bytes(content)
        return place / name

    return made


def only_train(place):
    folder(place / "train")
    return place


def no_negative(place):
    folder(place)
    for file in (place / "neg").iterdir():
        file.unlink()
    return place


@pytest.mark.parametrize(
    ("made", "options", "words"),
    [
        (lambda place: place / "nothing", {}, "no file or folder"),
        (only_train, {}, r"give one of train/ in it"),
        (no_negative, {}, r"no folder 'neg' with files \*.txt"),
        (folder, {"text": 1}, "columns of a table"),
        (make(b""), {}, "no lines"),
        (make(b"1\tfine\nfine\n-1\tdull"), {}, r"t.tsv, line 2: there are? 1 field|there is 1 field|1 field, and"),
        (make(b"1\tfine\n\nx\tdull"), {}, "line 3: the score is 'x'"),
        (make(b"1\tfine\nnan\tdull"), {}, "line 2: the score is 'nan'"),
        (make(b"1\tfine\n2\tdull"), {}, "not of both labels"),
        (make(b"1\tfine\n-1\t\xff"), {}, "line 2: it is not UTF-8"),
        (make(b'1,"fine\n-1,dull', "t.csv"), {}, "it is no CSV"),
        (make(b"1\tfine\n-1\tdull"), {"text": 5}, "line 1: there are 2 fields"),
        (make(b"score\ttext\n1\tfine\n-1\tdull"), {"text": "words"}, "no column 'words'"),
        (make(b"1\tfine\n-1\tdull"), {"text": 1.0}, "a column is 1.0"),
        (make(b"1\tfine\n-1\tdull"), {"above": float("nan")}, "above is nan"),
        (make(b"1\tfine\n-1\tdu\0"), {}, "ends in NUL"),
    ],
)
def test_what_is_no_corpus_is_refused_in_a_line(made, options, words, tmp_path):
    with pytest.raises(InvalidInput, match=words) as caught:
        lmdata.reviews(made(tmp_path), **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("texts", "labels", "words"),
    [(("a",), (1, 0), "1 text and 2 labels"), (("a", "b"), (1, 2), "labels hold 2"), (("a", 1), (1, 0), r"texts\[1\]")],
)
def test_labels_that_are_none_are_refused(texts, labels, words):
    with pytest.raises(InvalidInput, match=words):
        Corpus(texts, labels)


@pytest.mark.parametrize("share", [0, 1, -0.1, 0.01, float("nan")])
def test_a_split_needs_texts_on_both_sides(share):
    with pytest.raises(InvalidInput, match="share is"):
        CORPUS.held_out(0, share)


def test_the_film_reviews(movie_reviews):
    found = lmdata.reviews(movie_reviews)
    assert (len(found), sum(found.labels), len(found.distinct())) == (10605, 5242, 10603)
    assert found.sha256 == "762511cdf4b8f11b5e1cc6ee55043dbd890cc800f6808aa0814122f3b81883fa"
