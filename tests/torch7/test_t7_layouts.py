"""Sizes of a long, orders of bytes, several objects, old files: files made by hand."""

# ruff: noqa: E501  (an error stands whole on its line)

from __future__ import annotations

import struct

import numpy as np
import pytest

from dqn_port.errors import T7Error
from dqn_port.torch7 import dumps, load, loads, save
from dqn_port.torch7.values import LuaFunction, LuaTable, Opaque, TorchObject, TorchVector
from tests.torch7.t7_building import LITTLE, NIL, T7, Layout, field, table

LAYOUTS = [(order, long) for order in "<>" for long in "qi"]
CODES = {b"Byte": "B", b"Char": "b", b"Short": "h", b"Int": "i", b"Float": "f", b"Double": "d",
         b"Half": "e", b"Cuda": "f", b"CudaDouble": "d", b"CudaHalf": "e", b"CudaByte": "B",
         b"CudaChar": "b", b"CudaShort": "h", b"CudaInt": "i", b"Long": "", b"CudaLong": ""}  # fmt: skip
DTYPES = {"B": "u1", "b": "i1", "h": "i2", "i": "i4", "f": "f4", "d": "f8", "e": "f2", "": "i8"}


def tensor_file(layout, kind):
    code = CODES[kind] or layout.long
    elements = struct.pack(f"{layout.order}6{code}", 1, 2, 3, 4, 5, 100)
    return layout.tensor(1, kind, (2, 2), (3, 1), 2) + layout.storage(2, kind, 6, elements)


@pytest.mark.parametrize(("order", "long"), LAYOUTS)
@pytest.mark.parametrize("kind", CODES)
def test_every_class_in_every_layout_is_found_out(kind, order, long):
    data = tensor_file(Layout(order, long), kind)
    told = {"long_size": {"q": 8, "i": 4}[long], "byte_order": {"<": "little", ">": "big"}[order]}
    for options in ({}, told):
        value = loads(data, **options)
        assert value.class_name == f"torch.{kind.decode()}Tensor"
        assert value.kind == (kind.decode().removeprefix("Cuda") or "Float")
        array = value.numpy()
        assert array.dtype == np.dtype(DTYPES[CODES[kind]])
        assert array.dtype.isnative
        assert array.tolist() == [[2, 3], [5, 100]]
        assert dumps(value, **told) == data
    with pytest.raises(T7Error):
        loads(data, long_size=12 - told["long_size"])


def test_the_golden_file_with_longs_of_four_bytes():
    value = load(T7 / "longsize4.t7")
    assert value["s"].array.tolist() == [4, 5]
    assert value["l"].numpy().dtype == np.int64
    assert (
        dumps(load(T7 / "longsize4.t7", long_size=4), long_size=4)
        == (T7 / "longsize4.t7").read_bytes()
    )
    with pytest.raises(T7Error) as caught:
        load(T7 / "longsize4.t7", long_size=8)
    assert "byte 84, at l: expected a torch.LongStorage or nil" in str(caught.value)


def test_where_both_sizes_fit_the_larger_is_taken_unless_told():
    small = Layout("<", "i")
    data = small.torch(1, b"torch.LongStorage") + small.longs(0, 0)
    assert loads(data).array.tolist() == []
    assert loads(data, all_objects=True)[0].array.tolist() == []
    assert len(loads(data, long_size=4, all_objects=True)) == 2
    empty = LITTLE.torch(1, b"torch.LongTensor") + LITTLE.ints(0) + small.longs(1) + NIL
    assert loads(empty, long_size=4).size == ()
    assert loads(empty).size == ()
    with pytest.raises(T7Error):
        loads(empty, long_size=8)


def test_a_file_that_fits_no_size_tells_what_is_wrong_with_the_right_one():
    wide, narrow = Layout(), Layout("<", "i")
    for layout in (wide, narrow):
        data = table(1, field(b"a", tensor_file(layout, b"Byte").replace(
            layout.ints(4, 1), layout.ints(4, 5), 1)), field(b"b", layout.ints(9)))  # fmt: skip
        with pytest.raises(T7Error) as caught:
            loads(data, name="a.t7")
        assert str(caught.value) == (
            f"a.t7: byte {len(data) - 4}, at b: expected a tag of 0 to 8, got 9"
        )


def test_a_nil_alone_reads_both_ways():
    assert loads(NIL) is None
    assert loads(b"0\n") is None


def test_classes_from_before_versions():
    data = table(
        1,
        field(b"linear", LITTLE.torch(2, b"nn.Linear", None) + table(3)),
        field(b"bytes", LITTLE.torch(4, b"torch.ByteStorage", None) + LITTLE.longs(2) + b"ab"),
        field(b"later", LITTLE.torch(5, b"nn.Later", b"V 12") + table(6)),
    )
    value = loads(data)
    assert (value["linear"].class_name, value["linear"].version) == ("nn.Linear", 0)
    assert (value["bytes"].array.tobytes(), value["bytes"].version) == (b"ab", 0)
    assert value["later"].version == 12
    assert dumps(value) == data
    assert dumps(loads(dumps(value, ascii=True))) == data


def function(tag, index, *upvalues):
    head = LITTLE.ints(tag) if tag == 6 else LITTLE.ints(tag, index)
    return head + LITTLE.text(b"\x1bLJ") + table(
        index + 100, *((LITTLE.number(k), value) for k, value in enumerate(upvalues, 1))
    )  # fmt: skip


def test_functions_of_all_tags():
    data = table(
        1,
        field(b"six", function(6, 1, LITTLE.ints(3, 1), LITTLE.number(7.0))),
        field(b"seven", function(7, 3, LITTLE.ints(7, 3))),
        field(b"eight", function(8, 4)),
        field(b"again", LITTLE.ints(8, 4)),
    )
    value = loads(data)
    assert [value[name].tag for name in ("six", "seven", "eight")] == [6, 7, 8]
    assert value["six"].upvalues.to_list() == [value, 7.0]
    assert value["seven"].upvalues[1] is value["seven"]
    assert value["again"] is value["eight"]
    assert value["six"].bytecode == b"\x1bLJ"
    again = loads(dumps(value))
    assert again["six"].upvalues.to_list() == [again, 7.0]
    assert again["seven"].upvalues[1] is again["seven"]


def test_a_function_of_tag_six_is_written_anew_wherever_it_is():
    six = LuaFunction(b"abc", tag=6)
    six.upvalues[1] = six
    value = loads(dumps({"a": six, "b": six}))
    assert value["a"] is not value["b"]
    assert value["a"].upvalues is value["b"].upvalues
    assert value["a"].upvalues[1].upvalues is value["a"].upvalues


def test_several_objects_refer_back_to_each_other():
    first = table(1, field(b"s", LITTLE.storage(2, b"Byte", 3, b"abc")))
    data = first + LITTLE.number(2.5) + LITTLE.ints(3, 1) + LITTLE.tensor(
        3, b"Byte", (2,), (1,), 2) + LITTLE.ints(4, 2)  # fmt: skip
    one, number, same, tensor = loads(data, all_objects=True)
    assert same is one
    assert number == 2.5
    assert tensor.storage is one["s"]
    assert tensor.numpy().tobytes() == b"bc"
    assert dumps([one, number, same, tensor], all_objects=True) == data
    text = dumps([one, number, same, tensor], all_objects=True, ascii=True)
    assert dumps(loads(text, all_objects=True), all_objects=True) == data
    with pytest.raises(T7Error) as caught:
        loads(data)
    assert caught.value.offset == len(first)


def test_several_objects_in_a_file(tmp_path):
    save(tmp_path / "a.t7", [1, None, "x"], all_objects=True)
    assert load(tmp_path / "a.t7", all_objects=True) == [1.0, None, "x"]


def test_an_unreferenced_file_has_copies_and_indices_that_rise():
    inner = field(b"a", LITTLE.ints(5, 1))
    value = loads(table(1, field(b"x", table(2, inner)), field(b"y", table(7, inner))))
    assert value["x"] is not value["y"]
    assert value["x"]["a"] is value["y"]["a"] is True


def test_the_classes_of_tds():
    data = table(
        1,
        field(b"h", LITTLE.torch(2, b"tds.Hash") + LITTLE.longs(2)
              + LITTLE.string(b"k") + LITTLE.number(1.0) + LITTLE.number(3.0) + LITTLE.ints(4, 2)),
        field(b"v", LITTLE.torch(3, b"tds.Vec") + LITTLE.longs(3)
              + LITTLE.number(1.0) + NIL + LITTLE.ints(3, 1)),
    )  # fmt: skip
    value = loads(data)
    assert value["h"]["k"] == 1.0
    assert value["h"][3] is value["h"]
    assert isinstance(value["v"], TorchVector)
    assert value["v"].items == [1.0, None, value]
    assert dumps(value) == data
    assert dumps(loads(dumps(value, ascii=True))) == data


def test_a_table_of_fields_may_be_another_objects_too():
    data = table(1, field(b"a", LITTLE.torch(2, b"a.A") + table(3)),
                 field(b"b", LITTLE.torch(4, b"b.B") + LITTLE.ints(3, 3)),
                 field(b"c", LITTLE.ints(3, 3)))  # fmt: skip
    value = loads(data)
    assert value["a"].fields is value["b"].fields is value["c"]
    assert dumps(value) == data


def test_pairs_whose_value_is_nil_are_none_as_in_lua():
    value = loads(table(1, field(b"a", NIL), field(b"b", LITTLE.number(1.0))))
    assert list(value.items()) == [("b", 1.0)]


def test_raw_memory_in_a_file_with_longs_of_four_bytes_is_not_guessed_at():
    data = Layout("<", "i").tensor(1, b"Byte", (2, 1), (1, 1)) + Layout("<", "i").storage(
        2, b"Byte", 2, b"ab") + LITTLE.torch(3, b"torch.Generator") + b"\0" * 5048  # fmt: skip
    with pytest.raises(T7Error) as caught:
        loads(data, name="a.t7", all_objects=True)
    assert str(caught.value) == (
        "a.t7: byte 135, at (object 2): expected a class whose size in memory is known, got "
        "torch.Generator with longs of 4 bytes"
    )


def test_values_are_written_as_torch7_writes_them():
    value = {
        "s": "hi", "n": 0.1, "b": True, 2: [1, None, 3], "t": np.arange(6, dtype="f4").reshape(2, 3),
        "o": TorchObject("nn.Identity", LuaTable([("train", False)])), b"\xff": np.float32(0.5),
        "e": np.zeros((0, 3)), "g": Opaque("torch.Timer", b""), "i": np.int64(7),
    }  # fmt: skip
    expected = table(
        1,
        field(b"s", LITTLE.string(b"hi")),
        field(b"n", LITTLE.number(0.1)),
        field(b"b", LITTLE.ints(5, 1)),
        (LITTLE.number(2.0), table(
            2, (LITTLE.number(1.0), LITTLE.number(1.0)), (LITTLE.number(3.0), LITTLE.number(3.0)))),
        field(b"t", LITTLE.tensor(3, b"Float", (2, 3), (3, 1)) + LITTLE.storage(
            4, b"Float", 6, struct.pack("<6f", 0, 1, 2, 3, 4, 5))),
        field(b"o", LITTLE.torch(5, b"nn.Identity") + table(6, field(b"train", LITTLE.ints(5, 0)))),
        field(b"\xff", LITTLE.number(0.5)),
        field(b"e", LITTLE.tensor(7, b"Double", (), ()) + NIL),
        field(b"g", LITTLE.torch(8, b"torch.Timer")),
        field(b"i", LITTLE.number(7.0)),
    )  # fmt: skip
    assert dumps(value) == expected


def test_a_list_that_is_held_twice_is_one_table():
    inner = [1]
    value = loads(dumps([inner, inner, [1]]))
    assert value[1] is value[2]
    assert value[1] is not value[3]
    cycle = []
    cycle.append(cycle)
    value = loads(dumps(cycle))
    assert value[1] is value


NOT_WRITTEN = {
    "a set": ({"a": {1}}, "at a: a value: expected a dict, list, tuple, str, bytes, int, float, bool, "
              "None, NumPy array or value of Torch7, got a set"),
    "an integer": ([2**53 + 1], "at [1]: a number: expected one that a double holds exactly, got an "
                   "integer of 54 bits"),
    "a huge integer": ([10**400], "at [1]: a number: expected one that a double holds exactly, got an "
                       "integer of 1329 bits"),
    "a key": ({(1,): 1}, "at the top: a table's key: expected a string, number, boolean or Lua object, "
              "got a tuple"),
    "a key that is nan": ({float("nan"): 1}, "at the top: a table's key: expected anything but nil and "
                          "NaN, got NaN"),
    "a key that is nil": ({None: 1}, "at the top: a table's key: expected a string, number, boolean or "
                          "Lua object, got nil"),
    "a surrogate": (["\ud800"], "at [1]: a string: expected text or bytes, got the lone surrogate in "
                    "'\\ud800'"),
    "an array": ([np.zeros(2, complex)], "at [1]: an array: expected a dtype of Byte, Char, Short, Int, "
                 "Long, Float, Double, Half, got complex128"),
    "an array without a dimension": ([np.array(1.0)], "at [1]: an array: expected at least one "
                                     "dimension, got none; give a number"),
    "a class": ({"x": TorchObject("torch.FloatTensor")}, "at x: expected the name of a class that is "
                "written as a TorchObject, got 'torch.FloatTensor'"),
    "a class that is a version": ([TorchObject("V 1")], "at [1]: expected the name of a class that is "
                                  "written as a TorchObject, got 'V 1'"),
    "a version": ([TorchObject("a", version=-1)], "at [1]: a version: expected 0 to 999999999, got -1"),
    "raw memory": ([Opaque("torch.Generator", b"abc")], "at [1]: expected 5048 bytes of a "
                   "torch.Generator, got 3"),
    "a tag": ([LuaFunction(b"", tag=5)], "at [1]: a function: expected the tag 6, 7 or 8, got 5"),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_WRITTEN)
def test_what_cannot_be_written(name, tmp_path):
    value, expected = NOT_WRITTEN[name]
    for is_ascii in (False, True):
        with pytest.raises(T7Error) as caught:
            dumps(value, ascii=is_ascii)
        assert str(caught.value) == f"<bytes>: {expected}"
    (tmp_path / "a.t7").write_bytes(b"old")
    with pytest.raises(T7Error) as caught:
        save(tmp_path / "a.t7", value)
    assert str(caught.value) == f"{tmp_path}/a.t7: {expected}"
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_longs_of_four_bytes_hold_only_so_much():
    for value, expected in (
        (np.array([2**31]), "expected elements that a long of 4 bytes holds, got larger ones"),
        (
            np.array([-(2**31) - 1]),
            "expected elements that a long of 4 bytes holds, got larger ones",
        ),
    ):
        assert loads(dumps(value)).numpy().tolist() == value.tolist()
        with pytest.raises(T7Error) as caught:
            dumps(value, long_size=4)
        assert str(caught.value) == f"<bytes>: at the top: {expected}"


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(T7Error) as caught:
        save(tmp_path / "no" / "a.t7", 1)
    assert str(caught.value) == (
        f"{tmp_path}/no/a.t7: cannot be written: its folder does not exist; make it first"
    )


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (b"-1.5e3 nan -nan inf -inf 1e999 0 -0 .5 5.", [-1500, None, None, np.inf, -np.inf, np.inf,
                                                          0, 0, 0.5, 5]),
    ],
)  # fmt: skip
def test_decimals_of_c(text, values):
    for kind in (b"Double", b"Float", b"Half"):
        name = b"torch.%sStorage" % kind
        data = b"4\n1\n3\nV 1\n%d\n%s\n%d\n%s\n" % (len(name), name, len(values), text)
        array = loads(data).array
        assert [None if np.isnan(x) else x for x in array.tolist()] == values
        assert np.signbit(array).tolist()[1:3] == [False, True]


def test_many_elements_in_ascii():
    array = np.arange(200_001, dtype="f8") / 7
    assert np.array_equal(loads(dumps(array, ascii=True)).numpy(), array)
    whole = np.arange(-100_000, 100_001) * 10**13
    assert np.array_equal(loads(dumps(whole, ascii=True)).numpy(), whole)
