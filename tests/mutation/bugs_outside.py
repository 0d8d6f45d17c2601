"""Bugs in what is taken over from elsewhere, and in how runs of different length are measured."""

from __future__ import annotations

from bug import Bug

TRAJECTORY, GIVEN = "outside/test_trajectory.py", "outside/test_given_attention.py"
ADOPTION, HDF5 = "outside/test_adoption.py", "outside/test_hdf5.py"

BUGS = [
    Bug("analysis/ragged.py", "result[np.ix_(rows, *places)] = values", "result[np.ix_(rows)] = 0", TRAJECTORY),
    Bug("analysis/ragged.py", "array = np.take(array, own, axis=-axis)", "pass", TRAJECTORY),
    Bug(
        "analysis/ragged.py", "np.arange(len(own)), axis=-axis", "np.arange(array.shape[-axis]), axis=-axis", TRAJECTORY
    ),
    Bug("analysis/ragged.py", "rows = np.flatnonzero(number.ravel() == i)", "rows = np.arange(len(whose))", TRAJECTORY),
    Bug("analysis/given_attention.py", "(wide >= least) & (wide > 0)", "(wide > least) & (wide > 0)", GIVEN),
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
    Bug("outside/files.py", "        _refuse_objects(folder)\n", "", "outside/test_adoption.py"),
    Bug("outside/files.py", 'if "lmdata_schema" in ds.attrs:', "if False:", ADOPTION),
    Bug("outside/files.py", 'f"{name}\\0{sha256_of(path)}\\0"', 'f"{sha256_of(path)}"', ADOPTION),
    Bug("outside/files.py", "        Hdf5(file)  # refuses what is in other files\n", "", HDF5),
    Bug("outside/hdf5.py", "if item.external or item.is_virtual", "if item.external", HDF5),
    Bug("outside/hdf5.py", "if item.external or item.is_virtual", "if item.is_virtual", HDF5),
    Bug("outside/hdf5.py", "group.visititems_links(linked) or ", "", HDF5),
    Bug("outside/hdf5.py", "array.asstr()[...]", "array[...]", HDF5),
    Bug("outside/adoption.py", 'provenance["dtype"] = found', 'provenance["kind"] = found', ADOPTION),
    Bug("outside/adoption.py", "given[name] is None and name in found", "name in found", ADOPTION),
    Bug("outside/alone.py", "word.values.ravel()[kept]", "word.values.ravel()[: len(kept)]", TRAJECTORY),
    Bug("outside/alone.py", 'for dim in ("token", "key") if dim in ds.dims', 'for dim in ("token",)', TRAJECTORY),
    Bug("outside/arrays.py", "if original in NARROW else np.float64", "if original else np.float64", ADOPTION),
    Bug("outside/arrays.py", "frames not in (t, t - 1)", "frames > t", TRAJECTORY),
    Bug(
        "outside/arrays.py", "np.concatenate([values, last], axis=-4)", "np.concatenate([last, values], axis=-4)", GIVEN
    ),
    Bug("outside/arrays.py", "values.transpose([names.index(name) for name in _order(names)])", "values", ADOPTION),
    Bug("outside/model.py", 'if "model" in ds.attrs:', "if False:", TRAJECTORY),
    Bug("outside/tokens.py", "np.isin(there, (0, 1)).all()", "np.isfinite(there).all()", TRAJECTORY),
    Bug("outside/tokens.py", "if len(own) == n else slice(None)", "if False else slice(None)", TRAJECTORY),
    Bug("outside/tokens.py", 'f"{text}@{place}"', 'f"{text}@{place - 1}"', TRAJECTORY),
    Bug("outside/trajectory.py", "(np.diff(times) > 0).all()", "(np.diff(times) >= 0).all()", TRAJECTORY),
    Bug("outside/trajectory.py", "weights[..., kept, :][..., kept]", "weights[..., kept, :]", "outside/test_frames.py"),
    Bug("outside/trajectory.py", "None if there is None or there.all() else there", "there", TRAJECTORY),
    Bug("outside/frames.py", "wide = wide - wide.mean(axis=-1, keepdims=True)", "pass", "outside/test_frames.py"),
    Bug("outside/frames.py", "wide = wide / scale", "pass", "outside/test_frames.py"),
    Bug("outside/tokens.py", "kept &= ~found", "kept |= found", "outside/test_frames.py"),
]
