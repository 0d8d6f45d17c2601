"""What measures say of interaction graphs, from the n x n graphs of the canonical step, edge by edge."""

from __future__ import annotations

import numpy as np
from scipy.sparse.csgraph import connected_components

from lmdata.dynamics.kernels.canonical import neighbourhoods


def numbers(graph):
    """Neighbour counts, reciprocity, sink component of each token, and the number of these."""
    edges = graph & ~np.eye(len(graph), dtype=bool)
    count, mutual = int(edges.sum()), int((edges & edges.T).sum())
    found, component = connected_components(graph, connection="strong")
    leaves = np.zeros(found, bool)
    np.logical_or.at(leaves, component, (graph & (component[:, None] != component)).any(axis=1))
    sink = np.full(len(graph), -1)
    sinks = 0
    for token, own in enumerate(component):
        if not leaves[own] and sink[token] < 0:
            sink[component == own] = sinks
            sinks += 1
    return graph.sum(axis=1), mutual / count if count else np.nan, sink, sinks


def largest_closed(graph, label, kept):
    """The largest part of a set that hears only itself and its own label."""
    while True:
        allowed = kept & (label == label[:, None])
        fewer = kept & ~(graph & ~allowed).any(axis=1)
        if (fewer == kept).all():
            return kept
        kept = fewer


def quiescence(position, delta, label, alignment):
    """Closed and quiescent tokens (t, n), and the weights (3, t) between S1 and S2, of one member."""
    graphs = [neighbourhoods(frame, own, alignment) for frame, own in zip(position, delta, strict=True)]
    closed = np.array([largest_closed(graph, label, label >= 0) for graph in graphs])
    quiescent = np.array([largest_closed(np.any(graphs[k:], axis=0), label, label >= 0) for k in range(len(graphs))])
    s1 = quiescent[-1]
    s2 = ~s1
    weights = np.full((3, len(graphs)), np.nan)
    for frame, graph in enumerate(graphs):
        weights[0, frame] = 0.0
        if s2.any():
            outside = graph[:, s2].sum(axis=1) / graph.sum(axis=1)
            inner = outside[s2].mean()
            weights[:, frame] = outside[s1].mean() if s1.any() else np.nan, 1.0 - inner, inner
    return closed, quiescent, weights
