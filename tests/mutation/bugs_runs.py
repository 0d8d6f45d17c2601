"""Bugs in how runs are described, driven and put together."""

from __future__ import annotations

from bug import Bug

RUNS = "runs/test_simulation.py runs/test_recipe.py runs/test_sweep.py"

BUGS = [
    Bug(
        "runs/recipe.py",
        "return [models[number // seeds] for number in numbers]",
        "return [models[number % len(models)] for number in numbers]",
        RUNS,
    ),
    Bug(
        "runs/recipe.py",
        "return [seeds[number % count] for number in numbers]",
        "return [seeds[0] for number in numbers]",
        "runs dynamics/models/test_noisy.py",
    ),
    Bug("runs/recipe.py", "for model in models for value in values]", "for value in values for model in models]", RUNS),
    Bug("runs/recipe.py", "self.seeds if self.tokens.depends_on_seed else self.seeds[:1]", "self.seeds[:1]", RUNS),
    Bug("runs/recipe.py", "    if len(found) < len(sweep):", "    if len(found) < len(sweep) - 1:", RUNS),
    Bug(
        "runs/recipe.py",
        'if recipe.id != attrs["recipe_id"]:',
        "if False:",
        "runs data faults/test_faults_hostile.py faults/test_faults_contents.py",
    ),
    Bug("runs/recipe.py", "return range(first, first + count)", "return range(first, count)", RUNS),
    Bug("runs/recipe.py", "    if version != RECIPE_VERSION:", "    if False:", RUNS),
    Bug("runs/sweep.py", "if not 0 <= step <= steps:", "if not 0 <= step <= steps + 1:", RUNS),
    Bug("runs/sweep.py", "        if number in seen:\n", "        if False:\n", RUNS),
    Bug("runs/sweep.py", "+ 1 + (steps % every > 0)", "+ 1", "runs"),
    Bug("runs/sweep.py", "if number > 2**63 - 1:", "if number > 2**64 - 1:", RUNS),
    Bug(
        "runs/runner.py",
        "self.starts[numbers % len(self.starts)]",
        "self.starts[numbers // (len(numbers) // len(self.starts) or 1) % len(self.starts)]",
        RUNS,
    ),
    Bug(
        "runs/runner.py",
        "kept, end = kept[:fitting], kept[fitting - 1]",
        "kept, end = kept[:fitting], end",
        "runs data/store/test_writer.py",
    ),
    Bug("runs/runner.py", "start=front.step,", "start=0,", "runs data/store"),
    Bug(
        "runs/runner.py",
        "        check(recipe.models, starts, recipe.steps)",
        "        check(recipe.models, starts[:1], recipe.steps)",
        "dynamics/test_batch.py",
    ),
    Bug(
        "runs/runner.py",
        "        check(recipe.models, starts, recipe.steps)",
        "        check(recipe.models[:1], starts, recipe.steps)",
        "dynamics/test_batch.py",
    ),
    Bug("runs/memory.py", "array[rows] = self._fills[name]", "pass", "runs/test_memory.py"),
    Bug("runs/memory.py", "self.status[rows] = FAILED", "self.status[rows] = COMPLETE", RUNS),
    Bug(
        "runs/runner.py",
        "sink.fail([number], str(error), steps_done=front.step)",
        "sink.fail([number], str(error), steps_done=0)",
        "runs faults",
    ),
    Bug("runs/runner.py", "finished = end == self.recipe.steps and front", "finished = front", "runs data/store"),
    Bug(
        "runs/simulation.py",
        "        time_unit=recipe.model.time_unit,",
        '        time_unit="step",',
        "runs data test_contract.py",
    ),
    Bug("runs/simulation.py", "time=recipe.model.times(recipe.recorded)", "time=np.arange(len(recipe.recorded))", RUNS),
    Bug(
        "runs/memory.py",
        "layout.keys(complete.tolist()), *parts)",
        "layout.keys(list(range(len(complete)))), *parts)",
        "runs",
    ),
    Bug("runs/sizes.py", "        if need > limit:", "        if need > 1000 * limit:", "runs"),
    Bug("runs/sizes.py", "member_bytes * (members - kept)", "member_bytes", "runs"),
]
