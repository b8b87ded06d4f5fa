"""Lua's tables with Lua's keys; strings of bytes; tensors that are views."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dqn_port.errors import T7Error
from dqn_port.torch7.tensors import KIND_OF_STORAGE, Storage, Tensor
from dqn_port.torch7.values import LuaTable, TorchObject, to_bytes, to_text


def test_one_and_one_are_one_key_and_true_is_another():
    table = LuaTable([(1, "int"), (True, "true"), (1.0, "float"), (False, "false"), (0, "zero")])
    assert list(table.items()) == [(1, "float"), (True, "true"), (False, "false"), (0, "zero")]
    assert [type(key) for key in table] == [int, bool, bool, int]
    assert (table[1], table[1.0], table[np.int32(1)], table[np.float32(1)]) == ("float",) * 4
    assert table[-0.0] == "zero"
    assert table[True] == table[np.bool(True)] == "true"
    del table[1.0]
    assert 1 not in table
    assert True in table


def test_strings_are_keys_by_their_bytes():
    table = LuaTable([("é", 1), (b"\xff", 2)])
    assert table[b"\xc3\xa9"] == table["\udcc3\udca9"] == 1
    assert table["\udcff"] == 2
    assert "1" not in LuaTable([(1, 1)])


def test_objects_are_keys_by_identity():
    key, other = LuaTable(), LuaTable()
    table = LuaTable([(key, 1), (other, 2)])
    table[table] = 3
    assert (table[key], table[other], table[table]) == (1, 2, 3)
    assert LuaTable() not in table
    assert key != other
    assert key == key


def test_large_and_fractional_numbers_are_keys_as_floats():
    table = LuaTable([(2.5, "a"), (math.inf, "b"), (2**60, "c"), (2.0**53, "d")])
    assert list(table) == [2.5, math.inf, 2**60, 2**53]
    assert table[float(2**60)] == "c"


@pytest.mark.parametrize("key", [None, math.nan, (1,), {}, 2**53 + 1, np.float32("nan"), "\ud800"])
def test_what_is_no_key(key):
    table = LuaTable([(1, 1)])
    with pytest.raises(T7Error):
        table[key] = 1
    with pytest.raises(KeyError):
        table[key]
    assert key not in table
    assert table.get(key, 7) == 7
    assert len(table) == 1


def test_a_pair_without_a_value_is_none():
    table = LuaTable([("a", 1), ("b", None), ("c", 3)])
    assert list(table) == ["a", "c"]
    table["a"] = None
    table["z"] = None
    assert list(table) == ["c"]
    assert len(LuaTable.from_list([None, 2])) == 1


def test_lists():
    table = LuaTable.from_list("abc")
    assert list(table.items()) == [(1, "a"), (2, "b"), (3, "c")]
    assert table.to_list() == ["a", "b", "c"]
    assert LuaTable([(2, "b"), (1, "a")]).to_list() == ["a", "b"]
    assert LuaTable().to_list() == []
    for table in (LuaTable([(0, 1)]), LuaTable([(2, 1)]), LuaTable([(1, 1), ("n", 1)])):
        assert not table.is_list
        with pytest.raises(T7Error) as caught:
            table.to_list()
        assert str(caught.value) == (
            f"expected a table with the keys 1 to n only, got <LuaTable of {len(table)} pairs>"
        )


def test_objects_have_fields():
    value = TorchObject("nn.Linear", LuaTable([("bias", 1)]))
    assert value["bias"] == 1
    assert "bias" in value
    assert "weight" not in value
    assert value.get("weight", 5) == 5
    with pytest.raises(KeyError):
        value["weight"]


@given(st.binary())
def test_every_string_of_bytes_has_one_str(data):
    assert to_bytes(to_text(data)) == data


def storage(kind="Float", count=6):
    name = f"torch.{kind}Storage"
    dtype = Tensor.from_array(np.zeros(1), f"torch.{kind}Tensor").numpy().dtype
    return Storage(name, np.arange(count).astype(dtype))


def test_a_tensor_is_a_view_of_its_storage():
    held = storage()
    tensor = Tensor("torch.FloatTensor", (2, 2), (3, 1), 1, held)
    assert tensor.numpy().tolist() == [[1, 2], [4, 5]]
    tensor.numpy()[0, 0] = 9
    assert held.array[1] == 9
    assert Tensor("torch.FloatTensor", (3, 2), (0, 2), 0, held).numpy().tolist() == [[0, 2]] * 3
    assert Tensor("torch.FloatTensor").numpy().shape == (0,)
    assert Tensor("torch.FloatTensor", (1, 6), (2**62, 1), 0, held).numpy().shape == (1, 6)


def test_a_view_expanded_beyond_all_measure_is_no_array():
    for size in ((10**18,) * 3, (2**63 - 1,), (10**18, 10**18, 0)):
        tensor = Tensor("torch.FloatTensor", size, (0,) * len(size), 0, storage())
        with pytest.raises(T7Error) as caught:
            tensor.numpy()
        shape = "x".join(map(str, size))
        assert str(caught.value) == (
            f"torch.FloatTensor: expected a size that an array can have, got {shape}"
        )
    assert Tensor("torch.FloatTensor", (10**15,), (0,), 0, storage()).numpy()[10**14] == 0


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        (((7,), (1,), 0), "a view within the 6 elements of its storage, got one up to element 7"),
        (((2,), (5,), 1), "a view within the 6 elements of its storage, got one up to element 7"),
        (((2**62, 2**62), (2**62, 1), 0),
         f"a view within the 6 elements of its storage, got one up to element "
         f"{(2**62 - 1) * (2**62 + 1) + 1}"),
        (((2,), (-1,), 1), "strides of 0 or more, got -1"),
        (((-2,), (1,), 1), "sizes of 0 or more, got -2"),
        (((2,), (1, 1), 0), "1 strides, one for each size, got 2"),
        (((2,), (1,), -1), "a storageOffset of 1 or more, got 0"),
        (((1,) * 65, (1,) * 65, 0), "at most 64 dimensions, got 65"),
    ],
)  # fmt: skip
def test_a_tensor_stays_within_its_storage(layout, expected):
    with pytest.raises(T7Error) as caught:
        Tensor("torch.FloatTensor", *layout, storage())
    assert str(caught.value) == f"torch.FloatTensor: expected {expected}"


def test_classes_and_dtypes_must_fit():
    with pytest.raises(T7Error, match=r"^torch.FloatTensor: expected a torch.FloatStorage, got a"):
        Tensor("torch.FloatTensor", (1,), (1,), 0, storage("Double"))
    with pytest.raises(T7Error, match=r"^expected the class of a tensor, got 'nn.Linear'$"):
        Tensor("nn.Linear")
    with pytest.raises(T7Error, match=r"^expected the class of a storage, got 'torch.FloatTensor'"):
        Storage("torch.FloatTensor", np.zeros(1, "f4"))
    with pytest.raises(T7Error) as caught:
        Storage("torch.FloatStorage", np.zeros((1, 1), "f8"))
    assert str(caught.value) == (
        "torch.FloatStorage: expected an array of one dimension of float32, got 2 of float64"
    )


def test_cuda_classes_are_their_kind_on_the_cpu():
    assert len(KIND_OF_STORAGE) == 16
    tensor = Tensor.from_array(np.arange(3.0), "torch.CudaTensor")
    assert tensor.numpy().dtype == np.float32
    assert (tensor.kind, tensor.storage.kind) == ("Float", "Float")
    assert tensor.storage.class_name == "torch.CudaStorage"


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [("u1", "Byte"), ("i1", "Char"), (">i2", "Short"), ("i4", "Int"), ("i8", "Long"),
     ("f2", "Half"), (">f4", "Float"), ("f8", "Double"), ("?", "Byte")],
)  # fmt: skip
def test_a_tensor_of_an_array(dtype, kind):
    array = np.array([[1, 0, 1], [1, 1, 0]], dtype)[:, ::2]
    tensor = Tensor.from_array(array)
    assert tensor.class_name == f"torch.{kind}Tensor"
    assert (tensor.size, tensor.stride, tensor.offset) == ((2, 2), (2, 1), 0)
    assert tensor.numpy().tolist() == array.tolist()
    assert not np.shares_memory(tensor.numpy(), array)


@pytest.mark.parametrize("dtype", ["u2", "u4", "u8", "c8", "U3", "O"])
def test_dtypes_that_torch_has_not(dtype):
    with pytest.raises(T7Error, match=r"^an array: expected a dtype of Byte, Char,"):
        Tensor.from_array(np.zeros(2, dtype))
