"""What identifies a model does not change: recipes and stores of it keep their ids whatever the model learns."""

from __future__ import annotations

import pytest

from lmdata.data.digest import sha256_of_json
from lmdata.dynamics.model import MODELS
from lmdata.dynamics.models import Softmax

PINNED = {
    "bounded-confidence": "cdac1b2a60f919cf",
    "circle-density": "382924bd60bb8908",
    "feed-forward-attention": "8fc6e290029642dc",
    "feed-forward-localmax": "559b80b026a5a268",
    "krause": "c46b4d18c64e74b9",
    "krause-transformer": "6b72e1c2a9045ef6",
    "localmax": "c0f84a84f9b7b35f",
    "localmax-variant": "3b5808c2ec074298",
    "multi-head-attention": "2e1edd7235dfdeea",
    "noisy": "9d00753c0c72db07",
    "normalised-attention": "64de74a983daff72",
    "positional-attention": "3dbd20a4415ddb34",
    "pure-attention": "cdd46f1e0412a472",
    "self-attention": "b912d370de7575c2",
    "sinkformer": "b85353b1b1eecee5",
    "softmax": "09628454f4fa637a",
    "sphere-attention": "233eecb24b13cd7f",
    "sphere-density": "4d1d2ee66154b474",
    "sphere-gradient-flow": "0a43e4baee7161d6",
}
"""Of each model as it is made without arguments; a parameter that it is given later is left out at its default."""
ARGUMENTS = {"noisy": {"model": Softmax()}}


@pytest.mark.parametrize("kind", PINNED)
def test_the_specification_is_the_same_for_ever(kind):
    model = MODELS[kind](**ARGUMENTS.get(kind, {}))
    assert sha256_of_json(model.specification())[:16] == PINNED[kind]
