"""Token selection by training: what gradient descent makes softmax attention look at (arXiv 2306.13596, 2308.16898).

>>> from lmdata.selection import TokenSelection, construction, train
>>> ds = train(TokenSelection(), construction("single-global"), starts=[[0, 1, 0]], steps=1000)
"""

from lmdata.selection.geometry import att_svm, label_svm
from lmdata.selection.measures import (
    attention,
    direction_correlation,
    norms,
    path_margin,
    selected_mass,
    solutions,
    winner,
)
from lmdata.selection.model import TokenSelection
from lmdata.selection.problem import Problem
from lmdata.selection.recipe import SelectionRecipe
from lmdata.selection.regularisation import regularisation_path
from lmdata.selection.runs import run, run_to_store, train
from lmdata.selection.sentences import sentences
from lmdata.selection.sources import construction, gaussian, given, starts

__all__ = [
    "Problem",
    "SelectionRecipe",
    "TokenSelection",
    "att_svm",
    "attention",
    "construction",
    "direction_correlation",
    "gaussian",
    "given",
    "label_svm",
    "norms",
    "path_margin",
    "regularisation_path",
    "run",
    "run_to_store",
    "selected_mass",
    "sentences",
    "solutions",
    "starts",
    "train",
    "winner",
]
