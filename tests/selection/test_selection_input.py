"""What is refused, and how it is said."""

from __future__ import annotations

import numpy as np
import pytest

from lmdata.errors import InvalidInput, UnknownName
from lmdata.selection import (
    Problem,
    SelectionRecipe,
    TokenSelection,
    construction,
    gaussian,
    given,
    regularisation_path,
    sentences,
    solutions,
    starts,
    train,
)
from lmdata.selection.source import source_from_specification

TOKENS = [[[0.0, 1.0], [1.0, 0.0]]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": [np.nan]}, r"labels\[0\] is .*nan.*; labels are -1 or \+1"),
        ({"labels": [0]}, r"labels\[0\] is .*0.*np\.where"),
        ({"labels": [2]}, r"labels\[0\] is .*2"),
        ({"labels": [True]}, r"labels\[0\] is .*True"),
        ({"labels": ["1"]}, r"labels\[0\] is .*'1'"),
        ({"labels": [1, 1]}, r"labels has shape \(2,\); there must be one for each of 1 sample"),
        ({"tokens": [[[0.0, 1.0]]]}, "sample 0 has 1 token of 1; attention needs at least two"),
        ({"tokens": [[0.0, 1.0]]}, r"tokens has shape \(1, 2\)"),
        ({"tokens": np.empty((0, 2, 2))}, r"tokens has shape \(0, 2, 2\)"),
        ({"tokens": [[[0.0, np.nan], [1.0, 0.0]]]}, r"tokens\[0, 0, 1\] is nan"),
        ({"tokens": [[[0.0, np.inf], [1.0, 0.0]]]}, r"tokens\[0, 0, 1\] is inf"),
        ({"tokens": [[[0.0, 1e70], [1.0, 0.0]]]}, "tokens has a largest magnitude of 1e"),
        ({"tokens": [[[0.0, 1e-70], [0.0, 0.0]]]}, "tokens has a largest magnitude of 1e-70"),
        ({"tokens": [[["a", "b"], ["c", "d"]]]}, "tokens has dtype"),
        ({"lengths": [1]}, "sample 0 has 1 token of 2"),
        ({"lengths": [3]}, "sample 0 has 3 tokens of 2"),
        ({"lengths": [2.0]}, "lengths is .*one integer for each"),
        ({"value": [1, 2, 3]}, r"value has shape \(3,\); it must be \(2,\)"),
        ({"weight": np.eye(3)}, r"weight has shape \(3, 3\); it must be \(2, 2\)"),
        ({"query": [1, 2, 3]}, r"query has shape \(1, 3\); it must be \(1, 2\)"),
        ({"words": [["a"]]}, r"words has \[1\] of them"),
    ],
)
def test_problem(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        Problem(**{"tokens": TOKENS, "labels": [1], "value": [1, 0]} | arguments)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"trained": "promt"}, UnknownName, "no trained named 'promt'; did you mean 'prompt'"),
        ({"loss": "hinge"}, UnknownName, "no loss named 'hinge'"),
        ({"arithmetic": "fast"}, UnknownName, "no arithmetic named 'fast'"),
        ({"step": 0}, InvalidInput, r"step is 0\.0; it must be above 0"),
        ({"step": np.nan}, InvalidInput, "step is nan"),
        ({"epsilon": -1}, InvalidInput, r"epsilon is -1\.0; it must be at least 0"),
        ({"exponent": 1}, InvalidInput, r"exponent is 1\.0; it must be above 1"),
        ({"normalised": 1}, InvalidInput, "normalised is 1; it must be True or False"),
        ({"radius": 1, "exponent": 3}, InvalidInput, "the projection is Euclidean"),
        ({"value_step": "fast"}, InvalidInput, "value_step must be one real number"),
    ],
)
def test_model(parameters, error, message):
    with pytest.raises(error, match=message):
        TokenSelection(**parameters)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "prompt"}, "model must be a TokenSelection"),
        ({"problem": TOKENS}, "problem must be a source such as construction"),
        ({"steps": -1}, "steps is -1"),
        ({"starts": [[0, 0, 0, 0]]}, r"starts has shape \(1, 4\); it must be \(start, 3\)"),
        ({"starts": [[0, np.nan, 0]]}, "starts has shape .* or is not finite"),
        ({"starts": "many"}, "starts"),
        ({"seeds": []}, "seeds is empty"),
        ({"sweep": {"contrast": [1, 2]}}, "only 'unequal-scores' has one"),
        ({"sweep": {"stepp": [1, 2]}}, "stepp"),
        ({"sweep": {"step": [0.1, -0.1]}}, "step is -0.1"),
        ({"record": [5, 4]}, "record must ascend"),
        ({"model": TokenSelection(trained="weight")}, "query is None, but training the weights needs queries"),
    ],
)
def test_train(arguments, message):
    fitting = {"model": TokenSelection(), "problem": construction("single-local"), "steps": 10}
    with pytest.raises(InvalidInput, match=message):
        train(**fitting | arguments)


def test_equal_tokens_leave_nothing_to_train():
    problem = given([[[1.0, 2.0], [1.0, 2.0]]], [1], value=[1, 0])
    with pytest.raises(InvalidInput, match="all tokens of each sample have equal keys"):
        train(TokenSelection(), problem, steps=1)
    flattened = given(TOKENS, [1], value=[1, 0], weight=np.zeros((2, 2)))
    with pytest.raises(InvalidInput, match="all tokens of each sample have equal keys"):
        train(TokenSelection(), flattened, steps=1)


def test_inseparable_tokens_are_trained_and_said_to_be_infeasible():
    """The token of highest score is the mean of the others: no direction selects it, and training goes on."""
    problem = given([[[0, 0, 1], [1, 1, 0], [-1, -1, 0]]], [1], value=[0, 0, 1], weight=np.diag([1, 1, 0]))
    ds = train(TokenSelection(normalised=False), problem, steps=50, starts=[[1, 0.5, 0]])
    assert (ds.status == 1).all()
    assert np.isfinite(ds.prompt).all()
    found = solutions(ds)
    assert found.globally_optimal.values.tolist() == [[True]]
    status = found.solution_status
    assert status.attrs["flag_meanings"].split()[int(status[0, 0])] == "infeasible"
    assert np.isnan(found.direction).all()


def test_overflow_is_a_failed_member():
    """Joint training by the exponential loss with a large step: the loss overflows, the other members stand."""
    problem = given([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]], [1, -1], value=[1, 0])
    model = TokenSelection(trained="joint", loss="exponential", normalised=False)
    ds = train(model, problem, steps=200, starts=[[1, 0]], sweep={"step": [0.1, 1e4]})
    assert ds.status.values.ravel().tolist() == [1, 2]
    assert np.isfinite(ds.prompt[0]).all()
    stopped = int(ds.steps_done[1, 0, 0])
    assert 0 < stopped < 200
    assert np.isnan(ds[["prompt", "value", "loss"]].isel(step=1).to_array()).all()  # as of failed members everywhere
    assert ds.digest[1].item() == "" != ds.digest[0].item()
    assert "digest" not in ds.attrs


@pytest.mark.parametrize(
    ("specification", "error", "message"),
    [
        ("single-local", InvalidInput, "has no 'kind'"),
        ({"kind": "construktion"}, UnknownName, "did you mean 'construction'"),
        ({"kind": "construction"}, InvalidInput, "lacks 'name'; it needs name"),
        ({"kind": "construction", "name": "single"}, UnknownName, "no construction named 'single'"),
        ({"kind": "construction", "name": "single-local", "size": 3}, UnknownName, "no parameter of problem"),
        ({"kind": "gaussian", "samples": 0, "tokens": 2, "features": 2}, InvalidInput, "samples is 0"),
        (
            {"kind": "gaussian", "samples": 1, "tokens": 1, "features": 2},
            InvalidInput,
            "tokens is 1; it must be at least 2",
        ),
        ({"kind": "given", "labels": [1]}, InvalidInput, "lacks 'tokens'"),
    ],
)
def test_specifications(specification, error, message):
    with pytest.raises(error, match=message):
        source_from_specification(specification)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backend": "numpy"}, "a recipe has no key 'backend'; it may have .*starts"),
        ({"steps": ...}, "the recipe lacks 'steps'"),
        ({"lmdata_recipe": 2}, "the recipe is of version 2"),
        ({"dtype": "float32"}, "dtype is 'float32'"),
        ({"starts": [[0, 0, 0]]}, "starts is .*give {'values'"),
    ],
)
def test_recipes(change, message):
    specification = SelectionRecipe.of(TokenSelection(), construction("single-local"), steps=1).specification()
    changed = {name: value for name, value in (specification | change).items() if value is not ...}
    with pytest.raises(InvalidInput, match=message):
        SelectionRecipe.from_specification(changed)


def test_others():
    with pytest.raises(UnknownName, match="no kind of queries named 'frist token'"):
        gaussian(1, 2, 3, queries="frist token")
    with pytest.raises(InvalidInput, match="contrast is -1"):
        construction("unequal-scores", contrast=-1)
    with pytest.raises(UnknownName, match="no topic named 'films'; did you mean 'film'"):
        sentences("films")
    with pytest.raises(InvalidInput, match="scale is -1"):
        starts(count=2, scale=-1)
    with pytest.raises(InvalidInput, match="a regularisation path is of the 'prompt', of the 'weight', or of both"):
        regularisation_path(construction("single-local"), [1], trained="factors")
    with pytest.raises(InvalidInput, match="radii is 0"):
        regularisation_path(construction("single-local"), [0])


def test_a_run_larger_than_memory_is_refused_before_anything_is_allocated():
    with pytest.raises(InvalidInput, match=r"1,000,000 members of 30\.52 MiB .* record fewer iterations"):
        train(TokenSelection(), construction("single-local"), steps=1_000_000, starts=starts(count=1_000_000))
