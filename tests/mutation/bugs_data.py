"""Bugs in what is kept: layouts, digests, stores, catalogues."""

from __future__ import annotations

from bug import Bug

STORE = "data/store/test_writer.py data/store/test_checkpoints.py data/test_verify.py"
FORKS = "data/store/test_forks.py faults/test_faults_forks.py"

SAFETENSORS = "data/test_safetensors.py"

BUGS = [
    Bug("data/safetensors.py", "length > min(HEADER_BYTES, file.stat().st_size)", "length > HEADER_BYTES", SAFETENSORS),
    Bug("data/safetensors.py", "tensor.begin != end or", "tensor.begin < 0 or", SAFETENSORS),
    Bug(
        "data/safetensors.py", "tensor.end - tensor.begin != length", "tensor.end - tensor.begin < length", SAFETENSORS
    ),
    Bug("data/safetensors.py", "if end != size:", "if end > size:", SAFETENSORS),
    Bug("data/safetensors.py", "self._start + tensor.begin", "tensor.begin + 8", SAFETENSORS),
    Bug("data/safetensors.py", "<< 16)", "<< 15)", SAFETENSORS),
    Bug("data/safetensors.py", "if tensor.begin == tensor.end:", "if False:", SAFETENSORS),
    Bug("data/safetensors.py", "type(number) is int and number >= 0", "isinstance(number, int)", SAFETENSORS),
    Bug("data/safetensors.py", "except (ValueError, RecursionError)", "except ValueError", SAFETENSORS),
    Bug("data/safetensors.py", "not isinstance(tensor.dtype, str) or", "", SAFETENSORS),
    Bug("data/safetensors.py", 'if name != "__metadata__"', "if name", SAFETENSORS),
    Bug(
        "data/digest.py",
        'sha.update(np.ascontiguousarray(part, dtype=part.dtype.newbyteorder("<")))',
        'sha.update(np.ascontiguousarray(part[:1], dtype=part.dtype.newbyteorder("<")))',
        "data/test_digest.py",
    ),
    Bug(
        "data/digest.py",
        'hashlib.sha256(key.encode() + b"\\0" + own.tobytes())',
        "hashlib.sha256(own.tobytes())",
        "data/test_digest.py",
    ),
    Bug("data/digest.py", "[recipe, *members]", "[*members]", "data"),
    Bug("data/digest.py", "sort_keys=True", "sort_keys=False", "data runs/test_recipe.py"),
    Bug("data/grid.py", "left, i = divmod(left, length)", "i, left = divmod(left, length)", "data/test_layout.py"),
    Bug(
        "data/grid.py",
        "np.unique(places // chunk, axis=0) * chunk",
        "np.unique(places // chunk, axis=0)",
        "data/test_layout.py",
    ),
    Bug(
        "data/layout.py",
        "tuple(self.axes[name])[: len(values)] == tuple(values)",
        "len(self.axes[name]) >= len(values)",
        "data runs/test_extending.py",
    ),
    Bug("data/layout.py", 'attrs["units"] = self.time_unit', "pass", "data test_contract.py runs/test_simulation.py"),
    Bug("data/layout.py", "np.unique(column).size != column.size", "False", "data/test_layout.py"),
    Bug(
        "data/layout.py",
        "    if np.all(status == registry.COMPLETE):",
        "    if np.any(status == registry.COMPLETE):",
        "data runs",
    ),
    Bug("data/grid.py", "key=lambda item: item[1][0])", "key=lambda item: item[0])", "data"),
    Bug(
        "data/identity.py",
        "return kept if kept[-1] == steps else (*kept, steps)",
        "return kept",
        "data/test_identity.py runs/test_simulation.py",
    ),
    Bug(
        "data/identity.py",
        "for path, value in paths.items() if path not in own.values())",
        "for path, value in paths.items())",
        "data/test_identity.py analysis/test_parameters.py",
    ),
    Bug("data/identity.py", "float(value) + 0.0)", "float(value))", "data/test_identity.py"),
    Bug("data/lazy.py", "np.where(self._present(key, values.ndim), values, self.array.fill_value)", "values", "data"),
    Bug(
        "data/store/blocks.py",
        "if not np.isfinite(stored).all():\n                raise InvalidInput",
        "if False:\n                raise InvalidInput",
        STORE,
    ),
    Bug("data/store/blocks.py", "places - [part.start for part in window]", "places", STORE + " data/store"),
    Bug(
        "data/store/blocks.py",
        "and list(members) == sorted(members):",
        "or list(members) == sorted(members):",
        STORE + " data/store",
    ),
    Bug(
        "data/store/blocks.py",
        "            if not np.isfinite(stored).all():\n                raise CorruptDataset",
        "            if False:\n                raise CorruptDataset",
        "data faults/test_faults_corruption.py faults/test_faults_kills.py",
    ),
    Bug(
        "data/store/transaction.py",
        "reason[:REASON_LENGTH]",
        "reason",
        "data/store faults/test_faults_hostile.py faults/test_faults_contents.py",
    ),
    Bug(
        "data/store/transaction.py",
        "            self._failures.pop(self.layout.key(member), None)",
        "            pass",
        "data faults/test_faults_contents.py",
    ),
    Bug(
        "data/store/transaction.py",
        "self._mark(member, registry.ABSENT, -1)",
        "self._mark(member, registry.COMPLETE, -1)",
        "data",
    ),
    Bug(
        "data/store/transaction.py",
        "or len(self.begun(members)) < len(members):",
        "or not self.begun(members):",
        "data/store runs",
    ),
    Bug(
        "data/store/transaction.py",
        "if hashing is not None:",
        "if False:",
        "data/store",
        same="the same digest, from what was written instead of from memory",
    ),
    Bug(
        "data/store/checkpoints.py",
        "for at in attributes}) > 1:",
        "for at in attributes}) > 2:",
        "data/store/test_checkpoints.py runs",
    ),
    Bug("data/store/forks.py", "if foreign := written - own:", "if foreign := set():", FORKS),
    Bug(
        "data/store/forks.py",
        "outcome.frames != now.layout.frames:",
        "outcome.frames > now.layout.frames:",
        FORKS,
    ),
    Bug("data/store/forks.py", "        if forgotten:\n", "        if False:\n", FORKS),
    Bug("data/store/forks.py", "            if corner in taken:", "            if False:", FORKS),
    Bug(
        "data/store/forks.py",
        "self._written[member] = (min(begin, frames.first), frames.last)",
        "self._written[member] = (frames.first, frames.last)",
        FORKS + " faults/test_faults_workers.py",
    ),
    Bug(
        "data/store/forks.py",
        "range(first // frames, -(-last // frames))",
        "range(first // frames, last // frames)",
        FORKS,
    ),
    Bug(
        "data/store/writer.py",
        "                lock = WriterLock(place.folder / storage.LOCK_FILE)",
        "                lock = None",
        "data/store faults",
    ),
    Bug(
        "data/store/writer.py",
        "            self._now = narrow  # if",
        "            pass  # if",
        "data/store/test_writer.py runs/test_extending.py faults/test_faults_operations.py",
    ),
    Bug(
        "data/store/writer.py",
        "and len(wider.seeds) > len(initial):",
        "and len(wider.seeds) > len(initial) + 1:",
        "data runs/test_extending.py",
    ),
    Bug(
        "data/store/writer.py",
        "        if self._now.touched(blocks):\n            self.commit()",
        "        if False:\n            self.commit()",
        FORKS,
    ),
    Bug(
        "data/store/lock.py",
        "fcntl.LOCK_EX | fcntl.LOCK_NB",
        "fcntl.LOCK_SH | fcntl.LOCK_NB",
        "data/store/test_lock.py",
    ),
    Bug(
        "data/store/lock.py",
        "                if os.path.samestat(os.fstat(descriptor), path.stat()):",
        "                if True:",
        "data/store/test_lock.py data/catalog",
    ),
    Bug(
        "data/catalog/own.py",
        '            with WriterLock(self.file.with_suffix(".lock"), wait=True):',
        "            if True:",
        "data/catalog",
    ),
    Bug(
        "data/catalog/sources.py",
        '        with WriterLock(record.with_suffix(".lock"), wait=True):',
        "        if True:",
        "data/catalog",
    ),
    Bug(
        "data/repair.py",
        "with writing(place, storage.AGAIN), WriterLock(place.folder / storage.LOCK_FILE):",
        "with writing(place, storage.AGAIN):",
        "test_upkeep.py",
    ),
    Bug("data/store/lock.py", 'mark = ABANDONED if self.abandoned else b""', 'mark = b""', "data/store"),
    Bug(
        "data/store/maintenance.py",
        "        with WriterLock(place.folder / storage.LOCK_FILE):",
        "        if True:",
        "data",
    ),
    Bug("data/catalog/own.py", "        if path in self._named():", "        if False:", "data/catalog"),
    Bug("data/catalog/own.py", "                if entries != before:", "                if entries:", "data/catalog"),
    Bug(
        "data/catalog/cache.py",
        '            with WriterLock(building.with_suffix(".lock"), wait=True):',
        "            if True:",
        "data/catalog test_library.py",
    ),
    Bug("data/catalog/cache.py", "                    check(building)\n", "", "data/catalog test_library.py"),
    Bug(
        "data/verify.py",
        "        if self.recomputed:",
        "        if False:",
        "data/test_verify.py runs/test_recomputing.py",
    ),
    Bug(
        "data/export.py",
        "        if digest not in (None, written):",
        "        if False:",
        "data/test_export.py data/catalog",
    ),
    Bug("data/export.py", "        if not report.ok:", "        if False:", "data/test_export.py data/catalog"),
    Bug(
        "data/repair.py",
        "                _refuse_newer(file, place, error)\n",
        "",
        "data faults/test_faults_corruption.py faults/test_faults_prevented.py",
    ),
    Bug(
        "data/repair.py",
        '    if repository.lookup_branch("main") != state.snapshot:',
        "    if False:",
        "data faults/test_faults_corruption.py faults/test_faults_prevented.py",
    ),
]
