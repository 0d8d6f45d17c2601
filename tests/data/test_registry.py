import numpy as np
import pytest

import lmdata.analysis
from lmdata.data.registry import VARIABLES, Variable, Variables, variable
from lmdata.errors import InvalidInput, UnknownName
from lmdata.selection.variables import VARIABLES as TRAINING

DIMS = {
    *("*", "seed", "time", "token", "component", "vertex", "share", "direction", "bin", "key", "clusters", "source"),
    "degree",
}


@pytest.mark.parametrize("spec", VARIABLES.values(), ids=VARIABLES)
def test_declarations_make_sense(spec):
    assert set(spec.dims) <= DIMS
    assert "*" not in spec.dims[1:]
    assert spec.long_name
    dtype = np.dtype(spec.dtype)
    if spec.role in ("data", "diagnostic"):
        assert spec.fill is not None
    if spec.fill is not None and dtype.kind in "iu":
        assert spec.fill != 0
        assert spec.fill not in [value for value, _ in spec.flags]
        assert np.iinfo(dtype).min <= spec.fill <= np.iinfo(dtype).max
    if spec.flags:
        assert " " not in "".join(meaning for _, meaning in spec.flags)


def test_dimensions_take_the_swept_parameters_in_their_order():
    assert variable("status").dimensions(("b", "a")) == ("b", "a", "seed")
    assert variable("status").dimensions(()) == ("seed",)
    assert variable("time").dimensions(("b",)) == ("time",)


def test_unknown_variable_suggests_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'position'"):
        variable("positions")


def test_every_measure_declares_what_it_makes():
    made = {name: measure for measure in vars(lmdata.analysis).values() for name in getattr(measure, "variables", ())}
    assert {name for name, spec in VARIABLES.items() if spec.role == "measure"} >= set(made)
    for name, measure in made.items():
        assert VARIABLES.owner(name) == f"{measure.__module__}:{measure.__name__}"


def test_a_taken_name_is_refused_with_both_owners_and_nothing_is_entered():
    known = Variables()
    mine, other = Variable("width", ("*", "seed"), "float64", "width"), Variable("depth", ("*",), "int64", "depth")
    known.declare("first.width", mine)
    with pytest.raises(InvalidInput, match=r"'width' of second\.width is declared already, by first\.width"):
        known.declare("second.width", other, mine)
    assert dict(known) == {"width": mine}
    with pytest.raises(InvalidInput, match=r"'position' of mine is declared already, by lmdata\.data"):
        VARIABLES.declare("mine", VARIABLES["position"])


def test_an_owner_may_declare_anew():
    known = Variables()
    known.declare("notebook", Variable("width", ("*", "seed"), "float64", "width"))
    known.declare("notebook", Variable("width", ("*", "seed"), "int64", "width"))
    assert known["width"].dtype == "int64"


def test_training_runs_are_another_kind_of_dataset():
    assert TRAINING["attention"].dims != VARIABLES["attention"].dims
    assert TRAINING.owner("attention") == "lmdata.selection"
