import os
import re

import numpy as np
import pytest

from lmdata.data.catalog.file import FILE_BYTES, Earlier, Entry, _File, load_yaml, read_catalog, resolve, write_catalog
from lmdata.errors import CatalogError

GOOD = """
lmdata_catalog: 1
datasets:
  two-tokens:
    title: Two tokens, "é" & <b>
    driver: recipe
    recipe: {model: {kind: localmax}, steps: 3, seeds: [0, 1], big: 1.0e-300}
    digest: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    tags: [small]
  kept:
    title: Kept
    driver: zarr
    path: data/kept.zarr
"""


@pytest.fixture
def read(tmp_path):
    def read(text):
        file = tmp_path / "catalog.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_catalog(file)

    return read


def test_good_file(read):
    entries = read(GOOD)
    assert list(entries) == ["two-tokens", "kept"]
    assert entries["two-tokens"].recipe == {"model": {"kind": "localmax"}, "steps": 3, "seeds": [0, 1], "big": 1e-300}
    assert entries["kept"].path == "data/kept.zarr"


def test_written_file_is_read_back(read, tmp_path):
    entries = read(GOOD)
    write_catalog(tmp_path / "new" / "catalog.yaml", entries)
    assert read_catalog(tmp_path / "new" / "catalog.yaml") == entries
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["catalog.yaml"]


HOSTILE = {
    "a tag": "lmdata_catalog: !!python/object/apply:os.system [id]",
    "a tag of its own": "lmdata_catalog: !include /etc/passwd",
    "an alias bomb": "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]",
    "an alias in itself": "a: &a [*a]",
    "a merge": "a: &a {x: 1}\nb: {<<: *a}",
    "deep lists": "a: " + "[" * 1000 + "]" * 1000,
    "deep maps": "a: " + "{a: " * 1000 + "}" * 1000,
    "a key twice": "lmdata_catalog: 1\nlmdata_catalog: 1",
    "a list as key": "{[1, 2]: 3}",
    "a huge integer": "lmdata_catalog: " + "9" * 10000,
    "two documents": "a: 1\n---\nb: 2",
    "half a document": "a: [1, 2",
    "a control character": "a: \x00",
    "no text": b"\xff\xfe\x00\x01",
    "a large file": "a: " + "x" * FILE_BYTES,
    "nothing": "",
    "a list": "- 1\n- 2",
    "another file": "name: ci\non: push",
    "another version": GOOD.replace("lmdata_catalog: 1", "lmdata_catalog: 2"),
    "no driver": GOOD.replace("driver: zarr", "comment: none"),
    "an unknown driver": GOOD.replace("driver: zarr", "driver: pickle"),
    "an unknown field": GOOD.replace("tags:", "password:"),
    "a recipe and a path": GOOD.replace("driver: zarr", "driver: zarr\n    recipe: {steps: 3}"),
    "a recipe without one": GOOD.replace("driver: zarr", "driver: recipe"),
    "a path for a recipe": GOOD.replace("tags: [small]", "path: x"),
    "a digest that is none": GOOD.replace("0123456789abcdef0123456789abcdef", "xyz"),
    "a name that is none": GOOD.replace("two-tokens", "../two"),
    "a name with markup": GOOD.replace("two-tokens", "<script>"),
    "a title with a control character": GOOD.replace("title: Kept", 'title: "a\\eb"'),
    "a NaN in a recipe": GOOD.replace("1.0e-300", ".nan"),
    "a date in a recipe": GOOD.replace("1.0e-300", "2026-01-01"),
    "an absolute path": GOOD.replace("data/kept.zarr", "/etc/passwd"),
    "a path upwards": GOOD.replace("data/kept.zarr", "data/../../kept"),
    "an address": GOOD.replace("data/kept.zarr", "s3://key:secret@bucket/kept"),
    "a template": GOOD.replace("data/kept.zarr", "'{{ CATALOG_DIR }}/../x'"),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_catalogue_is_refused(read, text):
    with pytest.raises(CatalogError, match=r"catalog\.yaml"):
        read(text)


def test_mistake_is_named_with_its_place(read):
    with pytest.raises(CatalogError, match=r"entry 'kept': driver zarr needs a path"):
        read(GOOD.replace("path: data/kept.zarr", "description: none"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("driver: zarr", "driver: pickle", "entry 'kept': driver is 'pickle'; it must be recipe, icechunk or zarr"),
        ("driver: zarr", "driver: 7", "entry 'kept': driver is 7; it must be recipe, icechunk or zarr"),
        ("title: Kept", "title: 7", "entry 'kept': title is 7; it must be one line of 1 to 300 characters"),
        ("title: Kept", "tags: [a, 7]", "entry 'kept': tags.1 is 7; it must be a list, each one line"),
        ("title: Kept", "citation: a", "entry 'kept' lacks title: one line of 1 to 300"),
        ("title: Kept", "titel: Kept", "entry 'kept' has a field 'titel' that is not known; known: title, paper"),
        ("  kept:", "  Kept It:", "entry 'Kept It' has a name that is not allowed; a name is lower-case letters"),
        ("tags: [small]", "version: '1'", "entry 'two-tokens': version is '1'; it must be an integer from 1 to 9999"),
        ("tags: [small]", "earlier: {1: {digest: x}}", "earlier.1.digest is 'x'; it must be 64 hexadecimal digits"),
        ("tags: [small]", "earlier: {x: {}}", "'earlier.x' is no key; it must be a mapping of earlier version numbers"),
        ("lmdata_catalog: 1", "lmdata_catalog: 2", "the file: lmdata_catalog is 2; it must be 1"),
        ("path: data/kept.zarr", "path: s3://me:secret@b/x", "entry 'kept': path is an address; it has to be relative"),
        ("title: Kept", "title: !x Kept", r"tag '!x' \(line 11\)"),
    ],
)
def test_mistakes_are_told_without_the_words_of_other_libraries(read, old, new, message):
    with pytest.raises(CatalogError, match=rf"catalog\.yaml is no (valid )?catalogue: .*{message}") as caught:
        read(GOOD.replace(old, new))
    assert not any(word in str(caught.value) for word in ("Input should", "String should", "Value error", "secret"))


@pytest.mark.parametrize(
    ("old", "new", "model"),
    [
        ("lmdata_catalog: 1", "lmdata_catalog: 1\nx: 1", _File),
        ("tags: [small]", "x: 1", Entry),
        ("tags: [small]", "earlier: {1: {digest: x, x: 1}}", Earlier),
    ],
)
def test_unknown_field_is_told_with_the_fields_that_there_are(read, old, new, model):
    with pytest.raises(CatalogError, match="x' that is not known") as caught:
        read(GOOD.replace(old, new, 1))
    [told] = re.findall("that is not known; known: ([^;]*)", str(caught.value))
    assert sorted(told.split(", ")) == sorted(model.model_fields)


def test_absent_file_and_folder(tmp_path):
    for place in (tmp_path / "absent.yaml", tmp_path):
        with pytest.raises(CatalogError, match="cannot be read"):
            read_catalog(place)


def test_templates_stay_text(read):
    text = GOOD.replace("title: Kept", "title: '{{ env(\"HOME\") }} ${HOME} %(x)s'")
    assert read(text)["kept"].title == '{{ env("HOME") }} ${HOME} %(x)s'


def test_paths_stay_below_the_file(tmp_path):
    file = tmp_path / "catalog.yaml"
    assert resolve(file, "a/b") == tmp_path / "a" / "b"
    outside = tmp_path.parent / "outside"
    outside.mkdir(exist_ok=True)
    (tmp_path / "link").symlink_to(outside)
    with pytest.raises(CatalogError, match="symbolic link"):
        resolve(file, "link/data")


def test_yaml_is_plain_values(tmp_path):
    (tmp_path / "x.yaml").write_text("a: [1, 2.5, null, true, text]")
    assert load_yaml(tmp_path / "x.yaml") == {"a": [1, 2.5, None, True, "text"]}


def test_entries_do_not_change():
    entry = Entry(title="a", driver="recipe", recipe={})
    with pytest.raises(ValueError, match="frozen"):
        entry.title = "b"


def some_texts():
    """Yield texts of every kind of character, and words that YAML takes for something else, at each end and inside."""
    random = np.random.default_rng(3)
    odd = [
        *"\x00\x07\t\n\r\x1b\x7f\x85\xa0\u2028\u2029\ufeff\ufffe\U0001f600 :#-?[]{},&*!|>'\"%@`\\~=<",
        "1e6",
        "null",
        "---",
    ]
    for one in odd:
        yield from (one, f"{one}a", f"a {one}", f"a{one}b")
    for length in random.integers(1, 40, size=40).tolist():
        yield "".join(odd[number] for number in random.integers(0, len(odd), size=length).tolist())


def test_every_text_comes_back_or_is_refused(tmp_path):
    """What is written is read back: texts in a description, in a recipe's value and in its key."""
    file, came = tmp_path / "catalog.yaml", 0
    for text in some_texts():
        entry = Entry(title="Title", description=text, driver="recipe", recipe={"text": text, text: [text]})
        write_catalog(file, {"a": entry})
        assert read_catalog(file) == {"a": entry}, repr(text)
        came += 1
    assert came > 200


def test_numbers_come_back_as_they_are(tmp_path):
    numbers = [1, 1.0, 1e6, 1e-7, 1e22, -0.0, 5e-324, 1.7976931348623157e308, 2**63, -(2**70), True, None, 0.1]
    entry = Entry(title="Title", driver="recipe", recipe={"numbers": numbers})
    write_catalog(tmp_path / "catalog.yaml", {"a": entry})
    assert repr(read_catalog(tmp_path / "catalog.yaml")["a"].recipe["numbers"]) == repr(numbers)


def test_earlier_versions_come_back(tmp_path):
    entries = {
        "a": Entry(title="T", driver="zarr", path="x", version=3, earlier={1: Earlier(path="y", digest="0" * 64)})
    }
    write_catalog(tmp_path / "catalog.yaml", entries)
    assert read_catalog(tmp_path / "catalog.yaml") == entries


def test_a_file_is_flushed_before_it_replaces_another(tmp_path, monkeypatch):
    noted = []
    for name in ("fsync", "rename", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, real=real, name=name: noted.append(name) or real(*args))
    write_catalog(tmp_path / "catalog.yaml", {"a": Entry(title="T", driver="zarr", path="x")})
    assert noted == ["fsync", "replace", "fsync"]
