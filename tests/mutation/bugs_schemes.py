"""Bugs in normalisation schemes, feed-forward blocks, several heads, and in whom a token may attend to."""

from __future__ import annotations

from bug import Bug

NORMALISED = "dynamics/models/test_normalised_attention.py"
BLOCKS = "dynamics/models/test_feed_forward.py"
KRAUSE = "dynamics/models/test_krause_transformer.py"
NEIGHBOURS = "dynamics/models/test_neighbourhoods.py"

BUGS = [
    # normalisation schemes
    Bug(
        "dynamics/models/normalised_attention.py",
        "before = min(max(self.switch - time, 0.0), size)",
        "before = size if time < self.switch else 0.0",
        NORMALISED,
    ),
    Bug(
        "dynamics/models/normalised_attention.py",
        "np.sqrt(time + 1.0)",
        "np.sqrt(time)",
        NORMALISED,
    ),
    Bug(
        "dynamics/models/normalised_attention.py",
        "seen = Ellipsoid().retract(state)\n        keys",
        "seen = state\n        keys",
        NORMALISED,
    ),
    Bug(
        "dynamics/models/normalised_attention.py",
        "np.where(length == 0.0, 1.0, length)",
        "length",
        NORMALISED,
    ),
    Bug("analysis/equiangular.py", "(1 + (n - 2) * y)", "(1 + (n - 1) * y)", NORMALISED),
    Bug("analysis/equiangular.py", '"peri": along / size', '"peri": along', NORMALISED),
    Bug("dynamics/tokens/equiangular.py", "own * own + self.n * self.cosine", "own * own + self.cosine", NORMALISED),
    # feed-forward blocks and heads
    Bug("dynamics/models/feed_forward.py", 'own["strength"] * stored', "stored", BLOCKS),
    Bug(
        "dynamics/models/feed_forward.py",
        "            fired = fired * np.array(self.gains)\n",
        "            pass\n",
        BLOCKS,
    ),
    Bug(
        "dynamics/models/feed_forward.py",
        "inputs if self.biases is None else inputs + np.array(self.biases)",
        "inputs",
        BLOCKS,
    ),
    Bug("dynamics/models/multi_head.py", "total = total + apply(head, mean)", "total = total + mean", BLOCKS),
    Bug(
        "dynamics/models/feed_forward_localmax.py",
        "apply(as_array(self.neurons), after)",
        "apply(as_array(self.neurons), state)",
        BLOCKS,
    ),
    Bug("numerics/activations.py", '(2.0 if activation == "tanh" else 1.0)', "1.0", BLOCKS),
    Bug("numerics/activations.py", "(x * x - 1.0) *", "(x * x + 1.0) *", BLOCKS),
    Bug("numerics/special.py", "(bounded + coarse)", "(bounded - coarse)", "numerics/test_special.py"),
    Bug("numerics/activations.py", "np.maximum(x, 0.0) ** 2 / 2", "np.maximum(x, 0.0) ** 2", BLOCKS),
    # whom a token attends to
    Bug("dynamics/models/krause_transformer.py", "/ width / width / 2", "/ width / width", KRAUSE),
    Bug("dynamics/models/krause_transformer.py", "<= self.window", "< self.window", KRAUSE),
    Bug("dynamics/models/krause_transformer.py", "score >= last", "score > last", KRAUSE),
    Bug("dynamics/models/krause_transformer.py", "/ width / width / 2", "/ width**2 / 2", KRAUSE),
    Bug(
        "dynamics/models/weights.py",
        "np.where(np.isneginf(others).all(axis=-1, keepdims=True), scores, others)",
        "others",
        NEIGHBOURS,
    ),
    Bug("dynamics/models/weights.py", "np.eye(rows, n, first, dtype=bool)", "np.eye(rows, n, dtype=bool)", NEIGHBOURS),
    Bug("dynamics/models/base.py", '"later" not in field.metadata or ', "", NEIGHBOURS),
]
