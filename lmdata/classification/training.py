"""Training: from a classifier and a corpus to a labelled dataset."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lmdata.classification.corpus import Corpus
from lmdata.classification.encoding import (
    Encoded,
    encode,
    known_words,
    pretrained_embedding,
    random_decoder,
    random_embedding,
    texts_of,
)
from lmdata.classification.model import Classifier
from lmdata.classification.variables import VARIABLES, attributes
from lmdata.data.derived import open_derived, save_derived
from lmdata.data.digest import canonical_json, sha256_of_json
from lmdata.data.store.storage import Place
from lmdata.data.store.stored_as import StoredAs, stored_as
from lmdata.errors import InvalidInput, RecipeMismatch, StoreExists
from lmdata.memory import available_memory
from lmdata.numerics.checks import as_count, as_number, as_path
from lmdata.numerics.random import counted_words
from lmdata.numerics.threads import parallel_for
from lmdata.runs.progress import Progress, reporting
from lmdata.runs.sweep import check_seeds, check_sweep
from lmdata.wording import counted

if TYPE_CHECKING:
    import xarray

FORM = 1
"""Version of what a trained classifier's dataset holds (attribute ``lmdata_classifier``)."""
_ORDER = (7, 3)
"""Of a seed's streams, the one that orders the texts of an epoch."""
_DECAY, _SQUARE_DECAY, _EPSILON = 0.9, 0.999, 1e-8
"""Of Adam, as published."""


@dataclass(frozen=True)
class Training:
    """Everything that a training depends on."""

    model: Classifier
    corpus: Corpus
    epochs: int
    seeds: tuple[int, ...]
    sweep: dict[str, tuple[float, ...]]
    test_share: float

    def specification(self) -> dict[str, Any]:
        """Return all of it as plain JSON values; of the corpus, what identifies it."""
        return {
            "lmdata_classifier": FORM,
            "model": self.model.specification(),
            "corpus": {"sha256": self.corpus.sha256, "texts": len(self.corpus), "positive": sum(self.corpus.labels)},
            "epochs": self.epochs,
            "seeds": list(self.seeds),
            "sweep": [[name, list(values)] for name, values in self.sweep.items()],
            "test_share": self.test_share,
        }

    def members(self) -> list[tuple[Classifier, int]]:
        """Return model and seed of every member, in C order of (<swept>, seed)."""
        points = itertools.product(*self.sweep.values())
        models = [_at(self.model, dict(zip(self.sweep, point, strict=True))) for point in points]
        return [(model, seed) for model in models for seed in self.seeds]


def train(
    model: Classifier,
    corpus: Corpus,
    *,
    epochs: int = 12,
    seeds: Sequence[int] = (0,),
    sweep: Mapping[str, Sequence[float]] | None = None,
    test_share: float = 0.2,
    store: str | os.PathLike[str] | None = None,
    progress: Progress | bool | None = None,
) -> xarray.Dataset:
    """Train a classifier end to end on a corpus: for each seed another split, start and order of the texts.

    Embedding, layers and decoder are trained by minibatches of the logistic loss. Through localmax and hardmax layers
    the derivative is that of their means, since neighbourhoods are piecewise constant, as the authors of arXiv
    2407.01602 train; through softmax it is whole.

    The same arguments give the same bits, on every machine and with any number of threads: each member is trained by
    one thread, in sums of fixed order, and no BLAS is called. (A pretrained embedding is data: the bits are those of
    its package's version.) The words that count are those of the training part; those of the vocabulary that are
    rarer there than ``least_count`` are left out of all texts.

    Parameters
    ----------
    model : Classifier
    corpus : Corpus
        As of `lmdata.reviews`.
    epochs : int
        Passes through the texts for training, at least 1.
    seeds : sequence of int
        One training each.
    sweep : mapping, optional
        Values of parameters of the model; each becomes a dimension of that name.
    test_share : float
        Share of the texts that is held out, and tells ``test_accuracy``.
    store : path, optional
        A folder in which to keep it, as plain zarr with a digest; if it holds this training, it is opened.
    progress : callable or bool, optional
        Called as ``progress(members done, members)``; True shows a bar.

    Returns
    -------
    xarray.Dataset
        Over (<swept>, seed, ...): by ``epoch``, 0 before any training, ``loss``, ``accuracy``, ``test_loss`` and
        ``test_accuracy``; and of the last epoch ``embedding``, ``decoder`` and ``bias``, the ``logit`` of every
        review, and of every occurrence of a word its ``share`` in the mean of the last state and whether it is a
        ``leader`` there. Texts stand one after the other along ``occurrence`` (CF's contiguous ragged arrays):
        ``word_count`` (review) says how many words each has, ``word_number`` which; words that are not ``known`` in a
        seed's training part have the share NaN. `evidence` reads one review, `interval` an accuracy.

    Raises
    ------
    InvalidInput
        If an argument is not allowed, no word is left, or memory does not suffice.
    FloatingPointError
        If numbers overflow, naming the member and the epoch.
    RecipeMismatch, StoreExists
        If the store holds something else.

    Examples
    --------
    >>> from lmdata.classification import Classifier, Corpus, train
    >>> corpus = Corpus(("a fine film", "a dull film", "fine", "dull", "so fine", "so dull") * 5, (1, 0) * 15)
    >>> ds = train(Classifier(components=4, layers=1), corpus, epochs=30)
    >>> ds.test_accuracy.isel(seed=0, epoch=-1).item()
    1.0
    """
    if not isinstance(model, Classifier):
        raise InvalidInput(f"model must be a Classifier(...); got {model!r:.80}")
    if not isinstance(corpus, Corpus):
        raise InvalidInput(f"corpus must be a Corpus, as lmdata.reviews returns; got {type(corpus).__name__}")
    training = Training(
        model,
        corpus,
        as_count(epochs, "epochs"),
        check_seeds(seeds),
        check_sweep(sweep, model.sweepable, "a classifier"),
        as_number(test_share, "test_share", minimum=0, above=True),
    )
    members = training.members()  # checks every swept value
    if store is None:
        return _trained(training, members, progress)
    target = as_path(store, "store")
    if os.path.lexists(target):
        return _kept(training, target)
    made = _trained(training, members, progress)
    save_derived(
        made,
        target,
        source=made,
        made_by="lmdata.classification.train",
        parameters=training.specification(),
    )
    return open_derived(target)


def _at(model: Classifier, point: Mapping[str, float]) -> Classifier:
    for name, value in point.items():
        model = model.with_parameter(name, value)
    return model


def _kept(training: Training, target: Any) -> xarray.Dataset:
    """Return the training that is at a place, if it is this one."""
    if stored_as(Place.of(target)) is not StoredAs.DERIVED:
        raise StoreExists(f"there is already something else at {target}; choose another place, or remove it first")
    dataset = open_derived(target)
    if dataset.attrs.get("recipe") != canonical_json(training.specification()):
        raise RecipeMismatch(f"{target} holds another dataset and is left as it is; choose another place")
    return dataset


def _trained(
    training: Training, members: list[tuple[Classifier, int]], progress: Progress | bool | None
) -> xarray.Dataset:
    import xarray

    model, corpus = training.model, training.corpus
    encoded = encode(corpus, least=model.least_count, most=model.most_words)
    found = _empty(training, encoded, len(members))
    splits = {seed: corpus.held_out(seed, training.test_share) for seed in training.seeds}
    known = {seed: known_words(encoded, ~splits[seed], model.least_count) for seed in training.seeds}
    for seed in training.seeds:
        if not known[seed].any():
            raise InvalidInput(
                f"no word occurs {model.least_count} times in the training texts of seed {seed}: lower least_count"
            )
    given = pretrained_embedding(encoded.words, model.components) if model.embedding == "words" else None
    with reporting(progress, len(members)) as report:
        done = itertools.count(1)

        def task(begin: int, end: int) -> None:
            for row in range(begin, end):
                own, seed = members[row]
                _train_one(own, seed, training.epochs, encoded, splits[seed], known[seed], given, found, row)
                report(next(done))

        parallel_for(task, len(members), 1)
    shape = (*map(len, training.sweep.values()), len(training.seeds))
    values = {name: (_dims(name, training), array.reshape(*shape, *array.shape[1:])) for name, array in found.items()}
    values |= {
        "label": (("review",), np.array(corpus.labels, np.int64)),
        "word_count": (("review",), np.diff(encoded.first)),
        "word_number": (("occurrence",), encoded.occurrences),
        "held_out": (("seed", "review"), np.array([splits[seed] for seed in training.seeds])),
        "known": (("seed", "word"), np.array([known[seed] for seed in training.seeds])),
    }
    coords: dict[str, Any] = {
        name: (name, np.array(column), {"long_name": name.replace("_", " "), "units": "1"})
        for name, column in training.sweep.items()
    }
    columns = {
        "seed": np.array(training.seeds, np.int64),
        "epoch": np.arange(training.epochs + 1),
        "word": np.array(encoded.words),
        "component": np.arange(model.components),
    }
    coords |= {name: (name, column, attributes(name)) for name, column in columns.items()}
    ds = xarray.Dataset({name: (*value, attributes(name)) for name, value in values.items()}, coords=coords)
    ds["word_count"].attrs["sample_dimension"] = "occurrence"
    specification = training.specification()
    ds.attrs = {
        "lmdata_classifier": FORM,
        "recipe": canonical_json(specification),
        "recipe_id": sha256_of_json(specification),
        "model": canonical_json(model.specification()),
    }
    return ds


def _dims(name: str, training: Training) -> tuple[str, ...]:
    return VARIABLES[name].dimensions(tuple(training.sweep))


def _empty(training: Training, encoded: Encoded, members: int) -> dict[str, NDArray[Any]]:
    """Return arrays to be filled, by variable, a row a member; refuse what there is no memory for."""
    words, components = len(encoded.words), training.model.components
    size = members * (9 * encoded.occurrences.size + 8 * words * components)
    working = training.model.layers * training.model.most_words**2 * 8 + 4 * 8 * words * components
    room = available_memory()
    if size + working > room:
        raise InvalidInput(
            f"the training takes {size + working:,} B for {counted(members, 'member')}, and {room:,} B are free: train "
            "fewer seeds or swept values at a time, or fewer components, or read fewer words of a text (most_words)"
        )
    epochs, reviews, d = training.epochs + 1, len(training.corpus), components
    return {
        **{name: np.empty((members, epochs)) for name in ("loss", "accuracy", "test_loss", "test_accuracy")},
        "embedding": np.empty((members, words, d)),
        "decoder": np.empty((members, d)),
        "bias": np.empty(members),
        "logit": np.empty((members, reviews)),
        "share": np.full((members, encoded.occurrences.size), np.nan),
        "leader": np.zeros((members, encoded.occurrences.size), np.bool_),
    }


def _train_one(
    model: Classifier,
    seed: int,
    epochs: int,
    encoded: Encoded,
    held_out: NDArray[np.bool_],
    known: NDArray[np.bool_],
    given: NDArray[np.float64] | None,
    found: dict[str, NDArray[Any]],
    row: int,
) -> None:
    """Train one member, and write what comes of it into its row."""
    from lmdata.classification.kernel import Descent, Moments, Weights, losses, read_all, space, train_epoch

    v, d = len(encoded.words), model.components
    weights = Weights(
        model.scale * (random_embedding(seed, v, d) if given is None else given),
        random_decoder(seed, d),
    )
    moments = Moments(
        *(np.zeros((v, d)), np.zeros((v, d)), np.zeros(v, np.int64)),
        *(np.zeros(d + 1), np.zeros(d + 1), np.zeros(1, np.int64)),
    )
    texts, kept = texts_of(encoded, known)
    layers, rule = layers_of(model), Descent(model.step, _DECAY, _SQUARE_DECAY, _EPSILON, model.penalty, model.trained)
    work = space(layers, d, int(np.diff(texts.first).max(initial=0)))
    training = np.flatnonzero(~held_out)
    share, leader = np.empty(texts.words.size), np.zeros(texts.words.size, np.bool_)
    logit = found["logit"][row]
    for epoch in range(epochs + 1):
        if epoch:
            key = counted_words([seed], epoch, training.size, stream=_ORDER)[0]
            order = training[np.argsort(key, kind="stable")]
            train_epoch(texts, order, model.batch, weights, moments, layers, rule, work)
        read_all(texts, weights, layers, work, logit, share, leader, 0, logit.size)
        if not np.isfinite(logit).all():
            raise FloatingPointError(
                f"numbers of the classifier of seed {seed} are no longer finite after {epoch} epochs: lower step, "
                f"{model.step:g}"
            )
        for part, names in ((~held_out, ("loss", "accuracy")), (held_out, ("test_loss", "test_accuracy"))):
            for name, value in zip(names, losses(logit[part], encoded.labels[part]), strict=True):
                found[name][row, epoch] = value
    found["embedding"][row], found["decoder"][row], found["bias"][row] = (
        weights.embedding,
        weights.decoder[:d],
        weights.decoder[d],
    )
    found["share"][row, kept], found["leader"][row, kept] = share, leader


def layers_of(model: Classifier) -> Any:
    """Return the layers of a classifier, as the kernels take them."""
    from lmdata.classification.kernel import Layers

    soft = model.attention == "softmax"
    return Layers(
        model.layers,
        model.influence / (1.0 + model.influence),
        soft,
        model.inverse_temperature if soft else model.alignment_sensitivity,
    )
