"""A file is whole or as it was, and what killed processes left goes."""

import os

import pytest

from lmdata.data.store import durable
from lmdata.data.store.durable import ABANDONED_SECONDS, write_whole


def left(file, seconds):
    """Make what a process leaves that was killed so long ago while it wrote a file."""
    path = file.with_name(f".{file.name}.0123abcd.new")
    path.write_text("half")
    os.utime(path, (path.stat().st_mtime - seconds,) * 2)
    return path


def test_what_is_being_written_stays_and_what_was_left_goes(tmp_path):
    file = tmp_path / "a[1].html"
    for seconds, alone, stays in [(0, False, True), (0, True, False), (ABANDONED_SECONDS + 60, False, False)]:
        half, other = left(file, seconds), left(tmp_path / "another", 10 * ABANDONED_SECONDS)
        write_whole(file, b"whole", alone=alone)
        assert file.read_bytes() == b"whole"
        assert half.exists() == stays
        assert other.exists()


def test_what_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    file = tmp_path / "below" / "file"
    write_whole(file, b"before")

    def fail(descriptor):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(durable.os, "fsync", fail)
    with pytest.raises(OSError, match="Input"):
        write_whole(file, b"after", durable=True)
    assert file.read_bytes() == b"before"
    assert [path.name for path in file.parent.iterdir()] == ["file"]
