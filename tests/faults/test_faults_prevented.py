"""A machine, rights or a network that fail are errors of their own: nothing counts as damaged, nothing is lost."""

from __future__ import annotations

import http.server
import json
import os
import resource
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from lmdata.data.opening import open_dataset
from lmdata.data.repair import repair_store
from lmdata.data.store.prevented import preventing
from lmdata.data.store.writer import RunStore
from lmdata.data.verify import verify
from lmdata.errors import AccessDenied, CorruptDataset, MachineFailed, NotReachable, StoreError

from .failing import build


@pytest.mark.parametrize(("first", "stride"), [(5, 61), pytest.param(1, 1, marks=pytest.mark.long)])
def test_repair_loses_nothing_whatever_operation_fails(tmp_path, first, stride):
    library = build(tmp_path)
    if library is None:
        pytest.skip("there is no C compiler to make operations fail with")
    (tmp_path / "stores").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.repairing", tmp_path / "stores", str(first), str(stride)],
        env={**os.environ, "LD_PRELOAD": str(library)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["wrong"] == []
    assert min(found["said"]["MachineFailed"], found["said"]["AccessDenied"]) >= 3


@contextmanager
def few_files(left):
    """Leave so many file descriptors to this process."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len([*Path("/proc/self/fd").iterdir()]) + 40, before[1]))
    held = []
    try:
        while True:
            held.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        for descriptor in held[:left]:
            os.close(descriptor)
    try:
        yield
    finally:
        for descriptor in held[left:]:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_without_file_descriptors_no_member_is_given_up(tmp_path, example, small_blocks):
    made = example(seeds=tuple(range(100)))
    place = made.write(tmp_path / "run")
    open_dataset(place).load()
    repair_store(place)  # everything is imported by now
    before, raised = sorted(file for file in place.rglob("*") if file.name != "writer.lock"), 0
    for left in (0, 1, 3):
        for act in (lambda: open_dataset(place).load(), lambda: verify(place), lambda: repair_store(place)):
            with suppress(MachineFailed), few_files(left):
                act()
                continue
            raised += 1
    assert raised > 2
    with pytest.raises(MachineFailed, match="Too many open files"), few_files(1):
        verify(place)
    assert sorted(file for file in place.rglob("*") if file.name != "writer.lock") == before
    report = verify(place)
    assert report.ok
    assert report.complete == 300


def newer(data, spec=None):
    """Return a file of icechunk as a newer version would have written it."""
    head = bytearray(data)
    head[12:21] = b"ic-99.0.0"
    if spec is not None:
        head[36] = spec
    return bytes(head)


@pytest.mark.parametrize("spec", [3, None], ids=["another format", "the same format"])
def test_what_a_newer_icechunk_wrote_is_not_repaired_by_an_older_one(tmp_path, example, small_blocks, spec):
    place = example().write(tmp_path / "run")
    repo = place / "repo"
    written = newer(repo.read_bytes(), spec)
    repo.write_bytes(written if spec else written[:-20])
    before = repo.read_bytes()
    with pytest.raises(StoreError, match=r"[Ii]cechunk.*(newer|99\.0\.0|upgrade)") as caught:
        repair_store(place)
    assert not isinstance(caught.value, CorruptDataset)
    assert repo.read_bytes() == before
    assert not (place / "overwritten" / "damaged").exists()


def test_a_repository_file_that_nothing_can_replace_stays_where_it_is(tmp_path, example):
    place = example().write(tmp_path / "run")
    for file in [place / "repo", *(place / "overwritten").iterdir()]:
        file.write_bytes(file.read_bytes()[:60])
    before = (place / "repo").read_bytes()
    with pytest.raises(CorruptDataset, match="cannot be repaired"):
        repair_store(place)
    assert (place / "repo").read_bytes() == before


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(24, "Too many open files"), MachineFailed),
        (OSError(28, "No space left on device"), MachineFailed),
        (OSError(117, "Structure needs cleaning"), MachineFailed),
        (MemoryError("Unable to allocate 8 GiB"), MachineFailed),
        (RuntimeError("can't start new thread"), MachineFailed),
        (PermissionError(13, "Permission denied"), AccessDenied),
        (OSError(30, "Read-only file system"), AccessDenied),
        (ConnectionResetError(104, "Connection reset by peer"), NotReachable),
        (FileNotFoundError(2, "No such file or directory"), None),
        (ValueError("checksums differ"), None),
    ],
)
def test_kinds_of_errors(error, kind):
    assert preventing(error) is kind
    wrapped = ValueError("the codec failed")
    wrapped.__cause__ = error
    assert preventing(wrapped) is kind


class Between:
    """A server between a client and a bucket, which cuts or answers for it what ``fault(method, path)`` says."""

    def __init__(self, target):
        between = self
        self.fault = lambda method, path: None

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
                fault = between.fault(self.command, self.path)
                if fault not in (None, "cut"):
                    answer = f"<Error><Code>{fault}</Code><Message>no</Message></Error>".encode()
                    self.answer(403, {}, answer)
                    return
                headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
                request = urllib.request.Request(target + self.path, body, headers, method=self.command)
                try:
                    reply = urllib.request.urlopen(request)
                except urllib.error.HTTPError as error:
                    reply = error
                with reply:
                    self.answer(reply.status, dict(reply.headers), reply.read(), cut=fault == "cut")

            def answer(self, status, headers, data, *, cut=False):
                self.send_response(status)
                length = headers.get("Content-Length") if self.command == "HEAD" else None
                for name, value in headers.items():
                    if name.lower() not in ("transfer-encoding", "connection", "content-length", "date", "server"):
                        self.send_header(name, value)
                self.send_header("Content-Length", length or str(len(data)))
                self.end_headers()
                self.close_connection = self.close_connection or cut
                if self.command != "HEAD":
                    self.wfile.write(data[: len(data) // 2] if cut else data)
                if cut:
                    self.wfile.flush()
                    self.connection.shutdown(socket.SHUT_RDWR)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any  # noqa: N815

            def handle(self):
                with suppress(OSError):  # the client has gone
                    super().handle()

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def between(server, monkeypatch):
    with Between(os.environ["AWS_ENDPOINT_URL"]) as between:
        monkeypatch.setenv("AWS_ENDPOINT_URL", between.url)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield between


def once(part):
    """Return a fault that cuts the first body of an object whose key holds this."""
    left = [True]

    def fault(method, path):
        if method == "GET" and part in path and left[0]:
            left[0] = False
            return "cut"
        return None

    return fault


@pytest.mark.long
def test_a_bucket_that_refuses_or_a_body_that_is_cut_is_no_damage(between, example, small_blocks, monkeypatch):
    made = example()
    place = made.write("s3://runs/prevented/one")
    reading = (lambda: open_dataset(place).load(), lambda: verify(place))
    for part in ("repo", "snapshots/", "manifests/", "chunks/"):
        between.fault = once(part)
        np.testing.assert_array_equal(open_dataset(place).load().position, made.grid)
        between.fault = once(part)
        assert verify(place).ok
        between.fault = lambda method, path, part=part: "cut" if method == "GET" and part in path else None
        for read in reading if part in ("repo", "snapshots/") else ():  # icechunk tries others for minutes
            with pytest.raises(NotReachable, match="this is no damage"):
                read()
        codes = ("ExpiredToken", "InvalidAccessKeyId", "AccessDenied")
        for code in codes if part == "repo" else codes[:1]:
            between.fault = lambda method, path, part=part, code=code: code if part in path else None
            for read in reading:
                with pytest.raises(AccessDenied, match=code):
                    read()
            if part == "repo":
                with pytest.raises(AccessDenied, match=code):
                    RunStore.append_to(place)
    between.fault = lambda method, path: None
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AccessDenied, match="credential"):
        open_dataset(place)


def test_an_answer_that_is_cut_while_a_commit_is_made_is_asked_for_again(between, example, small_blocks, monkeypatch):
    monkeypatch.setattr("lmdata.data.store.writer.COMMIT_INTERVAL", 1e9)  # all in the one commit below
    made = example()
    place = made.write("s3://runs/prevented/two", leave=8)
    cut = []

    def fault(method, path):
        if method == "GET" and "manifests/" in path and not cut:
            cut.append(path)
            return "cut"
        return None

    with RunStore.append_to(place) as store:
        for block in store.pending():
            made.put(store, block)
        between.fault = fault
        store.commit()
    assert cut
    assert verify(place).ok


@pytest.mark.long  # icechunk tries again for half a minute
def test_a_bucket_where_nobody_is(between, monkeypatch):
    for address in ("http://127.0.0.1:9", "http://nowhere.invalid:9"):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with pytest.raises(NotReachable, match="the network"):
            open_dataset("s3://runs/prevented/one")


CREATOR = """
import sys, lmdata
sys.stdin.readline()
try:
    lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(4, 2), steps=2, store=sys.argv[1])
except lmdata.errors.IncompleteDataset:  # it was made, and lacks its members
    lmdata.resume(sys.argv[1])
print("finished")
"""


@pytest.mark.long
@pytest.mark.parametrize("request_number", range(1, 15))
def test_a_creation_in_a_bucket_that_is_killed_bars_nothing(between, request_number):
    """Whatever the request at which the first creator is killed, the same command makes the run the second time."""
    place = f"s3://runs/killed/{request_number}"
    command = [sys.executable, "-c", CREATOR, place]
    creator = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    asked = []

    def fault(method, path):
        asked.append(path)
        if len(asked) == request_number:
            creator.kill()

    between.fault = fault
    said, _ = creator.communicate("go\n", timeout=60)
    between.fault = lambda method, path: None
    assert ("finished" in said) == (len(asked) < request_number)
    again = subprocess.run(command, input="go\n", capture_output=True, text=True, timeout=60)
    assert again.stdout == "finished\n", again.stderr
    assert verify(place).ok
