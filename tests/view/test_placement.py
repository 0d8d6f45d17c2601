"""Labels: none covers another, a dot, or leaves the frame."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lmdata.view.placement import GAP, LETTER, NEAR, groups, place, summary

SIZE, FONT = (300, 200), 12.0
places = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 200)), min_size=1, max_size=25)


def boxes(labels):
    at = np.array([label.at for label in labels]).reshape(-1, 2)
    half = np.array([[LETTER * FONT * len(label.text) / 2 + GAP, 0.62 * FONT] for label in labels]).reshape(-1, 2)
    return np.column_stack([at - half, at + half])


@given(places)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_labels_cover_nothing(points):
    points = np.array(points, dtype=float)
    labels = place(points, [f"word{k}" for k in range(len(points))], size=SIZE, font=FONT)
    found = boxes(labels)
    assert (found[:, :2] >= 0).all()
    assert (found[:, 2:] <= SIZE).all()
    for i in range(len(found)):
        for j in range(i):
            apart = (found[i, :2] >= found[j, 2:]) | (found[i, 2:] <= found[j, :2])
            assert apart.any(), (labels[i].text, labels[j].text)
    dots = np.array([points[group].mean(axis=0) for group in groups(points)])
    covered = (dots[:, None] > found[:, :2]) & (dots[:, None] < found[:, 2:])
    assert not covered.all(axis=2).any()


@given(places)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_groups_are_near_and_hold_every_point_once(points):
    points = np.array(points, dtype=float)
    found = groups(points)
    assert sorted(np.concatenate(found).tolist()) == list(range(len(points)))
    for group in found:
        assert (np.hypot(*(points[group] - points[group[0]]).T) <= NEAR).all()
    assert [len(group) for group in found] == sorted((len(group) for group in found), reverse=True)


def test_a_lone_word_is_beside_its_dot():
    (label,) = place(np.array([[50.0, 100.0]]), ["word"], size=SIZE, font=FONT)
    assert label.anchor == (50.0, 100.0)
    assert label.at[1] == 100.0
    assert 50 < label.edge[0] < label.at[0]


def test_where_there_is_no_room_there_is_no_label():
    assert place(np.array([[5.0, 5.0]]), ["a very long word"], size=(40, 40), font=FONT) == []


def test_summary_counts_every_name_once():
    assert summary(["a"]) == "a"
    assert summary(["b", "a", "b", "b"]) == "b ×3, a"
    assert summary(["a", "b", "c", "d", "d"]) == "a, b, c +2"
