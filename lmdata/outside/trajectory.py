"""Trajectories that were computed elsewhere, as arrays: checked, labelled and kept as a dataset of lmdata."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lmdata.data.digest import canonical_json
from lmdata.data.trajectory import TrajectoryLayout
from lmdata.errors import InvalidInput
from lmdata.outside.arrays import States, as_states, masked, on_one_grid, real
from lmdata.outside.frames import Frame, framed
from lmdata.outside.tokens import distinct, left, present_tokens, words_of
from lmdata.runs.memory import Memory
from lmdata.runs.road import versions
from lmdata.wording import counted

if TYPE_CHECKING:
    import xarray as xr

STATES = ("layer", "token", "component")


def from_trajectory(
    position: Any,
    *,
    dims: Sequence[str] | None = None,
    token: Any = None,
    time: Any = None,
    attention: Any = None,
    present: Any = None,
    source: Mapping[str, Any] | None = None,
    frame: Frame = "raw",
    without: Sequence[int | str] = (),
    store: str | os.PathLike[str] | None = None,
) -> xr.Dataset:
    """Return states of tokens that were computed elsewhere as a dataset, which is measured, drawn and kept like any.

    Parameters
    ----------
    position : array, DataArray, or list of arrays
        Numbers over ``dims``; float16 and bfloat16 become float32, float32 stays, all else becomes float64. A list
        holds one array a run, with as many tokens as that run has.
    dims : sequence of str
        Dimensions of the array, any order: ``token``, ``component``, one of ``layer`` and ``time``, and before them the
        runs, under any names; those of a DataArray, else ``("layer", "token", "component")``, after ``run`` if the
        array has one dimension more. The last dimension of runs becomes ``seed``, others become swept parameters.
    token : sequence of str, or a sequence for each run
        Texts of the tokens. A text that occurs twice in one sentence has its place behind it, from 1: the@1, the@7. Of
        several runs that do not share them they become the coordinate ``word`` (run, token).
    time : sequence of numbers, optional
        Of the frames, ascending; 0, 1, ... without it.
    attention : array, or list of arrays, optional
        Weights (run..., layer, head, token, key): row i is how token i attends; that of a frame leads to the next, so
        that there may be one layer fewer than frames of positions: the last frame then has none (NaN).
    present : array of bool (run..., token), optional
        Which tokens a run has, where shorter ones are padded: a tokenizer's attention mask. All without it; of a list,
        the tokens that its arrays have. What the padding holds is not looked at.
    source : mapping, optional
        Where the states come from, JSON values: ``name``, ``revision``, ``hook``, ``normalisation``, ``sha256``...;
        ``dtype`` is added.
    frame : {"raw", "sphere", "layernorm"}
        See `lmdata.outside.frames.framed`.
    without : sequence of int or str
        Tokens to leave out, by place or by text: sinks, such as the first token, or ``"[SEP]"``. Attention keeps the
        weights between those that stay, which are not scaled up.
    store : path or address, optional
        Where to keep the dataset; it is there whole, or nothing is. In memory without it.

    Returns
    -------
    xarray.Dataset
        (<runs>, seed, time, token, component), as of `lmdata.simulate`, without a model: ``position``, ``attention``
        (<runs>, seed, time, head, token, key) where it is given; ``status`` and ``digest`` by run; ``word``; and
        ``token_present``, where runs differ in their tokens: positions of absent ones are NaN. Every measure takes a
        run's own tokens alone, so that padding changes no number. The attribute ``source`` is canonical JSON.

    Raises
    ------
    InvalidInput
        If dimensions, shapes or labels disagree, a number of a token that is there is not finite, or a run has no
        token; nothing is written then.
    StoreExists
        If there is something at the place.

    Examples
    --------
    >>> import lmdata, numpy as np
    >>> states = [np.ones((7, 3, 8), np.float16), np.ones((7, 2, 8), np.float16)]
    >>> ds = lmdata.from_trajectory(states, token=[["a", "red", "fox"], ["a", "dog"]], source={"name": "example"})
    >>> dict(ds.sizes), str(ds.position.dtype)
    ({'seed': 2, 'time': 7, 'token': 3, 'component': 8}, 'float32')
    >>> lmdata.mean_width(ds).isel(time=0).values.round(9)
    array([0., 0.])
    """
    states = as_states(position, dims, STATES)
    there = present_tokens(present, states)
    weights = None if attention is None else on_one_grid(attention, states)
    texts = words_of(states.labels if token is None else token, states, there)
    described = {"dtype": states.original, "frame": frame, **(source or {})}
    if without != ():
        described["without"] = [without] if isinstance(without, str | int) else list(without)
        there = left(without, there, texts, states)
        kept = np.flatnonzero(there.reshape(-1, states.tokens).any(axis=0))
        states, there = states.of_tokens(kept), there[..., kept]
        texts = None if texts is None else texts[..., kept]
        weights = None if weights is None else weights[..., kept, :][..., kept]
    dtype = states.values.dtype.name
    values = framed(states.with_absent(there), frame).astype(dtype)
    times, unit = _times(states.time if time is None else time, states)
    layout = TrajectoryLayout(
        swept=states.swept,
        seeds=states.seeds,
        time=times,
        time_unit=unit,
        labels=distinct(texts),
        tokens=values.shape[-2],
        components=values.shape[-1],
        dtype=dtype,
        attrs=_attributes(described),
        heads=0 if weights is None else weights.shape[-3],
        present=None if there is None or there.all() else there,
        words=texts if texts is not None and texts.ndim > 1 else None,
    )
    parts = {"position": values}
    if weights is not None:
        parts["attention"] = masked(weights, there).astype(dtype)
    made = _assembled(layout, parts)
    if store is None:
        return made
    from lmdata.data.opening import open_dataset
    from lmdata.data.store.creation import create_whole

    create_whole(store, layout, made)
    return open_dataset(store)


def _assembled(layout: TrajectoryLayout, parts: Mapping[str, NDArray[np.floating]]) -> xr.Dataset:
    """Return the dataset in memory, every run complete, with its digests."""
    memory = Memory(layout)
    rows = {name: values.reshape(layout.size, *values.shape[len(layout.shape) :]) for name, values in parts.items()}
    memory.put(range(layout.size), rows.pop("position"), steps_done=layout.frames - 1, diagnostics=rows)
    return memory.dataset()


def _times(time: Any, states: States) -> tuple[NDArray[Any], str]:
    """Return the times of the frames, int64 or float64, and their unit."""
    frames = states.values.shape[-3]
    times: NDArray[Any] = np.arange(frames) if time is None else real(time, "time")
    if times.shape != (frames,) or not (np.isfinite(times).all() and (np.diff(times) > 0).all()):
        raise InvalidInput(f"time is {times.tolist()!r:.80}; {counted(frames, 'frame')} need a number each, ascending")
    times = times.astype(np.float64 if times.dtype.kind == "f" else np.int64)
    return times, "layer" if states.unit == "layer" else "step" if times.dtype.kind == "i" else "1"


def _attributes(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of states that came from elsewhere."""
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return {
        "source": canonical_json(dict(source)),
        "versions": canonical_json(versions()),
        "created": created,
        "history": f"{created} taken over by lmdata {versions()['lmdata']}",
    }
