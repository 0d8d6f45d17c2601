"""What the acts of a writer keep in memory until they are committed."""

import numpy as np
import pytest

from lmdata.data.frames import Frames
from lmdata.data.store.changes import Changes, Outcome
from lmdata.data.store.journal import Failed, Journal, Merged, Written

FRAMES, STATES, MARKS = np.zeros((2, 3, 4, 2)), np.zeros((2, 4, 2)), {"ambiguous_ties": np.zeros((2, 3), np.int32)}
OUTCOMES = {0: Outcome(1, 5, "digest", 0, 6), 1: Outcome(0, 5, "", 0, 6, state=STATES[0])}


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (Failed((0, 1), "overflow", 3), 0),
        (Written(Frames((0, 1), FRAMES, {}, 0, 5)), 8 * 48),
        (Written(Frames((0, 1), FRAMES, MARKS, 0, 5)), 8 * 48 + 4 * 6),
        (Written(Frames((0, 1), FRAMES, MARKS, 0, 5, STATES)), 8 * 48 + 4 * 6 + 8 * 16),
        (Merged(Changes(1, None, OUTCOMES, ())), 8 * 8),
    ],
)
def test_a_journal_counts_all_that_it_keeps(act, expected):
    journal = Journal()
    for _ in range(2):
        journal.add(act)
    assert journal.nbytes == 2 * expected
    journal.clear()
    assert (journal.nbytes, len(journal)) == (0, 0)
