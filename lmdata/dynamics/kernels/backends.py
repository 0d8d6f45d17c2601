"""Which array library and which kernel step a batch: chosen once, named in the dataset, never changed silently."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lmdata.dynamics.kernels.planner import plan, why_not
from lmdata.errors import BackendUnavailable, InvalidInput, UnknownName

logger = logging.getLogger(__name__)

NAMESPACES = ("numpy", "cupy")

KERNELS: dict[str, dict[str, str]] = {
    "localmax": {
        "numpy:canonical": "lmdata.dynamics.kernels.canonical:advance",
        "numpy:fused": "lmdata.dynamics.kernels.fused:advance",
        "numpy:tree": "lmdata.dynamics.kernels.tree:advance",
        "numpy:blocked": "lmdata.dynamics.kernels.blocked:advance",
        "cupy:canonical": "lmdata.dynamics.kernels.canonical:advance",
        "cupy:fused": "lmdata.dynamics.kernels.gpu:advance_fused",
        "cupy:tree": "lmdata.dynamics.kernels.gpu:advance_tree",
        "cupy:blocked": "lmdata.dynamics.kernels.gpu:advance_blocked",
    },
}
"""For each kind of model its kernels, ``"namespace:name"`` to ``"module:function"``, imported at first use."""

OWN = {"numpy:own": ""}
"""Of every other kind of model: the model steps itself, on the host."""


class Choice(NamedTuple):
    """The backend that serves a problem; ``str`` of it is what datasets store."""

    namespace: str
    kernel: str
    reason: str

    def __str__(self) -> str:
        return f"{self.namespace}:{self.kernel}"


def choose(backend: str = "auto", *, kind: str, members: int, tokens: int, components: int) -> Choice:
    """Choose the kernel for a batch of ``members`` systems of ``tokens`` tokens with ``components`` components.

    Parameters
    ----------
    backend : str
        ``"auto"``, a namespace (``"numpy"``, ``"cupy"``), or a namespace and kernel (``"numpy:canonical"``).
    kind : str
        The kind of model.
    members, tokens, components : int
        The size of the batch, by which ``auto`` chooses.

    Raises
    ------
    UnknownName
        If there is no such namespace or kernel for this kind of model.
    BackendUnavailable
        If the namespace cannot run on this machine, or has no kernel for this kind of model, or the kernel cannot
        serve a problem of this size.

    Examples
    --------
    >>> str(choose("numpy:canonical", kind="localmax", members=1, tokens=8, components=2))
    'numpy:canonical'
    """
    kernels = KERNELS.get(kind, OWN)
    if not isinstance(backend, str):
        raise InvalidInput(f"backend must be a name such as 'auto' or 'numpy'; got {backend!r}")
    namespace, _, name = ("numpy" if backend == "auto" else backend).partition(":")
    if namespace not in NAMESPACES:
        raise UnknownName.among("backend", backend, {"auto", *NAMESPACES, *kernels})
    if not any(known.startswith(f"{namespace}:") for known in kernels):
        raise BackendUnavailable(f"backend {backend!r} has no kernel for {kind}; choose one of {', '.join(kernels)}")
    if name and f"{namespace}:{name}" not in kernels:
        raise UnknownName.among(f"backend for {kind}", backend, {"auto", *NAMESPACES, *kernels})
    if namespace == "cupy":
        _require_cupy()
    if name:
        _require_fit(f"{namespace}:{name}", kernels, tokens, components)
        return Choice(namespace, name, "asked for")
    if kind not in KERNELS:
        return Choice(namespace, "own", "the model steps itself")
    choice = Choice(namespace, *plan(namespace, members=members, tokens=tokens, components=components))
    logger.debug("%s: %s", choice, choice.reason)
    return choice


def kernel(choice: Choice, kind: str) -> Callable[..., Any]:
    """Import and return the kernel of a choice."""
    module, _, function = KERNELS[kind][str(choice)].partition(":")
    return getattr(importlib.import_module(module), function)  # type: ignore[no-any-return]


def to_namespace(choice: Choice, state: NDArray[np.float64]) -> Any:
    """Return a host array as an array of the chosen namespace."""
    return state if choice.namespace == "numpy" else importlib.import_module(choice.namespace).asarray(state)


def to_host(choice: Choice, values: Any) -> NDArray[Any]:
    """Return an array of the chosen namespace as a host array."""
    if choice.namespace == "numpy":
        return np.asarray(values)
    return np.asarray(importlib.import_module(choice.namespace).asnumpy(values))


def _require_fit(backend: str, kernels: Iterable[str], tokens: int, components: int) -> None:
    """Raise BackendUnavailable, naming the kernels that can, if this one cannot serve a problem of this size."""
    reason = why_not(backend, tokens=tokens, components=components)
    if reason:
        able = [name for name in kernels if why_not(name, tokens=tokens, components=components) is None]
        raise BackendUnavailable(f"backend {backend!r} cannot serve this: {reason}; these can: {', '.join(able)}")


def _require_cupy() -> None:
    """Raise BackendUnavailable, with what to do, unless cupy and a device are here."""
    try:
        import cupy
    except ImportError as error:
        raise BackendUnavailable(
            "backend 'cupy' needs cupy, which is not installed; install lmdata[gpu] or choose backend='numpy'"
        ) from error
    if not cupy.is_available():
        raise BackendUnavailable(
            "backend 'cupy' found no CUDA device on this machine; choose backend='numpy' or run where there is one"
        )
