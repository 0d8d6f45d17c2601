"""Bugs in what is taken over from elsewhere, and in how runs of different length are measured."""

from __future__ import annotations

from bug import Bug

TRAJECTORY, GIVEN = "outside/test_trajectory.py", "outside/test_given_attention.py"

BUGS = [
    Bug("analysis/ragged.py", "result[np.ix_(rows, *places)] = values", "result[np.ix_(rows)] = 0", TRAJECTORY),
    Bug("analysis/ragged.py", "array = np.take(array, own, axis=-axis)", "pass", TRAJECTORY),
    Bug(
        "analysis/ragged.py", "np.arange(len(own)), axis=-axis", "np.arange(array.shape[-axis]), axis=-axis", TRAJECTORY
    ),
    Bug("analysis/ragged.py", "rows = np.flatnonzero(number.ravel() == i)", "rows = np.arange(len(whose))", TRAJECTORY),
    Bug("analysis/given_attention.py", "weights >= weights.max", "weights > weights.max", GIVEN),
    Bug("analysis/given_attention.py", '"model" in ds.attrs or', "", GIVEN),
    Bug(
        "analysis/transport.py",
        "one is None or two is None or not one.variable.equals(two.variable)",
        "False",
        TRAJECTORY,
    ),
    Bug("analysis/parameters.py", '"source" in ds.attrs and "recipe" not in ds.attrs', "False", TRAJECTORY),
    Bug("data/trajectory.py", "[super().digest, self.heads, *whose]", "super().digest", "data/test_trajectory.py"),
    Bug("data/repair.py", "report.damaged and Stored.open(place)", "False and Stored.open(place)", TRAJECTORY),
    Bug("outside/alone.py", "assign_attrs(count=len(kept))", "assign_attrs()", TRAJECTORY),
    Bug("outside/arrays.py", "whole[row][tuple(slice(0, size) for", "whole[0][tuple(slice(0, size) for", TRAJECTORY),
    Bug("outside/arrays.py", "~np.isfinite(values) & whole", "np.isinf(values) & whole", TRAJECTORY),
    Bug("outside/arrays.py", "~np.isfinite(checked) & pairs", "False & pairs", TRAJECTORY),
    Bug("outside/files.py", "if file.suffix in EXECUTING:", "if False:", "outside/test_adoption.py"),
    Bug("outside/files.py", 'if "pickle" in json.dumps', 'if "dill" in json.dumps', "outside/test_adoption.py"),
    Bug("outside/files.py", "_refuse_objects(zarr", "(zarr", "outside/test_adoption.py"),
    Bug("outside/frames.py", "wide = wide - wide.mean(axis=-1, keepdims=True)", "pass", "outside/test_frames.py"),
    Bug("outside/frames.py", "wide = wide / scale", "pass", "outside/test_frames.py"),
    Bug("outside/tokens.py", "kept &= ~found", "kept |= found", "outside/test_frames.py"),
]
