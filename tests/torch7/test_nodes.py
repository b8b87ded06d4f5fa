"""The node form: what it holds, and what is refused when it is read back."""

# ruff: noqa: E501  (an error stands whole on its line)

from __future__ import annotations

import json

import numpy as np
import pytest

from dqn_port.errors import T7Error
from dqn_port.torch7 import dumps, loads
from dqn_port.torch7.node_reader import from_json
from dqn_port.torch7.nodes import to_json
from dqn_port.torch7.tensors import Storage, Tensor
from dqn_port.torch7.values import LuaFunction, LuaTable, Opaque, TorchObject, TorchVector

STORAGE = {
    "t": "storage",
    "class": "torch.FloatStorage",
    "id": 2,
    "size": 2,
    "values": ["1", "2.5"],
}
TENSOR = {
    "t": "tensor", "class": "torch.FloatTensor", "id": 1, "ndim": 1, "size": [2], "stride": [1],
    "storageOffset": 1, "storage": STORAGE, "values": ["1", "2.5"],
}  # fmt: skip
NUMBER = {"t": "number", "v": "1"}


def to_node(value):
    return json.loads(to_json(value))


def from_node(node):
    return from_json(json.dumps(node))


def string(text):
    return {"t": "string", "v": text}


def test_scalars():
    values = [
        None,
        True,
        0.1,
        -0.0,
        float("inf"),
        float("-inf"),
        float("nan"),
        1e300,
        "a b",
        "é",
        b"\0",
    ]
    assert [to_node(value) for value in values] == [
        {"t": "nil"},
        {"t": "boolean", "v": True},
        {"t": "number", "v": "0.10000000000000001"},
        {"t": "number", "v": "-0"},
        {"t": "number", "v": "inf"},
        {"t": "number", "v": "-inf"},
        {"t": "number", "v": "nan"},
        {"t": "number", "v": "1.0000000000000001e+300"},
        {"t": "string", "v": "a b"},
        {"t": "string", "hex": "c3a9"},
        {"t": "string", "hex": "00"},
    ]


def test_tables_and_objects_and_references():
    inner = LuaTable([(True, 1.0)])
    value = TorchObject("nn.A", LuaTable([("x", inner), (2, inner)]))
    assert to_node(value) == {
        "t": "object", "class": "nn.A", "id": 1, "n": 2, "items": [
            [string("x"), {"t": "table", "id": 2, "n": 1, "items": [[{"t": "boolean", "v": True}, NUMBER]]}],
            [{"t": "number", "v": "2"}, {"t": "ref", "id": 2}],
        ],
    }  # fmt: skip


def test_tensors_and_storages():
    storage = Storage("torch.FloatStorage", np.array([1, 2.5], "f4"))
    assert to_node(Tensor("torch.FloatTensor", (2,), (1,), 0, storage)) == TENSOR
    assert to_node(Tensor("torch.FloatTensor")) == {
        "t": "tensor", "class": "torch.FloatTensor", "id": 1, "ndim": 0, "size": None, "stride": None,
        "storage": {"t": "nil"},
    }  # fmt: skip
    expanded = Tensor("torch.FloatTensor", (2, 2), (0, 1), 0, storage)
    assert to_node(expanded)["values"] == ["1", "2.5", "1", "2.5"]


def test_ids_go_on_over_several_objects():
    table = LuaTable()
    text = to_json([table, [table], 1], all_objects=True)
    assert json.loads(text) == [
        {"t": "table", "id": 1, "n": 0, "items": []},
        {"t": "table", "id": 2, "n": 1, "items": [[NUMBER, {"t": "ref", "id": 1}]]},
        NUMBER,
    ]
    first, second, _ = from_json(text, all_objects=True)
    assert second[1] is first


def test_what_the_golden_form_has_not():
    upvalue = LuaTable([("name", "up"), ("id", 1.0), ("value", 5.0)])
    usual = LuaFunction(b"\x1bLJ", LuaTable([(1, upvalue)]))
    odd = LuaFunction(b"", LuaTable([(1, 2.0)]))
    fields = LuaTable([("a", 1.0)])
    value = {
        "usual": usual, "odd": odd, "seven": LuaFunction(b"", LuaTable([(1, 2.0)]), tag=7),
        "six": LuaFunction(b"", tag=6), "old": TorchObject("a.A", fields, version=0),
        "same": TorchObject("a.B", fields), "fields": fields, "timer": Opaque("torch.Timer", b""),
        "vec": TorchVector([None, 1.0]),
    }  # fmt: skip
    node = to_node(value)
    found = {key["v"]: inner for key, inner in node["items"]}
    assert found["usual"] == {
        "t": "function", "id": 2, "tag": 8, "bytecode": "1b4c4a",
        "upvalues": [{"name": "up", "upvalue": "1", "value": {"t": "number", "v": "5"}}],
    }  # fmt: skip
    assert found["odd"]["upvalues_table"]["items"] == [[NUMBER, {"t": "number", "v": "2"}]]
    assert found["seven"]["upvalues"] == [{"value": {"t": "number", "v": "2"}}]
    assert found["six"] == {"t": "function", "tag": 6, "bytecode": "", "upvalues": []}
    assert (found["old"]["version"], found["old"]["fields_id"]) == (0, 7)
    assert found["same"] == {
        "t": "object",
        "class": "a.B",
        "id": 8,
        "fields": {"t": "ref", "id": 7},
    }
    assert found["fields"] == {"t": "ref", "id": 7}
    assert found["timer"] == {
        "t": "userdata", "class": "torch.Timer", "id": 9, "str": "torch.Timer", "data": ""}  # fmt: skip
    assert found["vec"]["items"] == [[NUMBER, {"t": "nil"}], [{"t": "number", "v": "2"}, NUMBER]]
    assert dumps(from_node(node)) == dumps(value)


def test_the_golden_files_own_ways_are_read():
    node = {"t": "table", "n": 0, "items": {}}
    assert len(from_node(node)) == 0
    assert len(from_node({"t": "table"})) == 0
    empty = {"t": "storage", "class": "torch.LongStorage", "size": 0, "values": {}}
    assert from_json(json.dumps(empty)).array.tolist() == []
    assert (
        from_node({"t": "userdata", "class": "torch.Timer", "str": "torch.Timer [running]"}).data
        == b""
    )
    assert from_node({"t": "string", "hex": "C3a9"}) == "é"


def test_views_that_overlap_are_read_but_not_written_out():
    data = dumps(
        Tensor(
            "torch.ByteTensor",
            (10**9, 10**9),
            (0, 0),
            0,
            Storage("torch.ByteStorage", np.zeros(1, "u1")),
        )
    )
    value = loads(data)
    assert value.element_count == 10**18
    assert dumps(value) == data
    with pytest.raises(T7Error) as caught:
        to_json(value)
    assert str(caught.value) == (
        "torch.ByteTensor 1000000000x1000000000: expected views whose values are few times what is "
        "stored, got ones that overlap too much to be written out"
    )
    storage = Storage("torch.ByteStorage", np.zeros(10_000, "u1"))
    views = [Tensor("torch.ByteTensor", (10_000,), (1,), 0, storage) for _ in range(30)]
    with pytest.raises(T7Error, match="overlap too much"):
        to_json(views)
    assert to_json(views[:10])


TYPES = "nil, boolean, number, string, table, function, ref, object, userdata, storage, tensor"
KEYS = "every key once, and none that is nil or NaN"
BAD_NODES = {
    "no node": (5, "at the top: a node: expected an object with 't', got 5"),
    "no t": ({}, f"at the top: t: expected one of {TYPES}, got null"),
    "another t": ({"t": "x"}, f"at the top: t: expected one of {TYPES}, got the string 'x'"),
    "t that is a list": ({"t": []}, f"at the top: t: expected one of {TYPES}, got a list"),
    "boolean": ({"t": "boolean", "v": 1}, "at the top: v: expected true or false, got 1"),
    "number": ({"t": "number", "v": "1_0"}, "at the top: a number: expected a word such as '0.1', 'inf' or "
               "'nan', got the string '1_0'"),
    "no number": ({"t": "number", "v": 1}, "at the top: v: expected a string, got 1"),
    "hex": ({"t": "string", "hex": "0"}, "at the top: hex: expected two hexadecimal digits for each byte, got '0'"),
    "surrogate": ({"t": "string", "v": "\ud800"}, "at the top: a string: expected text or bytes, got the lone "
                  "surrogate in '\\ud800'"),
    "ref": ({"t": "ref", "id": 1}, "at the top: id: expected that of an object met before, got 1"),
    "id": ({"t": "table", "id": 0}, "at the top: id: expected a new number of 1 or more, got 0"),
    "id twice": ({"t": "table", "id": 1, "items": [[string("a"), {"t": "table", "id": 1}]]},
                 "at a: id: expected a new number of 1 or more, got 1"),
    "n": ({"t": "table", "n": 2, "items": [[NUMBER, NUMBER]]}, "at the top: n: expected 1 as there are items, got 2"),
    "items": ({"t": "table", "items": 5}, "at the top: items: expected a list, got 5"),
    "pair": ({"t": "table", "items": [[NUMBER]]}, "at the top: item 1: expected a pair [key node, value node], got a list"),
    "key": ({"t": "table", "items": [[{"t": "nil"}, NUMBER]]}, f"at (key 1): a key: expected {KEYS}, got nil"),
    "key that is nan": ({"t": "table", "items": [[{"t": "number", "v": "nan"}, NUMBER]]},
                        f"at (key 1): a key: expected {KEYS}, got [nan]"),
    "key twice": ({"t": "table", "items": [[NUMBER, NUMBER], [{"t": "number", "v": "1.0"}, NUMBER]]},
                  f"at (key 2): a key: expected {KEYS}, got [1]"),
    "vector": ({"t": "object", "class": "tds.Vec", "items": [[string("a"), NUMBER]]},
               "at (key 1): a key of a tds.Vec: expected 1, got 'a'"),
    "path": ({"t": "table", "items": [[string("a"), {"t": "object", "class": "b.B", "items": [[NUMBER, 5]]}]]},
             "at a[1]: a node: expected an object with 't', got 5"),
    "class": ({"t": "object", "class": "torch.FloatTensor"},
              "at the top: class: expected that of a node of t object, got 'torch.FloatTensor'"),
    "class that is empty": ({"t": "object", "class": ""}, "at the top: class: expected that of a node of t object, got ''"),
    "userdata": ({"t": "userdata", "class": "torch.Generator", "str": "torch.Generator"},
                 "at the top: data: expected a string, got nothing"),
    "userdata's size": ({"t": "userdata", "class": "torch.Generator", "data": "00"},
                        "at the top: data: expected 5048 bytes, got 1"),
    "bytecode": ({"t": "function", "id": 1, "upvalues": {}}, "at the top: bytecode: expected a string, got nothing"),
    "tag": ({"t": "function", "tag": 5, "bytecode": ""}, "at the top: tag: expected 6 without id, 7 or 8, got 5"),
    "upvalues": ({"t": "function", "bytecode": "", "upvalues_table": NUMBER},
                 "at upvalues: upvalues_table: expected a table, got 1.0"),
    "upvalue": ({"t": "function", "bytecode": "", "upvalues": [5]}, "at the top: upvalue 1: expected an object, got 5"),
    "fields": ({"t": "object", "class": "a.A", "fields": 5}, "at the top: id: expected an integer, got nothing"),
    "size": ({**STORAGE, "size": -1}, "at the top: values: expected -1 number words, got 2"),
    "size of 2^63": ({**STORAGE, "size": 2**63}, "at the top: size: expected an integer that a long holds, got 9223372036854775808"),
    "values": ({**STORAGE, "size": 3}, "at the top: values: expected 3 number words, got 2"),
    "no values": ({**STORAGE, "values": 5}, "at the top: values: expected a list of number words, got 5"),
    "checksum": ({"t": "storage", "class": "torch.ByteStorage", "size": 10**15, "sha256": "00"},
                 "at the top: values: expected 1000000000000000 number words, got 0"),
    "value": ({**STORAGE, "values": ["1", "0x2"]}, "at the top: a number: expected a word such as '0.1', 'inf' or "
              "'nan', got the string '0x2'"),
    "value of a byte": ({"t": "storage", "class": "torch.ByteStorage", "size": 1, "values": ["256"]},
                        "at the top: values: expected numbers that uint8 holds, got 256"),
    "value with a fraction": ({"t": "storage", "class": "torch.ByteStorage", "size": 1, "values": ["0.5"]},
                              "at the top: values: expected integers, got the string '0.5'"),
    "stride": ({**TENSOR, "stride": [2]}, "at the top: torch.FloatTensor: expected a view within the 2 elements of "
               "its storage, got one up to element 3"),
    "ndim": ({**TENSOR, "ndim": 2}, "at the top: ndim: expected 1 as there are sizes, got 2"),
    "tensor's values": ({**TENSOR, "values": ["1", "3"]}, "at the top: values: expected those of the storage, got others"),
    "storage": ({**TENSOR, "storage": NUMBER},
                "at the top: storage: expected a node of t nil, or of a torch.FloatStorage, got an object"),
    "storage's class": ({**TENSOR, "class": "torch.DoubleTensor"}, "at the top: storage: expected a node of t nil, or of "
                        "a torch.DoubleStorage, got <torch.FloatStorage of 2 elements>"),
    "version": ({"t": "object", "class": "a.A", "version": -1}, "at the top: version: expected 0 to 999999999, got -1"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_NODES)
def test_a_damaged_node(name):
    node, expected = BAD_NODES[name]
    with pytest.raises(T7Error) as caught:
        from_json(json.dumps(node), name="a.json")
    assert str(caught.value) == f"a.json: {expected}"


BAD_JSON = {
    "nothing": ("", "character 1: expected a JSON value, got the end"),
    "after": ("{} {", "character 4: expected the end of the text, got '{'"),
    "cut": ('{"t": "nil"', "character 12: expected ',' or '}', got the end"),
    "key twice": ('{"t": "nil", "t": "nil"}', "character 13: expected a key in quotes, every key once, got '\"t\"'"),
    "no colon": ('{"t" "nil"}', "character 6: expected ':', got '\"nil\"}'"),
    "no quotes": ("{1: 1}", "character 2: expected a key in quotes, every key once, got '1'"),
    "no key": ("{t: 1}", "character 2: expected a key in quotes, got 't: 1}'"),
    "string": ('{"t": "ni', "character 7: expected a JSON value, got '\"ni'"),
    "escape": (r'{"t": "\x"}', "character 6: expected a JSON value, got '\"\\\\x\"'"),
    "escape in a key": (r'{"\x": 1}', "character 2: expected a JSON value, got '\"\\\\x\"'"),
    "no value": ('{"t": ]', "character 6: expected a JSON value, got ']'"),
    "float": ('{"a": 1.5}', "character 7: expected a JSON value, got '1.5}'"),
    "long integer": (f'{{"a": {"1" * 5000}}}', f"character 7: expected a JSON value, got '{'1' * 20}'"),
    "arrays": ("[" * 9, "character 4: expected at most 3 arrays in each other, got one more"),
    "bytes": (b'{"t": "\xff"}', "byte 7: expected UTF-8, got '\\xff\"}'"),
    "a list": ("[]", "expected one node, got a list of 0; a file of several objects is read with all_objects=True"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_JSON)
def test_damaged_json(name):
    text, expected = BAD_JSON[name]
    with pytest.raises(T7Error) as caught:
        from_json(text, name="a.json")
    assert str(caught.value) == f"a.json: {expected}"


def test_json_is_what_the_json_module_reads():
    value = loads(dumps({"a": [1, "é", {"b": np.arange(3.0)}], "c": None}))
    text = to_json(value)
    assert json.loads(text) == json.loads(json.dumps(json.loads(text)))
    assert dumps(from_json(json.dumps(json.loads(text), indent=2))) == dumps(value)
    assert dumps(from_json(text.encode())) == dumps(value)
    assert from_json(f"[{text}]", all_objects=True)[0]["a"][2] == "é"


def test_long_values_are_read_in_pieces():
    array = np.arange(100_000, dtype="i8") * 10**12
    assert np.array_equal(from_json(to_json(array)).numpy(), array)
    damaged = to_json(array).replace('"99999000000000000"]', '"99999000000000001"]', 1)
    with pytest.raises(T7Error) as caught:
        from_json(damaged)
    assert str(caught.value) == (
        "<JSON>: at the top: values: expected those of the storage, got others"
    )


def test_a_function_of_tag_six_may_hold_itself():
    six = LuaFunction(b"", tag=6)
    six.upvalues[1] = six
    node = to_node(six)
    assert node["upvalues_table"]["items"][0][1]["upvalues_table"] == {"t": "ref", "id": 1}
    read = from_node(node)
    assert read.upvalues[1].upvalues is read.upvalues
    assert dumps(read) == dumps(six)
