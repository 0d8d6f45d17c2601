import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmdata.data import layout as module
from lmdata.data.digest import member_key
from lmdata.data.grid import chunk_of
from lmdata.data.layout import Layout, assemble
from lmdata.data.opening import open_dataset
from lmdata.errors import InvalidInput, UnknownName

shapes = st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple)


@given(shapes, st.integers(1, 400))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_spread_fits_the_shape_and_the_number(shape, members):
    chunk = chunk_of(shape, members)
    assert all(1 <= step <= size for step, size in zip(chunk, shape, strict=True))
    assert math.prod(chunk) < 2 * members * max(shape) or math.prod(chunk) <= members
    if members >= math.prod(shape):
        assert chunk == shape
    if members == 1:
        assert set(chunk) == {1}


@given(shapes, st.integers(1, 30), st.integers(1, 5), st.integers(1, 5), st.integers(64, 4096))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_blocks_partition_the_members_into_storage_chunks(shape, frames, tokens, components, target):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_BYTES", target)
        patch.setattr(module, "CHUNK_BYTES", 8 * target)
        made = Layout(
            swept={f"p{i}": tuple(np.arange(size, dtype=float)) for i, size in enumerate(shape[:-1])},
            seeds=tuple(range(shape[-1])),
            time=np.arange(frames),
            time_unit="step",
            labels=None,
            tokens=tokens,
            components=components,
        )
    blocks = list(made.blocks())
    assert sorted(member for block in blocks for member in block) == list(range(made.size))
    chunk = made.chunks("position")
    assert chunk[-2:] == (tokens, components)
    assert math.prod(chunk) * 8 <= max(8 * target, made.frame_bytes)
    if chunk[-3] < frames:
        assert math.prod(chunk[:-3]) == 1
    for block in blocks:
        window = made.window(block)
        assert all(part.start % step == 0 for part, step in zip(window, chunk, strict=False))
        assert len(block) == math.prod(part.stop - part.start for part in window)


def test_members_are_numbered_in_grid_order_and_keyed_by_value(example):
    made = example().layout
    assert made.shape == (3, 4)
    assert [made.index(i) for i in (0, 4, 11)] == [(0, 0), (1, 0), (2, 3)]
    assert made.key(6) == '{"influence":1.0,"seed":5}'
    assert made.coordinates(6) == {"influence": 1.0, "seed": 5}


@pytest.mark.parametrize("swept", [{}, {"a": (1, -0.0, 1e-300)}, {"z": (0.1, 2.0), 'a"é': (1e22, 3.0), "s": (5.0,)}])
def test_keys_are_those_of_the_coordinates(example, swept):
    made = example(swept=swept).layout
    for member in range(made.size):
        assert made.key(member) == member_key(made.coordinates(member))
    assert made.keys(range(made.size)) == [made.key(member) for member in range(made.size)]
    assert made.keys([]) == []
    for wrong in (-1, made.size):
        with pytest.raises(InvalidInput, match=f"member is {wrong}; their numbers go from 0"):
            made.keys([0, wrong])


def test_window_refuses_members_of_several_chunks(example, small_blocks):
    made = example().layout
    first, second, *_ = made.blocks()
    with pytest.raises(InvalidInput, match="several storage chunks"):
        made.window([first[0], second[0]])
    with pytest.raises(InvalidInput, match="none of them twice"):
        made.window([0, 0])
    with pytest.raises(InvalidInput, match="from 0 to 11"):
        made.window([12])
    for member in (12, -1):
        with pytest.raises(InvalidInput, match="from 0 to 11"):
            made.index(member)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dtype": "float16"}, "dtype is 'float16'"),
        ({"seeds": ()}, "seed has shape"),
        ({"seeds": (1, 1)}, "seed has values"),
        ({"swept": {"influence": (0.5, float("nan"))}}, "influence has values"),
        ({"swept": {"influence": (0.5, 0.5)}}, "influence has values"),
        ({"swept": {"position": (0.5,)}}, "'position' has the name of a variable"),
        ({"swept": {"time": (0.5,)}}, "'time' has the name of a variable"),
        ({"tokens": 0}, "tokens is 0"),
        ({"labels": ("a", "b")}, "labels are 2 words; distinct ones are needed for 4 tokens"),
        ({"labels": ("a", "b", "c", "a")}, "labels are 4 words; distinct ones are needed for 4 tokens"),
        ({"diagnostics": ("position",)}, "declared as something else"),
        ({"tokens": 10**6, "components": 1000}, "one frame of 1000000 x 1000 numbers"),
        ({"seeds": tuple(range(2**20))}, "the sweep has 3145728 members"),
    ],
)
def test_what_no_dataset_has_is_refused(example, changes, message):
    with pytest.raises(InvalidInput, match=message):
        replace(example().layout, **changes)


def test_the_order_of_diagnostics_means_nothing(example, tmp_path):
    names = ("ambiguous_ties", "half_steps_done")
    one, other = (example(diagnostics=order) for order in (names, names[::-1]))
    assert one.layout.digest == other.layout.digest
    assert set(names) < set(open_dataset(other.write(tmp_path / "run")))


def test_unknown_diagnostic_is_refused(example):
    with pytest.raises(UnknownName, match="ambiguous_ties"):
        example(diagnostics=("ambiguous_tie",))


def test_assembled_dataset_has_the_registry_s_names_and_attributes(example):
    made = example(labels=("a", "b", "c", "é"), diagnostics=("ambiguous_ties",))
    shape = made.layout.shape
    marks = {name: values.reshape(*shape, -1) for name, values in made.marks.items()}
    complete = {"status": np.ones(shape, "u1"), "digest": np.full(shape, "d" * 64), "steps_done": np.full(shape, 5)}
    ds = assemble(made.layout, made.grid, **complete, diagnostics=marks)
    assert ds.position.dims == ("influence", "seed", "time", "token", "component")
    assert ds.token.values.tolist() == ["a", "b", "c", "é"]
    assert ds.time.attrs["units"] == "step"
    assert ds.status.attrs["flag_meanings"] == "absent complete failed"
    assert ds.ambiguous_ties.dims == ("influence", "seed", "time")
    assert len(ds.attrs["digest"]) == 64
    assert ds.attrs["lmdata_schema"] == 1
    complete["status"][0, 0] = 0
    assert "digest" not in assemble(made.layout, made.grid, **complete, diagnostics=marks).attrs


def test_digest_knows_everything_that_was_declared(example):
    one = example().layout
    changes = [
        {"swept": {"influence": (0.5, 1.0, 3.0)}},
        {"swept": {"other": (0.5, 1.0, 2.0)}},
        {"seeds": (0, 1, 7, 5)},
        {"time": np.arange(6.0)},
        {"time_unit": "1"},
        {"labels": ("a", "b", "c", "d")},
        {"dtype": "float32"},
        {"attrs": {}},
        {"chunk": (1, 1, 6)},
        {"diagnostics": ("ambiguous_ties",)},
    ]
    assert len({replace(one, **change).digest for change in [{}, *changes]}) == len(changes) + 1
    assert replace(one).digest == one.digest


def test_what_extends_a_layout(example):
    one = example().layout
    assert one.extends(one)
    assert replace(one, seeds=(*one.seeds, 9), attrs={"other": 1}).extends(one)
    assert replace(one, swept={"influence": (0.5, 1.0, 2.0, 0.1)}).extends(one)
    for other in (
        replace(one, seeds=(9, *one.seeds)),
        replace(one, seeds=one.seeds[:-1]),
        replace(one, swept={"influence": (0.5, 1.0)}),
        replace(one, swept={"influence": (1.0, 0.5, 2.0)}),
        replace(one, swept={"influence": (0.5, 1.0, 2.0), "b": (1.0,)}, chunk=()),
        replace(one, labels=("a", "b", "c", "d")),
        replace(one, time=np.arange(7)),
        replace(one, dtype="float32"),
    ):
        assert not other.extends(one)
