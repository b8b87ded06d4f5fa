"""Files nested 100,000 deep: nothing is recursive, and nothing takes a square of the depth."""

from __future__ import annotations

import pytest

from dqn_port.torch7 import dumps, loads
from dqn_port.torch7.difference import differences
from dqn_port.torch7.node_reader import from_json
from dqn_port.torch7.nodes import to_json
from dqn_port.torch7.tree import lines
from dqn_port.torch7.values import LuaFunction, LuaTable, TorchObject, TorchVector
from tests.torch7.t7_building import LITTLE, table

DEPTH = 100_000
HOLDERS = {
    "table": lambda value: LuaTable([("x", value)]),
    "key": lambda value: LuaTable([(value, 1.0)]),
    "object": lambda value: TorchObject("nn.A", LuaTable([("x", value)])),
    "vector": lambda value: TorchVector([value]),
    "function": lambda value: LuaFunction(b"", LuaTable([(1, value)]), tag=7),
    "function 6": lambda value: LuaFunction(b"", LuaTable([(1, value)]), tag=6),
}


@pytest.mark.parametrize("name", HOLDERS)
def test_a_deep_value_is_read_written_converted_and_compared(name):
    depth = DEPTH if name == "table" else DEPTH // 10
    value = 1.0
    for _ in range(depth):
        value = HOLDERS[name](value)
    data = dumps(value)
    read = loads(data)
    assert not list(differences(value, read))
    if name != "table":
        assert dumps(loads(dumps(read, ascii=True))) == data
    assert dumps(from_json(to_json(read))) == data
    length = sum(map(len, lines(read)))
    assert length < 400 * depth
    assert repr(read)


def test_a_deep_ascii_file_made_by_hand():
    text = "".join(f"3\n{k}\n1\n2\n1\nx\n" for k in range(1, DEPTH + 1)) + "0\n"
    assert "x" in loads(text.encode())["x"]["x"]["x"]


def test_a_deep_file_made_by_hand():
    levels = range(1, DEPTH + 1)
    data = b"".join(LITTLE.ints(3, k, 1) + LITTLE.string(b"x") for k in levels) + LITTLE.ints(0)
    read = loads(data)
    depth = 0
    while read is not None:
        read, depth = read.get("x"), depth + 1
    assert depth == DEPTH


def test_plain_values_may_be_deep_too():
    value = []
    for _ in range(DEPTH // 5):
        value = [value]
    assert len(dumps(value)) == 24 * DEPTH // 5 + 12
    assert to_json({"a": value}).count("[[") == DEPTH // 5 + 1


def test_the_leaves_of_a_wide_table():
    pairs = [(LITTLE.number(float(k)), LITTLE.number(k / 2)) for k in range(1, 50_001)]
    value = loads(table(1, *pairs))
    assert value.to_list() == [k / 2 for k in range(1, 50_001)]
