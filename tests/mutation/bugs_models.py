"""Bugs in trained models."""

from __future__ import annotations

from bug import Bug

FORWARD = "models/test_forward.py"

BUGS = [
    Bug("models/forward.py", "unseen = ~there[:, None, None, :]", "unseen = ~there[:, None, None, :] & False", FORWARD),
    Bug("models/forward.py", "unseen | ~np.tri(n, dtype=bool)", "unseen | ~np.tri(n, k=1, dtype=bool)", FORWARD),
    Bug("models/forward.py", "np.sqrt(variance + x.dtype.type(epsilon))", "np.sqrt(variance)", FORWARD),
    Bug("models/forward.py", "score /= math.sqrt(key.shape[-1])", "score /= math.sqrt(state.shape[-1])", FORWARD),
    Bug("models/forward.py", "    state += network.places[", "    state = state + 0 * network.places[", FORWARD),
    Bug("models/forward.py", "if number + 1 == depth else state", "if number == depth else state", FORWARD),
    Bug("models/forms.py", "shared[number * groups // depth]", "shared[number % groups]", FORWARD),
    Bug("models/transformer.py", "        tokenizer.no_truncation()\n", "", "models/test_transformer.py"),
]
