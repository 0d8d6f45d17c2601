"""A classifier one can read: hardmax, localmax or softmax layers between an embedding and a decoder (arXiv 2407.01602).

>>> from lmdata.classification import Classifier, Corpus, train
>>> corpus = Corpus(("a fine film", "a dull film", "fine", "dull") * 5, (1, 0) * 10)
>>> ds = train(Classifier(components=4, layers=1), corpus, epochs=2)
"""

from lmdata.classification.attended import attended_words
from lmdata.classification.corpus import Corpus
from lmdata.classification.leading import leading_words
from lmdata.classification.logistic import Logistic, logistic_regression
from lmdata.classification.model import Classifier
from lmdata.classification.reading import evidence, interval
from lmdata.classification.training import train

__all__ = [
    "Classifier",
    "Corpus",
    "Logistic",
    "attended_words",
    "evidence",
    "interval",
    "leading_words",
    "logistic_regression",
    "train",
]
