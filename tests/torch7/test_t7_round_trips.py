"""Any value comes back as it was: through binary, ASCII and JSON."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dqn_port.torch7 import dumps, loads
from dqn_port.torch7.difference import differences
from dqn_port.torch7.node_reader import from_json
from dqn_port.torch7.nodes import to_json
from dqn_port.torch7.tensors import KIND_OF_TENSOR, Storage, Tensor, dtype_of, storage_class
from dqn_port.torch7.tree import lines
from dqn_port.torch7.values import LuaFunction, LuaObject, LuaTable, TorchObject, TorchVector

NAMES = st.binary(max_size=8)
SCALARS = st.none() | st.booleans() | st.floats() | NAMES | st.integers(-(2**53), 2**53)
KEYS = st.booleans() | st.floats(allow_nan=False) | NAMES | st.integers(-(2**53), 2**53)


@st.composite
def tensors(draw):
    class_name = draw(st.sampled_from(sorted(KIND_OF_TENSOR)))
    dtype = dtype_of(KIND_OF_TENSOR[class_name])
    held = draw(arrays.arrays(dtype, st.integers(0, 12)))
    storage = Storage(storage_class(class_name), held)
    size = draw(st.lists(st.integers(1, 3), max_size=4))
    stride = [draw(st.integers(0, 4)) for _ in size]
    last = sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if not size or last >= len(held):
        return storage if draw(st.booleans()) else Tensor(class_name)
    offset = draw(st.integers(0, len(held) - 1 - last))
    return Tensor(class_name, tuple(size), tuple(stride), offset, storage)


@st.composite
def graphs(draw):
    """A value with sharing and cycles: objects made first, then filled with each other."""
    made = [LuaTable()]
    for _ in range(draw(st.integers(0, 6))):
        made.append(draw(st.one_of(
            st.builds(LuaTable),
            st.builds(TorchObject, st.sampled_from(["nn.A", "dqn.TransitionTable", "tds.Hash"]),
                      version=st.integers(0, 3)),
            st.builds(TorchVector),
            st.builds(LuaFunction, NAMES, tag=st.sampled_from([7, 8])),
            tensors(),
        )))  # fmt: skip
    objects = st.sampled_from(made)
    for value in made:
        if isinstance(value, TorchVector):
            value.items = draw(st.lists(SCALARS | objects, max_size=4))
            continue
        table = (
            value if isinstance(value, LuaTable)
            else value.fields if isinstance(value, TorchObject)
            else value.upvalues if isinstance(value, LuaFunction) else None
        )  # fmt: skip
        if table is not None:
            for key, item in draw(
                st.lists(st.tuples(KEYS | objects, SCALARS | objects), max_size=4)
            ):
                table[key] = item
    return made[0]


def same(left, right):
    return not list(differences(left, right))


@given(graphs())
def test_any_value_comes_back(value):
    data = dumps(value)
    assert dumps(loads(data)) == data
    assert same(value, loads(data))
    assert same(value, loads(dumps(value, ascii=True)))
    assert same(value, from_json(to_json(value)))
    assert len(list(lines(value))) >= 1


@given(graphs(), st.sampled_from(["little", "big"]))
def test_any_value_comes_back_from_any_layout(value, order):
    data = dumps(value, byte_order=order)
    assert same(value, loads(data, byte_order=order, long_size=8))


@given(st.lists(graphs(), max_size=3))
def test_any_values_come_back(values):
    together = [*values, *values]
    read = loads(dumps(together, all_objects=True), all_objects=True) if together else []
    assert all(one is two for one, two in zip(read, read[len(values) :], strict=False))
    assert same(together, read)
    again = from_json(to_json(together, all_objects=True), all_objects=True)
    assert same(together, again)


@given(st.floats() | st.integers(-(2**53), 2**53) | NAMES | st.booleans() | st.none())
def test_any_scalar_comes_back(value):
    for read in (
        loads(dumps(value)), loads(dumps(value, ascii=True)), from_json(to_json(value))
    ):  # fmt: skip
        if isinstance(value, bytes):
            assert read.encode("utf-8", "surrogateescape") == value
        elif isinstance(value, float) and math.isnan(value):
            assert math.isnan(read)
        else:
            assert read == value
            assert isinstance(read, bool) is isinstance(value, bool)
            if isinstance(value, float):
                assert math.copysign(1, read) == math.copysign(1, value)


@given(arrays.arrays(st.sampled_from(["f2", "f4", "f8", "i8", "u1", "i1", "i2", "i4"]),
                     arrays.array_shapes(max_dims=4, max_side=4)))  # fmt: skip
def test_any_array_comes_back(array):
    for read in (
        loads(dumps(array)), loads(dumps(array, ascii=True)), from_json(to_json(array))
    ):  # fmt: skip
        assert read.numpy().dtype == array.dtype
        assert np.array_equal(read.numpy(), array, equal_nan=array.dtype.kind == "f")


@given(graphs(), graphs())
def test_a_value_differs_from_another_both_ways_or_not_at_all(left, right):
    assert same(left, right) is same(right, left)
    assert isinstance(left, LuaObject)
