import numpy as np
import pytest

from lmdata.data.registry import VARIABLES, variable
from lmdata.errors import UnknownName

DIMS = {"*", "seed", "time", "token", "component", "vertex", "share", "direction", "bin", "key", "clusters"}


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
