"""``lmdata demo``: from a sentence to a stored, measured and visible dataset, in under a minute."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lmdata.data.digest import sha256_of_json
from lmdata.errors import InvalidInput
from lmdata.wording import counted

if TYPE_CHECKING:
    import xarray

    from lmdata.dynamics.tokens import TokenSource

SENTENCE = "film-review"
SWEEP = "localmax-square"
SENSITIVITIES = (0.0, 0.2, 1.0)
PICTURED = 0.05


def demo(output: Path, *, text: str | None = None, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Build `film-review`, print which words end at one point, run the pipelines on a sweep and write a page.

    Parameters
    ----------
    output : path
        Folder for the page and the derived datasets; made where it is missing.
    text : str, optional
        A sentence to take instead of the film review, through the same sensitivities; its run is kept in the folder.
    say : callable
        Called with each line for the reader.

    Returns
    -------
    dict
        Where everything is: ``sentence``, ``page``, ``picture``, ``pipelines`` (a place each), ``seconds``.

    Raises
    ------
    InvalidInput
        If the text has no word.
    BackendUnavailable
        If the packages of the extra ``text`` are not installed.
    """
    import lmdata

    started = time.perf_counter()
    source = None if text is None else lmdata.tokens.text(text)  # refused before anything is made or imported
    output.mkdir(parents=True, exist_ok=True)
    sentence = SENTENCE if source is None else str(output / f"sentence-{sha256_of_json(source.specification())[:8]}")
    kept = f"building {SENTENCE!r} (kept in {lmdata.catalog.cache})" if source is None else f"kept in {sentence}"
    say(f"1. A sentence becomes tokens: {kept}.")
    review = lmdata.open(SENTENCE) if source is None else _simulated(source, sentence)
    from lmdata import view
    from lmdata.pipeline import analyse

    size = f"{counted(review.sizes['token'], 'word')} of {counted(review.sizes['component'], 'component')}"
    say(f"   {size}, at 12 sensitivities.\n")
    say("2. Which words end at the same point (localmax):")
    for line in groups(review, SENSITIVITIES):
        say(line)
    if source is None:
        say("   The largest cluster holds the shortest vectors; random directions of the same lengths gather as")
        say("   they do (lmdata.open('film-review-null'), docs/gallery/film_review.py): that says nothing of meanings.")
    say(f"\n3. A sweep and its measures: {SWEEP!r} through three pipelines.")
    made = analyse(SWEEP, pipelines=None, output=output, scheduler=None)
    for pipeline, place in made.items():
        say(f"   {pipeline}: {place}")
    picture = view.save(
        view.words(review.sel(alignment_sensitivity=[PICTURED]), time=review["time"].values[-1]),
        output / f"{Path(sentence).name}.png",
    )
    page = write(output / "index.html", review, lmdata.open(SWEEP))
    seconds = time.perf_counter() - started
    say(f"\n4. One page with the figures, for any browser, no server, no network: {page}")
    say(f"   and one picture for a talk: {picture}")
    say(f"\nDone in {seconds:.0f} s. To go on:")
    say(f"   lmdata dashboard {shlex.quote(sentence):<18} # sliders for sensitivity, seed and time")
    say("   lmdata catalog list                 # what else there is by name")
    say("   python -c \"import xarray; print(xarray.open_dataset('lmdata:hardmax-square'))\"")
    places = {"sentence": sentence, "page": str(page), "picture": str(picture), "pipelines": made}
    return places | {"seconds": round(seconds, 1)}


def _simulated(source: TokenSource, place: str) -> xarray.Dataset:
    """Return the run of a sentence that is that of `film-review` for other words; one that is there is opened."""
    import lmdata
    from lmdata.library import run_specification
    from lmdata.runs.means import Means

    recipe = dict(lmdata.catalog[SENTENCE].recipe or {})
    return run_specification(recipe | {"tokens": source.specification()}, Means(store=place))


def groups(dataset: xarray.Dataset, sensitivities: Sequence[float], *, most: int = 6) -> list[str]:
    """Return lines that say which tokens share a limit, for each of the given sensitivities.

    Parameters
    ----------
    dataset : Dataset
        With a swept ``alignment_sensitivity``; its first seed is used.
    sensitivities : sequence of float
        Swept values to speak of.
    most : int
        Largest groups that are listed by their words.
    """
    import lmdata

    limits = lmdata.limit_polytope(dataset)[["cluster", "settled"]].isel(seed=0).load()
    words = dataset["token"].values.astype(str)
    lines = []
    for sensitivity in sensitivities:
        limit = limits.sel(alignment_sensitivity=sensitivity)
        labels = limit.cluster.values
        members = [words[labels == label] for label in np.unique(labels)]
        gathered = sorted((group for group in members if len(group) > 1), key=lambda group: -len(group))
        alone = len(members) - len(gathered)
        told = f"{counted(len(members), 'cluster')}, {counted(alone, 'word')} alone"
        lines.append(f"   sensitivity {sensitivity:g}: {told}{'' if limit.settled else ', not settled yet'}")
        lines.extend(f"      {len(group):2d}  {' '.join(_bare(group))}" for group in gathered[:most])
    return lines


def _bare(words: Sequence[str]) -> list[str]:
    """Return each word once, without the position that tells repeated words apart, with its number of tokens."""
    bare, counts = np.unique([word.split("@")[0] for word in words], return_counts=True)
    return [word if count == 1 else f"{word} (x{count})" for word, count in zip(bare, counts, strict=True)]


def write(path: Path, review: xarray.Dataset, sweep: xarray.Dataset) -> Path:
    """Write the demo's page: the sentence and a square of tokens, computed there, and measures of the sweep."""
    from lmdata import view

    few = sweep.sel(alignment_sensitivity=[0.0, PICTURED, 0.1, 0.3, 0.8], seed=[0, 1, 2])
    square = view.playground(few, alignment_sensitivity=PICTURED)
    sections = [
        _sentence(review),
        view.Section(
            "Tokens in the square",
            square,
            f"{counted(sweep.sizes['token'], 'token')} of a sweep. Sensitivity and seed that are chosen in one "
            "section are taken over by the others.",
        ),
        view.Section("Decay of the hull", view.volume_decay(few), "Volume of the hull relative to the first frame."),
        view.Section(
            "Vertices and quiescent sets",
            [view.occupancy(few), view.quiescent_raster(few)],
            "Share of the tokens at each vertex; tokens that listen to nobody outside their set.",
        ),
    ]
    return view.write_page(path, "lmdata: from a sentence to its clusters", sections, linked=True)


def _sentence(review: xarray.Dataset) -> Any:
    """Return the section of the sentence, which opens where its largest cluster has formed."""
    from lmdata import view

    title, told = "Words that end at one point", "Words of one colour end at one point; those in grey are alone."
    try:
        figure = view.playground(review, alignment_sensitivity=PICTURED)
    except InvalidInput:  # more words than a page can compute
        moving = review.isel(time=slice(None, None, 4))
        return view.Section(title, [view.words(moving), view.trajectories(moving)], f"{told} These are stored frames.")
    return view.Section(
        title,
        figure,
        f"Each word is a token of {review.sizes['component']} numbers, and the picture is a plane through them. {told} "
        "Move the sensitivity, drag a word, or point at one: the page computes where all of them go.",
    )
