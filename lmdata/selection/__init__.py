"""Token selection by training: what gradient descent makes softmax attention look at (arXiv 2306.13596, 2308.16898).

>>> from lmdata.selection import TokenSelection, construction, train
>>> ds = train(TokenSelection(), construction("single-global"), starts=[[0, 1, 0]], steps=1000)
"""

from lmdata.selection.composition import composition
from lmdata.selection.geometry import att_svm, label_svm
from lmdata.selection.label_noise import label_noise
from lmdata.selection.measures import (
    attention,
    direction_correlation,
    norms,
    path_margin,
    selected_mass,
    winner,
)
from lmdata.selection.model import TokenSelection
from lmdata.selection.predictions import margins, token_scores, value_correlation
from lmdata.selection.problem import Problem
from lmdata.selection.recipe import SelectionRecipe
from lmdata.selection.regularisation import regularisation_path
from lmdata.selection.runs import run, run_to_store, train
from lmdata.selection.sentences import sentences
from lmdata.selection.solved import solutions
from lmdata.selection.sources import construction, gaussian, given, starts

__all__ = [
    "Problem",
    "SelectionRecipe",
    "TokenSelection",
    "att_svm",
    "attention",
    "composition",
    "construction",
    "direction_correlation",
    "gaussian",
    "given",
    "label_noise",
    "label_svm",
    "margins",
    "norms",
    "path_margin",
    "regularisation_path",
    "run",
    "run_to_store",
    "selected_mass",
    "sentences",
    "solutions",
    "starts",
    "token_scores",
    "train",
    "value_correlation",
    "winner",
]
