"""Dask clusters: the one place where lmdata starts or reaches workers."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lmdata.errors import BackendUnavailable, ExtraMissing, InvalidInput

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

CONNECT_SECONDS = 10.0
"""A scheduler that does not answer within it, or has no worker within it, cannot be used."""

LOOPBACK = "127.0.0.1"
ENVIRONMENT = "distributed.nanny.pre-spawn-environ"
"""Dask's setting of what the environment of workers is; one thread for each kernel among it."""
TRIMMING = "MALLOC_TRIM_THRESHOLD_"
"""Left out of it: memory that goes back to the system after each step made the blocked kernel take twice as long."""


@contextmanager
def connected(scheduler: int | str) -> Iterator[Client]:
    """Connect to the workers of a dask.distributed scheduler, or start some on this machine for as long as it lasts.

    Parameters
    ----------
    scheduler : int or str
        Number of worker processes to be started here, of one thread each; or the address of a scheduler. Workers
        that are started listen on 127.0.0.1 alone. An address on another machine must be ``tls://...``, with the
        certificates named in dask's own configuration (``distributed.comm.tls``): whoever reaches a scheduler
        without them runs what they like on it.

    Yields
    ------
    distributed.Client
        With at least one worker; the default client meanwhile, so that lazy datasets are computed by it.

    Raises
    ------
    InvalidInput
        If the number is below 1, or the address is neither of this machine nor ``tls://``.
    BackendUnavailable
        If dask.distributed is not installed, or no scheduler with a worker answers within 10 seconds.

    Examples
    --------
    >>> with connected("tcp://192.0.2.1:8786"):
    ...     pass
    Traceback (most recent call last):
    ...
    lmdata.errors.InvalidInput: scheduler is 'tcp://192.0.2.1:8786', on another machine and without TLS; ...
    """
    count, address = checked(scheduler)
    if missing := ExtraMissing.of("distributed", "scheduler", ("distributed",)):
        raise missing
    from distributed import Client

    with ExitStack() as stack:
        try:
            if address is not None:
                _probe(address)
            target = address or stack.enter_context(_workers(count))
            client = stack.enter_context(Client(target, timeout=CONNECT_SECONDS))
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except (OSError, RuntimeError) as error:
            raise BackendUnavailable(
                f"no dask scheduler with a worker answers at {scheduler!r}: {error}; start one there, give the number "
                "of workers to be started here, or leave scheduler out"
            ) from error
        yield client


@contextmanager
def computing(scheduler: int | str | None) -> Iterator[None]:
    """Compute lazy datasets with the workers of a scheduler, as `connected` takes it, or with threads for None."""
    if scheduler is None:
        yield
        return
    with connected(scheduler):
        yield


@contextmanager
def _workers(count: int | None) -> Iterator[LocalCluster]:
    """Start worker processes, and put the environment back that dask changes for their sake."""
    import dask
    from distributed import LocalCluster

    settings = {name: value for name, value in dask.config.get(ENVIRONMENT).items() if name != TRIMMING}
    before = {name: os.environ.get(name) for name in settings}
    try:
        with (
            dask.config.set({ENVIRONMENT: settings}),
            LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                host=LOOPBACK,
                dashboard_address=None,
                scheduler_kwargs={"dashboard_address": f"{LOOPBACK}:0"},  # it serves its state all the same
            ) as cluster,
        ):
            yield cluster
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def checked(scheduler: int | str) -> tuple[int | None, str | None]:
    """Return the number of workers, or the address, that is meant.

    Raises
    ------
    InvalidInput
        As for `connected`.

    Examples
    --------
    >>> checked("2"), checked("127.0.0.1:8786")
    ((2, None), (None, '127.0.0.1:8786'))
    """
    if isinstance(scheduler, str) and scheduler.isdecimal():
        scheduler = int(scheduler)
    if isinstance(scheduler, int) and not isinstance(scheduler, bool):
        if scheduler < 1:
            raise InvalidInput(f"scheduler is {scheduler}; as a number of worker processes it must be at least 1")
        return scheduler, None
    if not isinstance(scheduler, str):
        raise InvalidInput(f"scheduler must be a number of workers or an address, tcp://HOST:PORT; got {scheduler!r}")
    protocol, _, rest = scheduler.rpartition("://")
    host, port = _host_and_port(rest)
    if protocol not in ("", "tcp", "tls") or not host or not port:
        raise InvalidInput(
            f"scheduler is {scheduler!r}; give a number of workers, tcp://127.0.0.1:PORT or tls://HOST:PORT"
        )
    if protocol != "tls" and not _is_loopback(host):
        raise InvalidInput(
            f"scheduler is {scheduler!r}, on another machine and without TLS; start it with certificates and give "
            f"tls://{rest}, with the certificates named in dask's own configuration (distributed.comm.tls)"
        )
    return None, scheduler


def _host_and_port(address: str) -> tuple[str | None, int | None]:
    parts = urlsplit(f"//{address}")
    try:
        return parts.hostname, parts.port
    except ValueError:
        return parts.hostname, None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _probe(address: str) -> None:
    """Try whether somebody answers, and whether there are certificates: a client that fails to start lingers.

    Raises
    ------
    OSError
        If nobody answers.
    InvalidInput
        If certificates are needed, and dask's configuration names none.
    """
    from distributed import Security

    protocol, _, rest = address.rpartition("://")
    if protocol == "tls" and Security().get_connection_args("client").get("ssl_context") is None:
        raise InvalidInput(
            f"scheduler is {address!r}, and dask's configuration names no certificates: set "
            "distributed.comm.tls.ca-file, distributed.comm.tls.client.cert and distributed.comm.tls.client.key"
        )
    socket.create_connection(_host_and_port(rest), timeout=CONNECT_SECONDS).close()
