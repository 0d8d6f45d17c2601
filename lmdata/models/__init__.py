"""Trained models, run on texts: their hidden states are datasets as those of simulations are."""

from lmdata.models.outputs import from_transformers as from_transformers
from lmdata.models.transformer import Transformer as Transformer
