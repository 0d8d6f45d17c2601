"""Small datasets for the tests of the data room, made without any mathematics."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import pytest
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from lmdata.data.layout import Layout
from lmdata.data.store.writer import RunStore

SMALL = 800
"""Bytes of a block, so that small datasets have several."""


class Example:
    """A layout and, for each member, made-up positions: what a run would have computed."""

    def __init__(self, **changes: Any) -> None:
        fields = {
            "swept": {"influence": (0.5, 1.0, 2.0)},
            "seeds": (0, 1, 5, 7),
            "time": np.arange(6),
            "time_unit": "step",
            "labels": None,
            "tokens": 4,
            "components": 2,
            "attrs": {"recipe_id": "r" * 64, "created": "2026-01-01T00:00:00+00:00"},
            **changes,
        }
        self.layout = Layout(**fields)
        sizes = self.layout.sizes
        shape = (self.layout.size, sizes["time"], sizes["token"], sizes["component"])
        self.position = np.random.default_rng(1).normal(size=shape).astype(self.layout.dtype)
        self.marks = {name: np.arange(shape[0] * shape[1]).reshape(shape[:2]) for name in self.layout.diagnostics}

    @property
    def grid(self) -> np.ndarray:
        """Positions as the dataset has them."""
        return self.position.reshape(*self.layout.shape, *self.position.shape[1:])

    def put(self, store: RunStore, members: Any) -> None:
        rows = list(members)
        marks = {name: values[rows] for name, values in self.marks.items()}
        store.put(members, self.position[rows], steps_done=len(self.layout.time) - 1, diagnostics=marks)

    def finish(self, store: RunStore) -> None:
        for block in store.pending():
            self.put(store, block)

    def write(self, place: Path, *, leave: int = 0) -> Path:
        """Write a store, but for the last ``leave`` members."""
        with RunStore.create(place, self.layout) as store:
            for block in store.pending():
                wanted = [member for member in block if member < self.layout.size - leave]
                if wanted:
                    self.put(store, wanted)
        return place


@pytest.fixture
def example():
    """The class of examples: call it with what is to be different."""
    return Example


@pytest.fixture
def small_blocks(monkeypatch):
    """Make storage chunks of two or three members of an example, so that small datasets have several."""
    monkeypatch.setattr("lmdata.data.layout.BLOCK_BYTES", SMALL)


@pytest.fixture
def long_members(monkeypatch):
    """Make every member of an example span several storage chunks."""
    monkeypatch.setattr("lmdata.data.layout.BLOCK_BYTES", 100)
    monkeypatch.setattr("lmdata.data.layout.CHUNK_BYTES", 130)


class RawStore:
    """The keys of a run store or a plain zarr folder as bytes, behind the back of lmdata."""

    def __init__(self, place: Path) -> None:
        from zarr.storage import LocalStore

        from lmdata.data.store.storage import Place, open_repository

        self.session = None
        if (place / "zarr.json").exists():
            self.store = LocalStore(place)
        else:
            self.session = open_repository(Place.of(place)).writable_session("main")
            self.store = self.session.store

    def __enter__(self) -> RawStore:
        return self

    def __exit__(self, *error: object) -> None:
        if self.session is not None:
            self.session.commit("behind the back", allow_empty=True)

    def __getitem__(self, key: str) -> bytes:
        return sync(self.store.get(key, default_buffer_prototype())).to_bytes()

    def __setitem__(self, key: str, value: bytes) -> None:
        sync(self.store.set(key, default_buffer_prototype().buffer.from_bytes(value)))

    def __delitem__(self, key: str) -> None:
        sync(self.store.delete(key))


@pytest.fixture
def raw():
    """Open a store's keys as bytes: ``with raw(place) as keys: keys["position/c/0/0"] = ...``."""
    return RawStore


def flip(data: bytes, bit: int) -> bytes:
    """Return bytes with one bit flipped."""
    changed = bytearray(data)
    changed[bit // 8 % len(changed)] ^= 1 << bit % 8
    return bytes(changed)


@pytest.fixture
def damage(raw):
    """Flip a bit of a key: ``damage(place, "position/c/0/0/0/0/0")``."""

    def damage(place: Path, key: str, bit: int = 77) -> None:
        with raw(place) as keys:
            keys[key] = flip(keys[key], bit)

    return damage


SECRET = "wJalrXUtnFEMI"


@pytest.fixture(scope="module")
def server():
    """A server of the S3 protocol on this machine, with a bucket ``runs``; the environment says how to reach it."""
    moto = pytest.importorskip("moto.server")
    with pytest.MonkeyPatch.context() as patch:
        running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        running.start()
        host, port = running.get_host_and_port()
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        patch.setenv("AWS_REGION", "us-east-1")
        urlopen(Request(f"http://{host}:{port}/runs", method="PUT")).close()
        yield
        running.stop()
