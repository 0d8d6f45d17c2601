"""What the demo tells of groups of words."""

from __future__ import annotations

import lmdata
from lmdata.demo import groups

THREE = lmdata.tokens.array([[1.0, 0.0], [0.9, 0.0], [0.0, 1.0]], labels=("a@1", "a@2", "b"))


def told(steps):
    sweep = {"alignment_sensitivity": [0.0, 5.0]}
    return groups(lmdata.simulate(lmdata.Localmax(), THREE, steps=steps, sweep=sweep), (0.0, 5.0))


def test_it_tells_of_one_cluster_and_of_one_word():
    assert told(60) == [
        "   sensitivity 0: 2 clusters, 1 word alone",
        "       2  a (x2)",
        "   sensitivity 5: 1 cluster, 0 words alone",
        "       3  a (x2) b",
    ]


def test_it_says_what_has_not_settled():
    assert [line for line in told(2) if "sensitivity" in line] == [
        "   sensitivity 0: 3 clusters, 3 words alone, not settled yet",
        "   sensitivity 5: 3 clusters, 3 words alone, not settled yet",
    ]
