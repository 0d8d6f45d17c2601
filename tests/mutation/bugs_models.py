"""Bugs in trained models."""

from __future__ import annotations

from bug import Bug

FORWARD, SPECIAL, RECIPE = "models/test_forward.py", "models/test_special.py", "models/test_recipe.py"

BUGS = [
    Bug("models/forward.py", "unseen = ~there[:, None, None, :]", "unseen = ~there[:, None, None, :] & False", FORWARD),
    Bug("models/forward.py", "unseen | ~np.tri(n, dtype=bool)", "unseen | ~np.tri(n, k=1, dtype=bool)", FORWARD),
    Bug("models/forward.py", "np.sqrt(variance + x.dtype.type(epsilon))", "np.sqrt(variance)", FORWARD),
    Bug("models/forward.py", "score /= math.sqrt(key.shape[-1])", "score /= math.sqrt(state.shape[-1])", FORWARD),
    Bug("models/forward.py", "    state += network.places[", "    state = state + 0 * network.places[", FORWARD),
    Bug("models/forward.py", "if number + 1 == depth else state", "if number == depth else state", FORWARD),
    Bug("models/forms.py", "shared[number * groups // depth]", "shared[number % groups]", FORWARD),
    Bug("models/forward.py", "(x + 0.044715 * (x * x * x))", "(x + 0.044715 * (x * x))", FORWARD),
    Bug("models/forward.py", "found *= 0.5", "pass", FORWARD),
    Bug("models/forward.py", "number % len(network.layers)", "min(number, len(network.layers) - 1)", FORWARD),
    Bug("models/forward.py", "if network.kind is not None:", "if False:", FORWARD),
    Bug(
        "models/forward.py",
        "norms = (layer.attention_norm, layer.mlp_norm)",
        "norms = (layer.mlp_norm, layer.attention_norm)",
        FORWARD,
    ),
    Bug("models/forward.py", "network._replace(final_norm=None)", "network", FORWARD),
    Bug("models/forward.py", "(weights @ value).swapaxes(1, 2)", "(weights @ key).swapaxes(1, 2)", FORWARD),
    Bug(
        "models/forward.py", "if not np.isfinite(last).all():", "if np.isinf(last).all():", "models/test_transformer.py"
    ),
    Bug(
        "models/forward.py",
        "if not np.isfinite(state).all():",
        "if np.isinf(state).all():",
        "models/test_transformer.py",
    ),
    Bug(
        "models/forms.py",
        "slice(0, width), slice(width, 2 * width)",
        "slice(width, 2 * width), slice(0, width)",
        FORWARD,
    ),
    Bug("models/forms.py", "array.shape != shape or", "array.size != np.prod(shape) or", "models/test_transformer.py"),
    Bug("models/transformer.py", "        tokenizer.no_truncation()\n", "", "models/test_transformer.py"),
    Bug("models/transformer.py", "found.max() >= vocabulary", "found.max() > vocabulary", "models/test_transformer.py"),
    Bug("models/folder.py", "if file.suffix in EXECUTABLE", "if file.suffix in ()", "models/test_transformer.py"),
    Bug("models/special.py", "if len(found) > 1:", "if len(found) > 2:", SPECIAL),
    Bug("models/special.py", 'own.update(tokenizer.encode("").tokens)', "pass", SPECIAL),
    Bug("models/special.py", "if token.special}", "}", SPECIAL),
    Bug("models/special.py", "if role in BETWEEN", "if role not in BETWEEN", SPECIAL),
    Bug("models/special.py", "told.setdefault(role, token) != token", "False", SPECIAL),
    Bug("models/special.py", "or tokenizer.token_to_id(token) is None", "", SPECIAL),
    Bug("models/special.py", "tokenizer.token_to_id(token) not in several", "False", SPECIAL),
    Bug("models/outputs.py", "    check_one_scheme(getattr", "    str(getattr", SPECIAL),
    Bug("models/outputs.py", "np.stack(parts, axis=1)", "np.stack(parts, axis=0)", "models/test_outputs.py"),
    Bug(
        "models/outputs.py", 'dtype", "")) == "torch.bfloat16"', 'dtype", "")) == "bfloat16"', "models/test_outputs.py"
    ),
    Bug("models/recipe.py", "(self.version, self.sha256)", "(version, self.sha256)", RECIPE),
    Bug("models/recipe.py", "!= (self.version, self.sha256)", "!= (self.version, model.sha256)", RECIPE),
    Bug(
        "models/recipe.py",
        "np.setdiff1d(np.arange(len(recipe.texts)), report.damaged)",
        "np.arange(len(recipe.texts))",
        RECIPE,
    ),
    Bug("models/recipe.py", 'for name in ("position", "attention"))', 'for name in ("position",))', RECIPE),
    Bug("models/recipe.py", "if not gap <= tolerance:", "if gap > 100 * tolerance:", RECIPE),
    Bug("models/recipe.py", "(np.isnan(stored) != np.isnan(made)).any()", "False", RECIPE),
    Bug(
        "models/recipe.py", ".reshape(layers, -1).max(axis=1)\n    size", ".reshape(layers, -1).max()\n    size", RECIPE
    ),
    Bug("models/recipe.py", "there = there.isel(token=own, key=own)", "there = there.isel(token=own)", RECIPE),
    Bug("models/recipe.py", "if value != default and name", "if name", RECIPE),
]
