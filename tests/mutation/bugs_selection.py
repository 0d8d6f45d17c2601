"""Bugs in token selection by training."""

from __future__ import annotations

from bug import Bug

GEOMETRY = "selection/test_selection_geometry.py selection/test_selection_reference.py"
TRAINING = (
    "selection/test_selection_reference.py selection/test_selection_arithmetic.py "
    "selection/test_selection_dataset.py selection/test_selection_theorems.py"
)
STORED = "selection/test_runs.py"
BIASES = "selection/test_biases.py selection/test_descent.py"

BUGS = [
    Bug(
        "selection/geometry.py",
        "scores[rows, chosen][:, None] > scores + known",
        "scores[rows, chosen][:, None] >= scores + known",
        GEOMETRY,
    ),
    Bug(
        "selection/geometry.py",
        "bool(better[support].all())",
        "bool(better[problem.present].all())",
        GEOMETRY,
    ),
    Bug(
        "selection/geometry.py",
        "bool((alone[rows, chosen] >= best - known).all())",
        "bool((alone[rows, chosen] > best - known).all())",
        GEOMETRY,
    ),
    Bug(
        "selection/geometry.py",
        "(problem.scores(value.solution), SUPPORT)",
        "(problem.scores(value.solution), 0.0)",
        GEOMETRY,
    ),
    Bug("selection/measures.py", "* (1.0 + EQUAL)", "* (1.0 - EQUAL)", "selection/test_selection_dataset.py"),
    Bug(
        "selection/geometry.py",
        "beside | np.isin(samples, list(relaxed))",
        "beside",
        GEOMETRY,
    ),
    Bug("selection/geometry.py", "np.flatnonzero(~value.support)", "np.flatnonzero(value.support)", GEOMETRY),
    Bug("selection/geometry.py", "problem.labels[:, None] * features", "features", GEOMETRY),
    Bug(
        "selection/geometry.py",
        "np.where(problem.present, _scores(problem, head), -np.inf)",
        "_scores(problem, head)",
        GEOMETRY,
    ),
    Bug(
        "selection/solver.py",
        "norm / (norm - 1.0)",
        "norm",
        "selection/test_solver.py selection/test_selection_geometry.py",
    ),
    Bug(
        "selection/solver.py",
        "1.0 / length, multipliers",
        "length, multipliers",
        "selection/test_solver.py selection/test_selection_geometry.py",
    ),
    Bug(
        "selection/solver.py",
        "violation = max(0.0, -float(slack.min()))",
        "violation = 0.0",
        "selection/test_solver.py selection/test_selection_geometry.py",
    ),
    Bug(
        "selection/solver.py",
        "if best[1] is None and is_infeasible(constraints, bounds, weights):",
        "if best[1] is None:",
        "selection/test_solver.py selection/test_selection_geometry.py",
    ),
    Bug(
        "selection/solver.py",
        "SUPPORT = 1e-6",
        "SUPPORT = 1e-2",
        "selection/test_solver.py selection/test_selection_geometry.py",
    ),
    Bug(
        "selection/training.py",
        "model.epsilon if model.value_epsilon is None else model.value_epsilon",
        "model.epsilon",
        TRAINING,
    ),
    Bug(
        "selection/training.py", "model.step if model.value_step is None else model.value_step", "model.step", TRAINING
    ),
    Bug("selection/training.py", "np.inf if model.radius is None else model.radius", "np.inf", TRAINING),
    Bug("selection/kernel.py", "SMALLEST = 1e-150", "SMALLEST = 0.0", TRAINING),
    Bug(
        "selection/kernel.py",
        "            descend(value, value_scale, value_rule)",
        "            descend(value, value_scale, rule)",
        TRAINING,
    ),
    Bug(
        "selection/kernel.py",
        "            _gains(data, value.flat, scratch.gains)\n    return steps",
        "            pass\n    return steps",
        TRAINING,
    ),
    Bug(
        "selection/measures.py",
        'growth = norm.diff("iteration") / ds.iteration.diff("iteration")',
        'growth = norm.diff("iteration")',
        "selection/test_selection_dataset.py selection/test_selection_theorems.py",
    ),
    Bug(
        "selection/measures.py",
        'wins = most.all("sample") & found.locally_optimal',
        'wins = most.all("sample")',
        "selection/test_selection_dataset.py selection/test_selection_theorems.py",
    ),
    Bug(
        "selection/measures.py",
        'gap.min(["sample", "token"])',
        'gap.mean(["sample", "token"])',
        "selection/test_selection_dataset.py selection/test_selection_theorems.py",
    ),
    Bug(
        "selection/solved.py",
        "if dim in ds.token_count.dims or dim in besides)",
        "if dim in ds.token_count.dims)",
        "selection",
    ),
    Bug(
        "selection/regularisation.py",
        'fillna(np.inf).argmin("start")',
        'fillna(np.inf).argmax("start")',
        "selection/test_selection_theorems.py selection/test_selection_dataset.py",
    ),
    Bug(
        "selection/model.py",
        "powers = np.where(present, powers, 0.0)",
        "pass",
        "selection/test_selection_arithmetic.py selection/test_selection_dataset.py",
    ),
    Bug("selection/descent.py", "abs(g) if rule.sign else g * g", "g * g", BIASES),
    Bug("selection/descent.py", "1.0 if g > 0.0 else -1.0 if g < 0.0 else 0.0", "1.0 if g > 0.0 else -1.0", BIASES),
    Bug("selection/descent.py", "gradient[j, r] * factors[j, c]", "gradient[r, j] * factors[j, c]", BIASES),
    Bug("selection/kernel.py", "margin[i] = labels[i] * output", "margin[i] = highest + phi", BIASES),
    Bug("selection/training.py", "np.inf if model.value_radius is None else model.value_radius", "np.inf", BIASES),
    Bug("selection/heads.py", "1.0 - reached**2 if", "1.0 - reached if", BIASES),
    Bug("selection/geometry.py", "[differences, -differences[beside]]", "[differences, differences[beside]]", BIASES),
    Bug("selection/measures.py", 'if norm == "inf":\n        return largest', "", BIASES),
    Bug("selection/measures.py", '"nuc", axis=(-2, -1)', "None, axis=(-2, -1)", BIASES),
    Bug("selection/predictions.py", "labels * output", "output", BIASES),
    Bug("selection/label_noise.py", 'labels[np.argsort(order, kind="stable")[:wrong]] *= -1.0', "pass", BIASES),
    Bug(
        "selection/label_noise.py", "tokens[rows, 2, 1 - own]", "tokens[rows, 2, own]", "selection/test_label_noise.py"
    ),
    Bug("data/store/transaction.py", "for name in self.layout.parts]", "for name in self.layout.parts[:1]]", STORED),
    Bug("data/training.py", '"problems": {name: [dims, *array_digest(values)]', '"problems": {name: [dims]', STORED),
    Bug("data/verify.py", "for name in names]", "for name in names[:1]]", STORED),
    Bug("selection/training.py", "elif not _same(layout.given(), drawn.given()):", "elif False:", STORED),
    Bug("selection/training.py", "[numbers[row] for row in kept]", "[numbers[row] for row in rows]", STORED),
]
