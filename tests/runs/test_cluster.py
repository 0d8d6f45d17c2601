"""Which schedulers may be reached, and who may reach the workers that are started."""

from __future__ import annotations

import datetime
import json
import socket
import sys
import time

import dask
import dask.array
import distributed
import psutil
import pytest

import lmdata
from lmdata import cli
from lmdata.data.store.writer import RunStore
from lmdata.errors import BackendUnavailable, InvalidInput
from lmdata.numerics.threads import cores
from lmdata.runs.cluster import computing, connected


@pytest.mark.parametrize(
    ("scheduler", "match"),
    [
        ("tcp://192.0.2.1:8786", r"without TLS; .* give tls://192\.0\.2\.1:8786"),
        ("somewhere:8786", "without TLS"),
        ("tcp://[2001:db8::1]:8786", "without TLS"),
        ("tcp://127.0.0.1.example.org:8786", "without TLS"),
        ("tls://192.0.2.1:8786", "names no certificates"),
        ("127.0.0.1", "PORT"),
        ("tcp://127.0.0.1:port", "PORT"),
        ("ucx://127.0.0.1:8786", "PORT"),
        ("", "PORT"),
        (0, "at least 1"),
        ("0", "at least 1"),
        (-3, "at least 1"),
        (True, "got True"),
        (2.0, r"got 2\.0"),
    ],
)
def test_schedulers_that_are_refused(scheduler, match):
    with pytest.raises(InvalidInput, match=match), connected(scheduler):
        pass


def test_a_scheduler_that_does_not_answer_is_told_at_once_and_nothing_is_made(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    begun = time.monotonic()
    with pytest.raises(BackendUnavailable, match="no dask scheduler"):
        lmdata.simulate(
            lmdata.Localmax(), lmdata.tokens.uniform(3, 2), steps=1, store=tmp_path / "run", scheduler=address
        )
    assert time.monotonic() - begun < 10
    assert not list(tmp_path.iterdir())


def test_workers_need_a_store():
    with pytest.raises(InvalidInput, match=r"scheduler is 2, .* give store=PATH"):
        lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(3, 2), steps=1, scheduler=2)


@pytest.mark.parametrize("command", ["simulate", "resume", "repair"])
def test_commands_take_a_scheduler(tmp_path, command, capsys):
    model, tokens = lmdata.Localmax(), lmdata.tokens.uniform(3, 2)
    specification = {"model": model.specification(), "tokens": tokens.specification(), "steps": 1}
    (tmp_path / "spec.yaml").write_text(json.dumps(specification))
    place = str(tmp_path / "run")
    if command != "simulate":
        lmdata.simulate(model, tokens, steps=1, store=place)
        with RunStore.append_to(place) as store:
            store.reset([0])
    what = [str(tmp_path / "spec.yaml"), "--store", place] if command == "simulate" else [place]
    assert cli.main([command, *what, "--scheduler", "0"]) == cli.WRONG_INPUT
    assert "scheduler is 0" in capsys.readouterr().err


def test_without_the_package_distributed_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(BackendUnavailable, match=r"pip install 'lmdata\[distributed\]'"), connected(1):
        pass


def test_no_scheduler_is_threads():
    with computing(None):
        assert dask.array.ones(3, chunks=1).sum().compute() == 3


def listening():
    """Return the addresses at which this process and its children listen."""
    myself = psutil.Process()
    return {
        tuple(connection.laddr)
        for process in [myself, *myself.children(recursive=True)]
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


@pytest.mark.long
def test_two_clusters_do_not_disturb_each_other():
    with connected(1) as one, connected(1) as two:
        assert one.submit(int, "1").result() == two.submit(int, "1").result()


def test_workers_listen_on_this_machine_alone_use_one_thread_and_end_with_the_context():
    mine, before = cores(), listening()
    with connected(1) as client:
        workers = [child for child in psutil.Process().children(recursive=True) if "spawn_main" in str(child.cmdline())]
        assert len(workers) == 1
        assert {host for host, _ in listening() - before} == {"127.0.0.1"}
        assert list(client.run(cores).values()) == [1]
        assert dask.array.ones(3, chunks=1).sum().compute() == 3
        with computing(client.scheduler.address):
            assert dask.array.ones(3, chunks=1).sum().compute() == 3
    assert psutil.wait_procs(workers, timeout=5)[1] == []
    assert listening() <= before
    assert cores() == mine


@pytest.fixture
def certificates(tmp_path):
    """A certificate of this machine, signed by itself, as dask's configuration names it."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "lmdata")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (tmp_path / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))
    (tmp_path / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    own = {"cert": str(tmp_path / "certificate.pem"), "key": str(tmp_path / "key.pem")}
    return {
        "distributed.comm.tls": {
            "ca-file": str(tmp_path / "certificate.pem"),
            **dict.fromkeys(("client", "scheduler", "worker"), own),
            "ciphers": None,
            "min-version": None,
            "max-version": None,
        }
    }


@pytest.mark.long
def test_a_scheduler_with_certificates_is_reached_by_those_who_have_them(certificates, tmp_path):
    arguments = {"steps": 3, "seeds": range(3), "store": tmp_path / "run"}
    model, tokens = lmdata.Localmax(), lmdata.tokens.uniform(4, 2)
    expected = lmdata.simulate(model, tokens, steps=3, seeds=range(3))
    with dask.config.set(certificates):
        cluster = distributed.LocalCluster(
            n_workers=1, host="127.0.0.1", protocol="tls", scheduler_kwargs={"dashboard_address": "127.0.0.1:0"}
        )
    with cluster:
        address = cluster.scheduler_address
        assert address.startswith("tls://")
        with pytest.raises(InvalidInput, match="names no certificates"):
            lmdata.simulate(model, tokens, scheduler=address, **arguments)
        with dask.config.set(certificates):
            found = lmdata.simulate(model, tokens, scheduler=address, **arguments)
    assert found.attrs["digest"] == expected.attrs["digest"]
