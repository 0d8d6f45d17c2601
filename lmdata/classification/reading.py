"""What a trained classifier goes by: the words of a review, their shares, and what each adds to the logit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lmdata.classification.training import FORM
from lmdata.errors import InvalidInput
from lmdata.numerics.checks import as_count, as_number
from lmdata.numerics.random import normal_quantile

if TYPE_CHECKING:
    import xarray


def evidence(ds: xarray.Dataset, review: int) -> xarray.Dataset:
    r"""Read one review of a trained classifier, word by word.

    .. math:: x = b + \sum_j s_j \langle w, E_j \rangle

    Parameters
    ----------
    ds
        Of `train`, of one member: select the others away, such as ``ds.isel(seed=0)``.
    review : int
        Number of the review.

    Returns
    -------
    xarray.Dataset
        Along ``occurrence``, the known words of the review in their order: ``word``, whether it is a ``leader``, its
        ``share`` :math:`s_j`, and its ``contribution`` :math:`s_j \langle w, E_j \rangle`; and ``logit``, which they
        and the bias add up to. Shares of localmax and hardmax are the derivatives as well; of softmax layers weights
        move with the state, and the sum holds nevertheless.

    Raises
    ------
    InvalidInput
        If ``ds`` is no dataset of a trained classifier, has several members, or there is no such review.

    Examples
    --------
    >>> from lmdata.classification import Classifier, Corpus, evidence, train
    >>> corpus = Corpus(("a fine film", "a dull film", "fine", "dull", "so fine", "so dull") * 5, (1, 0) * 15)
    >>> ds = train(Classifier(components=4, layers=1), corpus, epochs=30)
    >>> found = evidence(ds.isel(seed=0), 0)
    >>> found.word.values.tolist(), bool(found.contribution.sel(occurrence=1) > 0)
    (['a', 'fine', 'film'], True)
    """
    import xarray

    _check(ds, "evidence")
    if extra := [dim for dim in ds["logit"].dims if dim != "review"]:
        raise InvalidInput(f"evidence is of one member, and the dataset has several along {extra[0]!r}: select one")
    review = as_count(review, "review", minimum=0)
    if review >= ds.sizes["review"]:
        raise InvalidInput(f"review is {review}, and the dataset has {ds.sizes['review']}, numbered from 0")
    counts = ds["word_count"].values
    first = int(counts[:review].sum())
    part = ds.isel(occurrence=slice(first, first + int(counts[review])))
    share = part["share"].values
    kept = ~np.isnan(share)
    numbers = part["word_number"].values[kept]
    score = (ds["embedding"].isel(word=np.unique(numbers)) * ds["decoder"]).sum("component").values
    pull = score[np.searchsorted(np.unique(numbers), numbers)]
    at = ("occurrence",)
    return xarray.Dataset(
        {
            "word": (at, ds["word"].values[numbers].astype(np.str_), {"long_name": "word, in lower case"}),
            "leader": (at, part["leader"].values[kept], part["leader"].attrs),
            "share": (at, share[kept], part["share"].attrs),
            "contribution": (at, share[kept] * pull, {"long_name": "what the word adds to the logit", "units": "1"}),
            "logit": ((), float(ds["logit"][review]), ds["logit"].attrs),
        },
        coords={"occurrence": (at, np.flatnonzero(kept), {"long_name": "place of the word among those of the text"})},
    )


def interval(accuracy: float, count: int, *, level: float = 0.95) -> tuple[float, float]:
    r"""Return the interval of Wilson (1927) in which a share lies that was found on so many texts.

    .. math:: \frac{p + z^2/2n \pm z \sqrt{p (1 - p)/n + z^2/4n^2}}{1 + z^2/n}

    Parameters
    ----------
    accuracy : float
        The share found, between 0 and 1.
    count : int
        Texts that it was found on.
    level : float
        Of confidence, between 0 and 1.

    Returns
    -------
    (float, float)
        Its ends.

    Raises
    ------
    InvalidInput
        If the share or the level is none.

    Examples
    --------
    >>> [round(end, 4) for end in interval(0.5, 100)]
    [0.4038, 0.5962]
    """
    p, n = as_number(accuracy, "accuracy"), as_count(count, "count")
    level = as_number(level, "level")
    if not 0.0 <= p <= 1.0:
        raise InvalidInput(f"accuracy is {p:g}; it must be a share, between 0 and 1")
    if not 0.0 < level < 1.0:
        raise InvalidInput(f"level is {level:g}; it must be between 0 and 1, such as 0.95")
    z = float(normal_quantile(np.array([(1.0 + level) / 2.0]))[0])
    square = z * z / n
    half = z * math.sqrt(p * (1.0 - p) / n + square / (4.0 * n))
    return (p + square / 2.0 - half) / (1.0 + square), (p + square / 2.0 + half) / (1.0 + square)


def _check(ds: xarray.Dataset, what: str) -> None:
    form = getattr(ds, "attrs", {}).get("lmdata_classifier")
    if form != FORM:
        raise InvalidInput(
            f"{what} needs a dataset of lmdata.classification.train, with the attribute lmdata_classifier = {FORM}; "
            f"this one has {form!r}"
        )
