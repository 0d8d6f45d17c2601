"""``ds.lm``: the measures as methods."""

from __future__ import annotations

import inspect
import pydoc

import pytest

import lmdata


@pytest.fixture(scope="module")
def ds():
    return lmdata.simulate(lmdata.Localmax(), lmdata.tokens.uniform(5, 2), steps=2)


def test_methods_have_the_signature_and_the_docstring_of_their_functions(ds):
    assert dir(ds.lm)
    for name in dir(ds.lm):
        function, method = getattr(lmdata, name), getattr(ds.lm, name)
        parameters = list(inspect.signature(function).parameters.values())
        assert list(inspect.signature(method).parameters.values()) == parameters[1:]
        assert method.__doc__ == function.__doc__
        assert method.__name__ == name
    told = pydoc.render_doc(ds.lm.hull_volume, renderer=pydoc.plaintext)
    assert "hull_volume(*, relative: 'bool' = True, rank_tolerance: 'float' = 1e-12)" in told


def test_methods_are_the_measures_alone(ds):
    of_parameters = {
        *("equiangular_alignment", "equiangular_curve", "gaussian_closure"),
        *(
            "antipodal_probability",
            "critical_strength",
            "predicted_clusters",
            "tricritical_temperature",
            "uniform_growth",
        ),
        *("layer_alignment", "merging_time", "retrieval_limit", "retrieval_theory", "retrieval_turn"),
    }
    assert set(lmdata.analysis.__all__) - set(dir(ds.lm)) == of_parameters
    with pytest.raises(AttributeError, match="no measure named 'hull'; did you mean 'hull_decay'"):
        ds.lm.hull()
