"""Batches: what is done for many members at once is what is done for each."""

import warnings

import numpy as np
import pytest

import lmdata
from lmdata.dynamics import batch, tokens
from lmdata.dynamics.models import CircleDensityFlow, LocalmaxVariant, SelfAttention, Sinkformer, SphereAttention
from lmdata.dynamics.models.noisy import Noisy
from lmdata.errors import AccuracyWarning, InvalidInput, ResolutionWarning
from lmdata.numerics.random import MANY

GOOD = np.array([[0.0, 1.0], [1.0, 0.0], [0.6, 0.8]])
FAR, SMALL, ZERO = GOOD * [1e200, 1.0], GOOD * [1e-200, 1.0], GOOD * [[1.0], [1.0], [0.0]]
OFF, HEAVY = GOOD + 0.25, np.array([[0.5], [0.5], [0.5]])


@pytest.mark.parametrize(
    "source", [tokens.uniform(5, 2, -2.0, 3.0), tokens.normal(5, 3), tokens.ball(4, 2), tokens.sphere(4, 3)]
)
def test_many_seeds_are_drawn_as_each_is(source):
    seeds = [*range(MANY), 2**40]
    drawn = batch.draw(source, seeds)
    for row, seed in enumerate(seeds):
        assert np.array_equal(drawn[row], source.draw(seed))
        assert np.array_equal(drawn[row], batch.draw(source, [seed])[0])


def test_given_starts_are_drawn_by_their_seeds():
    values = np.arange(12.0).reshape(3, 2, 2)
    assert np.array_equal(batch.draw(tokens.array(values, seeds=[7, 3, 5]), [5, 7]), values[[2, 0]])
    assert batch.draw(tokens.array(values[0]), [1, 2]).shape == (2, 2, 2)
    with pytest.raises(InvalidInput, match="none for seed 4"):
        batch.draw(tokens.array(values, seeds=[7, 3, 5]), [5, 4])


class Lattice:
    """A token source from outside, which knows of one seed at a time."""

    kind, labels, depends_on_seed, rebuildable = "lattice", None, True, True
    shape = (3, 2)

    def specification(self):
        return {"kind": "lattice"}

    def draw(self, seed):
        return np.arange(6).reshape(3, 2) + seed


def test_a_source_that_draws_one_seed_at_a_time_serves():
    assert np.array_equal(batch.draw(Lattice(), [4, 1]), np.stack([Lattice().draw(4), Lattice().draw(1)]))
    wrong = Lattice()
    wrong.shape = (3, 3)
    with pytest.raises(InvalidInput, match=r"'lattice' have the shape \(3, 2\).*says that it is \(3, 3\)"):
        batch.draw(wrong, [0])


class Transposed(Lattice):
    """Draws tokens whose components lie one after the other in memory."""

    def draw(self, seed):
        return np.asfortranarray(super().draw(seed))


@pytest.mark.parametrize("seeds", [[0], [0, 1]])
def test_the_bits_of_a_run_do_not_depend_on_how_a_source_lays_out_its_tokens(seeds):
    assert batch.draw(Transposed(), seeds).flags.c_contiguous
    assert np.array_equal(batch.draw(Transposed(), seeds), batch.draw(Lattice(), seeds))


class Doubled(type(tokens.uniform(1, 1))):
    """Changes what is drawn for one seed, and knows nothing of batches."""

    def draw(self, seed):
        return 2 * super().draw(seed)


class Picky(lmdata.Localmax):
    """Changes what is checked of one start, and knows nothing of batches."""

    def check(self, tokens, steps):
        if tokens[0, 0] > 1:
            raise InvalidInput("too far right")
        super().check(tokens, steps)


def test_a_subclass_that_changes_one_member_changes_batches():
    assert np.array_equal(batch.draw(Doubled(3, 2), [1, 2]), 2 * batch.draw(tokens.uniform(3, 2), [1, 2]))
    batch.check([Picky(0.1)], np.stack([GOOD, GOOD]), 3)
    with pytest.raises(InvalidInput, match="too far right"):
        batch.check([Picky(0.1)], np.stack([GOOD, GOOD + 2]), 3)


@pytest.mark.parametrize(
    ("model", "wrong"),
    [
        (lmdata.Localmax(0.1), FAR),
        (lmdata.Localmax(0.1), SMALL),
        (lmdata.Localmax(alignment=[[2.0, 0.5], [0.5, 1.0]]), FAR),
        (SelfAttention(), FAR),
        (Noisy(model=SelfAttention()), FAR),
        (SphereAttention(), OFF),
        (SphereAttention(), ZERO),
        (Sinkformer(), FAR),
        (LocalmaxVariant(geometry="sphere"), OFF),
        (CircleDensityFlow(), HEAVY),
    ],
)
def test_each_start_is_checked(model, wrong):
    """The wrong start is refused wherever in the batch it stands, with the words that are said of it alone."""
    good = np.full((3, 1), 1 / 3) if isinstance(model, CircleDensityFlow) else GOOD
    with pytest.raises(InvalidInput) as alone:
        model.check(wrong, 5)
    batch.check([model], np.stack([good] * 3), 5)
    for place in range(3):
        starts = np.stack([wrong if row == place else good for row in range(3)])
        with pytest.raises(InvalidInput) as found:
            batch.check([model], starts, 5)
        assert str(found.value) == str(alone.value)


def test_a_run_checks_every_seed():
    starts = np.stack([GOOD, GOOD, FAR])
    lmdata.simulate(lmdata.Localmax(), starts[:2], steps=1, seeds=range(2))
    with pytest.raises(InvalidInput, match="component 0: scores would overflow"):
        lmdata.simulate(lmdata.Localmax(), starts, steps=1, seeds=range(3))


def test_each_model_is_checked():
    """Of a sweep the model that fails is found wherever it stands."""
    for sensitivities in ((0.1, 1e-17), (1e-17, 0.1)):
        with pytest.warns(ResolutionWarning, match="at most 1e-17"):
            batch.check([lmdata.Localmax(value) for value in sensitivities], GOOD[None], 5)
    with pytest.raises(InvalidInput, match="2 values for 5 steps"):
        batch.check([lmdata.Localmax(0.1), lmdata.Localmax([0.1, 0.2])], GOOD[None], 5)
    hot = [SphereAttention(inverse_temperature=value, normalised=False) for value in (1.0, 4.0)]
    for models in (hot, hot[::-1]):
        with pytest.warns(AccuracyWarning, match="unstable"):
            batch.check(models, GOOD[None], 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batch.check(hot[:1], GOOD[None], 5)


@pytest.mark.parametrize("swept", [[0.1, 1e-17], [1e-17, 0.1]])
def test_a_run_checks_every_value_of_its_sweep(swept):
    with pytest.warns(ResolutionWarning, match="at most 1e-17"):
        lmdata.simulate(lmdata.Localmax(), GOOD, steps=1, sweep={"alignment_sensitivity": swept})


def test_members_share_the_models_of_a_sweep():
    one, other = lmdata.Localmax(0.1), lmdata.Localmax(0.1)
    found, places = batch.distinct([other, one, other])
    assert len(found) == 2
    assert [found[place] for place in places] == [other, one, other]
    assert all(found[place] is model for place, model in zip(places, [other, one, other], strict=True))
