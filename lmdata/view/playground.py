"""Localmax that a page computes by itself: tokens to drag, parameters to move, and the bits that lmdata has."""

from __future__ import annotations

import base64
import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray
from numpy.typing import NDArray

from lmdata.data.digest import member_digest, member_key
from lmdata.data.identity import names_of
from lmdata.dynamics.model import model_from_specification
from lmdata.dynamics.schedules import Schedule
from lmdata.errors import IncompleteDataset, InvalidInput
from lmdata.view import naming
from lmdata.view.members import CORE, Members, is_localmax
from lmdata.view.plane import plane
from lmdata.wording import counted

MOST_TOKENS = 400
"""Tokens of a start that a page draws, each with its path and a ring to drag it by."""
MOST_PRODUCTS = 4 * 10**8
"""Products of components that one trajectory may take, n x n x d x steps: what a browser computes in about a second."""
MOST_STEPS = 5_000
"""Steps that a page may be asked for."""
MOST_NUMBERS = 2**17
"""Numbers of all the starts that a page holds: 1.4 MB of text."""
MOST_MEMBERS = 4_096
"""Members whose digests a page holds."""
SWEPT = ("alignment_sensitivity", "influence")


@dataclass(frozen=True)
class Playground:
    """Localmax on a page, computed there; made by `playground`.

    Parameters
    ----------
    data : dict
        What the page's program needs, as plain JSON values; floats are exact.
    """

    data: dict[str, Any]


def playground(
    ds: xarray.Dataset,
    *,
    alignment_sensitivity: float | None = None,
    influence: float | None = None,
    seed: int | None = None,
    time: int | None = None,
) -> Playground:
    """Return localmax from a dataset's starts to play with on a page: the page computes every step by itself.

    Its program takes the canonical step with the numbers that lmdata takes it with, so that it has the same bits, and
    shows the digest of what it has computed. Tokens can be dragged, added and removed, the alignment sensitivity and
    the influence moved continuously. For more than two components the tokens are shown, and dragged, in a plane.

    Parameters
    ----------
    ds : Dataset
        Made by `lmdata.Localmax`; the first step is in its record.
    alignment_sensitivity, influence : float, optional
        What the page opens with: by default the model's, or the middle one of those swept. Where the sensitivity is
        a schedule, it is what the schedule is multiplied by, 1 by default.
    seed : int, optional
        The start that it opens with, the first by default.
    time : int, optional
        The step that it opens at, the last by default.

    Returns
    -------
    Playground
        To be given to `Section` as its figure.

    Raises
    ------
    InvalidInput
        If ``ds`` is of another model, does not begin at step 0, has one component alone, or is too large for a page.
    IncompleteDataset
        If the start that is asked for is in no member that was computed.

    Examples
    --------
    >>> import tempfile, lmdata
    >>> from lmdata import view
    >>> ds = lmdata.simulate(lmdata.Localmax(0.1), lmdata.tokens.uniform(12, 2), steps=20, seeds=(0, 1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = view.write_page(folder + "/play.html", "Play", [view.Section("Drag a ring", view.playground(ds))])
    ...     page.stat().st_size < 300_000
    True
    """
    members = Members(ds)
    dims = _checked(ds, members.choices)
    steps = int(ds["time"].values[-1])
    model: Any = model_from_specification(json.loads(ds.attrs["model"]))
    scheduled = isinstance(model.alignment_sensitivity, Schedule) and "alignment_sensitivity" not in dims
    choices = {
        "alignment_sensitivity": [1.0 if scheduled else model.alignment_sensitivity],
        "influence": [model.influence],
        "seed": [0],
    } | members.choices
    given = {"alignment_sensitivity": alignment_sensitivity, "influence": influence}
    opened = {
        name: float(choices[name][(len(choices[name]) - 1) // 2] if value is None else value)
        for name, value in given.items()
    }
    seeds = _seeds(choices["seed"], seed, ds.sizes["token"] * ds.sizes["component"])
    first = seeds[0] if seed is None else seed
    starts = _starts(ds, dims, seeds)
    names, words = _names(ds["token"])
    return Playground(
        {
            "name": str(ds.attrs.get("catalogue_name", "")),
            "title": naming.dataset_name(ds),
            "components": ds.sizes["component"],
            "names": names,
            "words": words,
            "matrix": None if model.matrix is None else model.matrix.tolist(),
            "schedule": _schedule(model.alignment_sensitivity, steps) if scheduled else None,
            "steps": steps,
            "most": {"tokens": MOST_TOKENS, "steps": steps if scheduled else MOST_STEPS, "products": MOST_PRODUCTS},
            "values": {name: choices[name] for name in SWEPT},
            "dims": dims,
            "seeds": seeds,
            "of": len(choices["seed"]),
            "starts": [base64.b64encode(start.astype("<f8").tobytes()).decode() for start in starts],
            "planes": None if starts.shape[2] == 2 else [plane(s[None]).matrix.T.tolist() for s in starts],
            "axes": plane(starts[seeds.index(first)][None]).labels,
            "opened": {**opened, "seed": first, "time": steps if time is None else time},
            **_digests(ds, dims, seeds, choices, first),
        }
    )


def example() -> xarray.Dataset:
    """Return the dataset of a page that is asked for without a name: 24 tokens in the square.

    Examples
    --------
    >>> example().sizes["token"]
    24
    """
    from lmdata.dynamics.models.localmax import Localmax
    from lmdata.dynamics.tokens import uniform
    from lmdata.runs.simulation import simulate

    found = simulate(Localmax(0.1), uniform(24, 2), steps=60, seeds=range(10))
    return found.assign_attrs(title="24 tokens in the square")


def _checked(ds: xarray.Dataset, choices: Mapping[str, Any]) -> list[str]:
    """Return the swept dimensions of a dataset that a page can compute; refuse any other dataset."""
    sizes = ds.sizes
    if not is_localmax(ds):
        kind = json.loads(ds.attrs.get("model", "{}")).get("kind", "no model")
        raise InvalidInput(
            f"a page computes localmax alone, and ds was made by {naming.plain(kind)}; "
            "look at it with lmdata dashboard, or with view.trajectories(ds)"
        )
    strange = sorted(set(choices) - {*SWEPT, "seed"})
    if strange:
        raise InvalidInput(f"ds has the dimension {strange[0]!r}; a page has those of {', '.join(SWEPT)} and seed")
    if int(ds["time"].values[0]) != 0:
        raise InvalidInput(
            f"the record of ds begins at step {ds['time'].values[0]}; a page computes from step 0: record it too"
        )
    if sizes["component"] < 2:
        raise InvalidInput("ds has 1 component; a page shows a plane: look at it with view.trajectories(ds)")
    if sizes["token"] > MOST_TOKENS:
        raise InvalidInput(
            f"ds has {counted(sizes['token'], 'token', form=',')}; a page draws at most {MOST_TOKENS}, "
            "and fewer would move otherwise: "
            "look at it with lmdata dashboard, or simulate fewer"
        )
    products = sizes["token"] ** 2 * sizes["component"] * int(ds["time"].values[-1])
    if products > MOST_PRODUCTS:
        raise InvalidInput(
            f"a trajectory of ds takes {products:.1e} products ({counted(sizes['token'], 'token')}, "
            f"{counted(sizes['component'], 'component')}, {ds['time'].values[-1]} steps), and a page may take "
            f"{MOST_PRODUCTS:.0e}: look at it with lmdata dashboard, or simulate fewer steps"
        )
    return [str(dim) for dim in ds["position"].dims if dim in SWEPT]


def _seeds(seeds: list[int], wanted: int | None, numbers: int) -> list[int]:
    """Return as many seeds as a page holds, the one that is wanted among them."""
    most = min(max(1, MOST_NUMBERS // numbers), MOST_MEMBERS)
    if wanted is not None and wanted not in seeds:
        raise InvalidInput(f"seed is {wanted!r}; ds has {', '.join(map(str, seeds[:12]))}{', ...' * (len(seeds) > 12)}")
    shown = seeds[:most]
    return shown if wanted is None or wanted in shown else [*shown[:-1], wanted]


def _starts(ds: xarray.Dataset, dims: list[str], seeds: list[int]) -> NDArray[np.float64]:
    """Return the tokens of each seed at step 0, (seed, token, component)."""
    first = ds["position"].isel({**dict.fromkeys(dims, 0), "time": 0})
    first = first.sel(seed=seeds) if "seed" in first.dims else first.expand_dims("seed")
    starts = np.asarray(first.transpose("seed", *CORE[1:]).values, dtype=np.float64)
    if not np.isfinite(starts).all():
        number = int(np.argmin(np.isfinite(starts).all(axis=(1, 2))))
        raise IncompleteDataset(
            f"the start of seed {seeds[number]} was not computed yet; run lmdata.resume on the store"
        )
    return starts + 0.0


def _names(token: xarray.DataArray) -> tuple[list[str] | None, bool]:
    """Return what tokens are called, None for their numbers, and whether these are words of a text."""
    labels = token.values
    if labels.dtype.kind not in "OU":
        return None, False
    names = [naming.plain(str(label).rpartition("@")[0] or label, longest=naming.BESIDE) for label in labels]
    return names, True


def _schedule(sensitivity: Any, steps: int) -> dict[str, Any]:
    return {"kind": naming.plain(sensitivity.kind), "values": sensitivity.values(steps).tolist()}


def _digests(
    ds: xarray.Dataset,
    dims: list[str],
    seeds: list[int],
    choices: Mapping[str, list[Any]],
    opened: int,
) -> dict[str, Any]:
    """Return keys and digests of the members that a page can compute, where ``ds`` holds them as they were stored."""
    found: dict[str, Any] = {"recorded": ds["time"].values.tolist(), "members": None, "whole": None}
    points = math.prod(len(choices[dim]) for dim in dims)
    if "digest" not in ds or "seed" not in ds["position"].dims or points * len(seeds) > MOST_MEMBERS:
        return found
    digests = ds["digest"].sel(seed=seeds).transpose(*dims, "seed")
    keys = [
        member_key({**dict(zip(dims, values, strict=True)), "seed": one})
        for values in itertools.product(*(choices[dim] for dim in dims))
        for one in seeds
    ]
    at: dict[str, Any] = {dim: choices[dim][0] for dim in dims} | {"seed": opened}
    one = ds["position"].sel(at).transpose(*CORE).values
    if one.dtype != np.float64 or member_digest(member_key(at), one) != digests.sel(at).item():
        return found
    found["members"] = {"keys": keys, "digests": digests.values.ravel().tolist()}
    names = names_of(ds)
    if "digest" in names and len(seeds) == len(choices["seed"]) and _in_order(ds, dims):
        found["whole"] = {"recipe": names["recipe_id"], "digest": names["digest"]}
    return found


def _in_order(ds: xarray.Dataset, dims: list[str]) -> bool:
    """Return whether members are numbered by the dimensions in this order, the last one fastest."""
    return [str(dim) for dim in ds["digest"].dims] == [*dims, "seed"]
