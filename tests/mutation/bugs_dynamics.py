"""Bugs in what steps the tokens."""

from __future__ import annotations

from bug import Bug

KERNELS = "dynamics/kernels/test_drive.py dynamics/kernels/test_exactness.py"
EXACT = "dynamics/kernels/test_exactness.py"
POSITIONS = "dynamics/models/test_positional.py"
FAMILY = "dynamics/models/test_family_models.py"

BUGS = [
    # the canonical step
    Bug(
        "dynamics/kernels/canonical.py",
        "- sensitivity\n",
        "- 0.999 * sensitivity\n",
        "dynamics/kernels/test_canonical.py",
    ),
    Bug(
        "dynamics/kernels/canonical.py",
        "    return score >= xp.max",
        "    return score > xp.max",
        "dynamics/kernels/test_canonical.py",
    ),
    Bug("dynamics/kernels/canonical.py", "bit_length() + 1\n", "bit_length()\n", "dynamics/kernels/test_canonical.py"),
    Bug(
        "dynamics/kernels/canonical.py",
        "2.0 ** (2 * spare - 105)",
        "2.0 ** (2 * spare - 100)",
        "dynamics/kernels/test_canonical.py",
    ),
    Bug(
        "dynamics/kernels/canonical.py",
        "    return (coarse + fine) / count\n",
        "    return coarse / count\n",
        "dynamics/kernels/test_canonical.py",
    ),
    Bug(
        "dynamics/kernels/canonical.py",
        "gain = influence / (1.0 + influence)",
        "gain = influence / (2.0 + influence)",
        "dynamics/kernels/test_canonical.py",
    ),
    Bug(
        "dynamics/kernels/canonical.py",
        "    keys = state[..., 0:1] * alignment[:, 0]",
        "    keys = state[..., 0:1] * alignment[0, 0]",
        "dynamics/kernels/test_canonical.py",
    ),
    Bug(
        "dynamics/kernels/canonical.py",
        "state, deltas[:, now], alphas",
        "state, deltas[:, 0], alphas",
        KERNELS,
    ),
    Bug(
        "dynamics/kernels/canonical.py",
        "sensitivity[group], influence[group]",
        "sensitivity[: len(state[group])], influence[group]",
        "dynamics/kernels/test_canonical.py",
    ),
    # fixed points under a sensitivity that still changes
    Bug(
        "dynamics/kernels/drive.py",
        "return int(changes[-1]) + 1 if changes.size else 0",
        "return int(changes[-1]) if changes.size else 0",
        KERNELS,
    ),
    Bug(
        "dynamics/kernels/drive.py",
        "    while now < offset and moving:",
        "    while now <= offset and moving:",
        "dynamics/kernels/test_drive.py",
    ),
    Bug("dynamics/kernels/drive.py", "step(now) or now < steady", "step(now) or now + 1 < steady", KERNELS),
    Bug("dynamics/kernels/fused.py", "    return step\n", "    return max(step - 1, 0)\n", KERNELS),
    Bug(
        "dynamics/kernels/fused.py",
        "    while step > 0 and",
        "    while step > 1 and",
        KERNELS,
        same="later, and never earlier: no step is left out",
    ),
    Bug("dynamics/kernels/fused.py", "1023) << 52", "1022) << 52", EXACT),
    Bug("dynamics/kernels/fused.py", "batch.gain[member]) or", "batch.gain[0]) or", KERNELS),
    Bug(
        "dynamics/kernels/fused.py",
        "batch.sensitivity[member, now], axes)",
        "batch.sensitivity[0, now], axes)",
        KERNELS,
    ),
    Bug("dynamics/kernels/fused.py", "    one[:n] = 1.0\n", "    one[:] = 1.0\n", EXACT),
    Bug(
        "dynamics/kernels/fused.py",
        "        for j in range(n, values.size):\n            coarse",
        "        for j in range(n, n):\n            coarse",
        EXACT,
        same="what fills up is a copy of the first, whose sums enter as one = 0 does: see tests",
    ),
    Bug(
        "dynamics/kernels/lanes.py",
        "if any_lane(most > load(block, score_row(d))):",
        "if any_lane(most > load(block, score_row(d)) + broadcast(1e-9)):",
        EXACT,
    ),
    Bug(
        "dynamics/kernels/lanes.py",
        "            inside = least >= threshold\n",
        "            inside = most >= threshold\n",
        EXACT,
    ),
    Bug(
        "dynamics/kernels/lanes.py",
        "        fine = load(block, low_row(d, k)) - count * load(low[k], begin)",
        "        fine = load(block, low_row(d, k))",
        EXACT,
    ),
    Bug(
        "dynamics/kernels/tree.py",
        "                    if most < floor:\n",
        "                    if most <= floor:\n",
        EXACT,
    ),
    Bug(
        "dynamics/kernels/tree.py",
        "                    if most < ranges[q, 0]:\n",
        "                    if most <= ranges[q, 0]:\n",
        EXACT,
    ),
    Bug("dynamics/kernels/tree.py", "if least >= ranges[q, 1]:", "if least >= ranges[q, 0]:", EXACT),
    Bug(
        "dynamics/kernels/tree.py",
        "            sensitivity[member],\n            gain[member],",
        "            sensitivity[member],\n            gain[0],",
        KERNELS,
    ),
    Bug(
        "dynamics/kernels/kdtree.py",
        "totals[node, 1 + d + k] += low[k, i]",
        "totals[node, 1 + d + k] += high[k, i] * 0.0",
        EXACT,
    ),
    Bug(
        "dynamics/kernels/blocked.py",
        "_pulls(present, sensitivity[member, now], alignment",
        "_pulls(present, sensitivity[member, 0], alignment",
        KERNELS,
    ),
    Bug("dynamics/kernels/blocked.py", "present + gain[member] * pulls", "present + gain[0] * pulls", KERNELS),
    # schedules
    Bug("dynamics/schedules.py", 'side="right"', 'side="left"', "dynamics/test_schedules.py"),
    Bug(
        "dynamics/schedules.py",
        "context.power(1 + step, exponent)",
        "context.power(step or 1, exponent)",
        "dynamics/test_schedules.py",
    ),
    Bug(
        "dynamics/schedules.py",
        "self.period[step % len(self.period)]",
        "self.period[(step + 1) % len(self.period)]",
        "dynamics/test_schedules.py",
    ),
    Bug(
        "dynamics/schedules.py",
        "return self.sequence[steps.start : steps.stop]",
        "return self.sequence[: steps.stop - steps.start]",
        "dynamics/test_schedules.py",
    ),
    Bug(
        "dynamics/schedules.py",
        "if steps.stop > len(self.sequence):",
        "if steps.stop > len(self.sequence) + 1:",
        "dynamics/test_schedules.py",
    ),
    # models
    Bug(
        "dynamics/models/localmax.py",
        "[model.influence for model in own])[places]",
        "[own[0].influence for model in own])[places]",
        "dynamics/test_batch.py dynamics/models/test_localmax.py",
    ),
    Bug(
        "dynamics/models/localmax.py",
        "        check_scores(tokens, matrix)\n",
        "        check_scores(tokens[:1], matrix)\n",
        "dynamics/test_batch.py dynamics/models/test_localmax.py",
    ),
    Bug(
        "dynamics/models/localmax.py",
        "        for model in models:\n            model._check_length",
        "        for model in models[:1]:\n            model._check_length",
        "dynamics/test_batch.py dynamics/models/test_localmax.py",
    ),
    Bug("dynamics/models/localmax.py", "state + 0.0),", "state),", "dynamics"),
    Bug(
        "dynamics/models/localmax.py",
        "own, record[-1], start=start)",
        "own, record[-1] - start, start=0)",
        "dynamics/models/test_localmax.py",
    ),
    Bug(
        "dynamics/models/base.py",
        '    time_unit: ClassVar[str] = "1"\n',
        '    time_unit: ClassVar[str] = "step"\n',
        "dynamics/test_batch.py dynamics/models",
    ),
    Bug("dynamics/models/base.py", "dtype=np.float64) * self.step_size", "dtype=np.float64)", "dynamics/models"),
    Bug(
        "dynamics/models/base.py",
        "state = model.enter(state) if start == 0 else state",
        "state = model.enter(state)",
        "dynamics/models",
    ),
    Bug(
        "dynamics/models/base.py",
        "        check_scores(tokens, None)\n",
        "        check_scores(tokens[:1], None)\n",
        "dynamics/test_batch.py dynamics/models",
    ),
    Bug("dynamics/models/base.py", "RISE = 1e-11", "RISE = 1e-3", "dynamics/models"),
    Bug(
        "dynamics/models/base.py",
        'own["influence"] / (1.0 + own["influence"])',
        'own["influence"][:1] / (1.0 + own["influence"][:1])',
        "dynamics/models",
    ),
    Bug(
        "dynamics/models/base.py",
        "            if (off > bound).any():",
        "            if (off > bound).all():",
        "dynamics/models",
    ),
    Bug(
        "dynamics/models/circle_density.py", "\nMASS = 1e-12", "\nMASS = 1e-6", "dynamics/models/test_circle_density.py"
    ),
    Bug("dynamics/models/circle_density.py", "GIVEN_MASS = 1e-9", "GIVEN_MASS = 1e-5", "dynamics/models"),
    Bug(
        "dynamics/models/circle_density.py",
        "NEGATIVE = 1e-9",
        "NEGATIVE = 1e-3",
        "dynamics/models/test_circle_density.py",
    ),
    Bug(
        "dynamics/models/circle_density.py",
        "tokens.min(axis=(1, 2)), tokens.sum(axis=(1, 2))",
        "tokens[:1].min(axis=(1, 2)), tokens[:1].sum(axis=(1, 2))",
        "dynamics/test_batch.py dynamics/models",
    ),
    Bug("dynamics/models/sphere_attention.py", "UNIT = 1e-12", "UNIT = 1e-6", "dynamics/models"),
    Bug(
        "dynamics/models/sphere_attention.py",
        "        zero = (tokens == 0).all(axis=-1)",
        "        zero = (tokens[:1] == 0).all(axis=-1)",
        "dynamics/models",
    ),
    Bug(
        "dynamics/models/sphere_attention.py",
        "away = models[0].surface.deviation(tokens)",
        "away = models[0].surface.deviation(tokens[:1])",
        "dynamics/models",
    ),
    Bug(
        "dynamics/models/weights.py",
        "np.tri(rows, n, first, dtype=bool)",
        "np.tri(rows, n, 0, dtype=bool)",
        "dynamics/models",
    ),
    Bug(
        "dynamics/models/weights.py",
        "np.sqrt(square) <= radius",
        "np.sqrt(square) < radius",
        "dynamics/models/test_weights.py",
    ),
    Bug(
        "dynamics/models/weights.py",
        "reach = sensitivity * np.abs(largest)",
        "reach = sensitivity * largest",
        "dynamics/models",
    ),
    Bug(
        "dynamics/models/weights.py",
        "    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))",
        "    return np.asarray(weights / weights.sum(axis=-2, keepdims=True))",
        "dynamics/models/test_weights.py",
    ),
    Bug(
        "dynamics/models/weights.py",
        "np.abs(np.expm1(before - after)).max(axis=-1) > tolerance",
        "np.abs(np.expm1(before - after)).min(axis=-1) > tolerance",
        "dynamics/models/test_weights.py",
    ),
    Bug(
        "dynamics/models/steppers.py",
        "first + 2 * (second + third) + fourth)",
        "first + 2 * second + 2 * third + first)",
        "dynamics/models/test_steppers.py",
    ),
    Bug(
        "dynamics/models/steppers.py",
        "fourth = field(state + step * third, time + step)",
        "fourth = field(state + step * third, time + half)",
        "dynamics/models/test_steppers.py",
    ),
    Bug("dynamics/models/geometry.py", "EXACT = 1e-9", "EXACT = 1e-5", "dynamics/models"),
    Bug(
        "dynamics/models/geometry.py",
        "points.sum(axis=-2) - 1)",
        "points.sum(axis=-2) - 1)[..., :1] * 0.0",
        "dynamics/models/test_circle_density.py",
    ),
    Bug(
        "dynamics/models/noisy.py",
        "(seeds, dtype=np.int64), return_inverse=True)",
        "(sorted(seeds), dtype=np.int64), return_inverse=True)",
        "dynamics/models/test_noisy.py",
    ),
    Bug(
        "dynamics/models/self_attention.py",
        "2.0 ** min(max(2 * exponent,",
        "2.0 ** min(max(exponent,",
        "dynamics/models",
    ),
    Bug(
        "dynamics/models/self_attention.py",
        "self._seen(state, step * self.step_size)",
        "self._seen(state, 0.0)",
        "dynamics/models analysis/test_family_measures.py",
    ),
    Bug(
        "dynamics/kernels/attend_kernel.py",
        "LEAST = -708.0",
        "LEAST = -70.0",
        "dynamics/models/test_family_models.py dynamics/models/test_weights.py",
    ),
    Bug(
        "dynamics/kernels/attend_kernel.py",
        "end = row + width if causal else n",
        "end = row + width - 1 if causal else n",
        "dynamics/models/test_family_models.py",
    ),
    # tokens and random numbers
    Bug("numerics/random.py", "+ 0.5) * 2.0**-52", ") * 2.0**-52", "dynamics/tokens numerics"),
    Bug("numerics/random.py", ">> np.uint64(11)", ">> np.uint64(12)", "dynamics/tokens"),
    Bug(
        "dynamics/tokens/drawn.py",
        "self.low + (self.high - self.low)",
        "self.low + self.high",
        "dynamics/tokens/test_source.py",
    ),
    Bug(
        "dynamics/tokens/sentence.py",
        "for place, word in enumerate(self.words, start=1)",
        "for place, word in enumerate(self.words)",
        "dynamics/tokens/test_sentence.py",
    ),
    Bug(
        "dynamics/tokens/given.py",
        'expected = parameters.get("sha256", source.sha256)',
        "expected = source.sha256",
        "dynamics/tokens data",
    ),
    Bug(
        "dynamics/tokens/directions.py",
        "self.of.draw(seed) if same is None else same",
        "self.of.draw(seeds[0]) if same is None else same",
        "dynamics/tokens/test_directions.py",
    ),
    # attention with positions, attention alone, neighbours on a line
    Bug("dynamics/models/positional.py", "distance = position - 1.0 if", "distance = position if", POSITIONS),
    Bug("dynamics/models/positional.py", "keys[:, :-1], state[:, :-1]", "keys[:, 1:], state[:, 1:]", POSITIONS),
    Bug("dynamics/models/positional.py", "filled = 1 << (rows - 1).bit_length()", "filled = rows", POSITIONS),
    Bug("dynamics/models/positional.py", "-(2 * pair / d)", "-(pair / d)", POSITIONS),
    Bug("dynamics/models/positional.py", "sine * even + cosine * odd", "cosine * odd - sine * even", POSITIONS),
    Bug("dynamics/models/pure_attention.py", "means = state + attend", "means = 0.5 * state + attend", FAMILY),
    Bug("dynamics/models/line.py", "- count * part", "- (count - 1) * part", "dynamics/models/test_line.py"),
    Bug(
        "dynamics/models/line.py",
        "while (far := ~close(first)).any():",
        "while (far := ~close(first)).all():",
        "dynamics/models/test_line.py",
    ),
    Bug(
        "dynamics/tokens/spaced.py",
        "(last - place) * self.low",
        "(self.n - place) * self.low",
        "dynamics/tokens/test_spaced.py",
    ),
]
