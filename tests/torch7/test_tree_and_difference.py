"""The readable tree, paths in it, and what two values differ in."""

# ruff: noqa: E501  (an error stands whole on its line)

from __future__ import annotations

import numpy as np
import pytest

from dqn_port.errors import T7Error
from dqn_port.torch7 import loads
from dqn_port.torch7.difference import differences
from dqn_port.torch7.paths import join, select, step
from dqn_port.torch7.tensors import Storage, Tensor
from dqn_port.torch7.tree import lines
from dqn_port.torch7.values import LuaFunction, LuaTable, Opaque, TorchObject, TorchVector
from tests.torch7.t7_building import LITTLE, table


def floats(count):
    return Storage("torch.FloatStorage", np.arange(count, dtype="f4"))


def network():
    held = floats(20)
    weight = Tensor("torch.FloatTensor", (2, 5), (5, 1), 0, held)
    bias = Tensor("torch.FloatTensor", (2,), (1,), 10, held)
    layer = TorchObject("nn.Linear", LuaTable([("weight", weight), ("bias", bias)]))
    return TorchObject("nn.Sequential", LuaTable([("modules", LuaTable.from_list([layer, layer]))]))


def example():
    key = LuaTable([("k", 1.0)])
    return LuaTable([
        ("net", network()), ("lr", 0.00025), ("on", True), ("a-b", "text\n"), (key, "by table"),
        ("t", Tensor("torch.FloatTensor", (3, 4), (1, 3), 0, Storage(
            "torch.FloatStorage", np.array([*range(11), np.nan], "f4")))),
        ("e", Tensor("torch.LongTensor")), ("s", Storage("torch.LongStorage", np.array([84, 84]))),
        ("f", LuaFunction(b"abc", LuaTable.from_list([1.0]), tag=7)), ("v", TorchVector([None])),
        ("timer", Opaque("torch.Timer", b"")), ("odd\x1b", TorchObject("a\nb")),
        ("x", Tensor("torch.FloatTensor", (10**9, 2), (0, 1), 0, floats(2))), ("long", "y" * 300),
    ])  # fmt: skip


TREE = f"""\
table of 14
  net: nn.Sequential of 1 fields
    modules: table of 2
      [1]: nn.Linear of 2 fields
        weight: torch.FloatTensor 2x5, min 0, max 9, mean 4.5
        bias: torch.FloatTensor 2: 10 11, offset 10, in the storage of net.modules[1].weight
      [2]: nn.Linear of 2 fields, the same as net.modules[1]
  lr: 0.00025
  on: true
  ["a-b"]: "text\\n"
  (key 5): table of 1
    k: 1
  [<LuaTable of 1 pairs>]: "by table"
  t: torch.FloatTensor 3x4, min 0, max 10, mean 5, 1 NaN, stride 1x3
  e: torch.LongTensor empty
  s: torch.LongStorage of 2: 84 84
  f: function of 3 bytes
    upvalues: table of 1
      [1]: 1
  v: tds.Vec of 1
    [1]: nil
  timer: torch.Timer of 0 bytes
  ["odd\\u001b"]: 'a\\nb' of 0 fields
  x: torch.FloatTensor 1000000000x2, min 0, max 1, mean 0.5, stride 0x1
  long: "{"y" * 200}"... of 300 bytes"""


def test_the_tree_of_a_value():
    assert "\n".join(lines(example())) == TREE


def test_the_tree_down_to_a_depth():
    assert list(lines(network(), depth=0)) == ["nn.Sequential of 1 fields ..."]
    assert list(lines(network(), depth=2)) == [
        "nn.Sequential of 1 fields",
        "  modules: table of 2",
        "    [1]: nn.Linear of 2 fields ...",
        "    [2]: nn.Linear of 2 fields, the same as modules[1]",
    ]


def test_the_tree_of_plain_values():
    assert list(lines({"a": [1, b"\xff", np.arange(2)]})) == [
        "table of 1",
        "  a: table of 3",
        "    [1]: 1",
        '    [2]: "\\udcff"',
        "    [3]: torch.LongTensor 2: 0 1",
    ]


def test_statistics_of_views_that_overlap_are_left_out():
    held = floats(1000)
    overlapping = Tensor("torch.FloatTensor", (500, 500), (1, 1), 0, held)
    assert list(lines(overlapping)) == [
        "torch.FloatTensor 500x500, a view that overlaps itself, stride 1x1"
    ]


def test_infinite_numbers_have_statistics_too():
    array = np.array([np.inf, -np.inf, *range(8)])
    assert list(lines(array)) == ["torch.DoubleTensor 10, min -inf, max inf, mean nan"]
    assert list(lines(np.full(9, np.nan))) == ["torch.DoubleTensor 9, 9 NaN"]


def test_paths_lead_to_objects():
    value = example()
    assert select(value, "") is value
    assert select(value, "net.modules[2].weight").size == (2, 5)
    assert select(value, "net.modules[2.0]") is select(value, "net.modules[1]")
    assert select(value, '["a-b"]') == select(value, '["a\\u002db"]') == "text\n"
    assert select(value, "f.upvalues[1]") == 1
    assert select(LuaTable([(True, 1.0), (2.5, 2.0), (-1, 3.0)]), "[true]") == 1
    assert select(LuaTable([(2.5, 2.0)]), "[2.5]") == 2
    assert select(LuaTable([(-1, LuaTable([(1, 3.0)]))]), "[-1][1]") == 3


def test_every_step_of_a_line_leads_back():
    for key in (
        "a",
        "a-b",
        "",
        "\n",
        "\udcff",
        'q"\\',
        1,
        -1,
        2.5,
        1e300,
        float("inf"),
        True,
        False,
    ):
        assert select(LuaTable([(key, "x")]), join([step(key)])) == "x"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".net", 'path ".net": character 1: expected a step such as .name, [2] or ["a-b"]'),
        ("net modules", 'path "net modules": character 4: expected a step such as .name, [2] or ["a-b"]'),
        ("net.modules[", 'path "net.modules[": character 12: expected a step such as .name, [2] or ["a-b"]'),
        ("net..modules", 'path "net..modules": character 4: expected a step such as .name, [2] or ["a-b"]'),
        ("nett", "path nett: expected a key of <LuaTable of 14 pairs> at the top, got .nett; did you mean 'net'?"),
        ("net.modules[3]", "path net.modules[3]: expected a key of <LuaTable of 2 pairs> at net.modules, got [3]"),
        ("lr.x", "path lr.x: expected a table or an object at lr, got a number"),
        ("t[1]", "path t[1]: expected a table or an object at t, got <torch.FloatTensor 3x4>"),
    ],
)  # fmt: skip
def test_paths_that_lead_nowhere(path, expected):
    with pytest.raises(T7Error) as caught:
        select(example(), path)
    assert str(caught.value) == expected


def texts(left, right):
    return [str(difference) for difference in differences(left, right)]


def test_equal_values_do_not_differ():
    assert texts(example(), example()) == []
    pairs = list(example().pairs())
    assert texts(LuaTable(pairs), LuaTable(pairs[::-1])) == []
    assert (
        texts(float("nan"), -float("nan")) == texts(0.0, -0.0) == texts({"a": 1}, {"a": 1.0}) == []
    )


def test_each_kind_of_difference():
    other = example()
    other["net"]["modules"][1]["weight"].numpy()[1, 2] = -1
    other["lr"], other["on"], other["a-b"] = 0.0005, 1.0, None
    other["new"] = "here"
    other["t"] = Tensor("torch.FloatTensor", (3, 4), (4, 1), 0, floats(12))
    other["e"] = Tensor("torch.IntTensor", version=0)
    other["s"] = Storage("torch.LongStorage", np.array([84]))
    other["f"] = LuaFunction(b"abd", LuaTable.from_list([2.0]), tag=7)
    other["v"] = TorchVector([None, 2.0])
    other["timer"] = Opaque("torch.Timer", b"x")
    assert texts(example(), other) == [
        '["a-b"]: only left: "text\\n" | nothing',
        'new: only right: nothing | "here"',
        "net.modules[1].weight: value: 1 of 10 elements, by 8 at most; at [2, 3] 7 | -1",
        "lr: value: 0.00025 | 0.0005",
        "on: type: true | 1",
        "t: layout: stride 1x3, offset 0 | stride 4x1, offset 0",
        "t: value: 11 of 12 elements, by inf at most; at [1, 2] 3 | 1",
        "e: class: torch.LongTensor | torch.IntTensor",
        "e: version: 1 | 0",
        "s: size: 2 | 1",
        "f: value: tag 7, function of 3 bytes | tag 7, function of 3 bytes",
        "f.upvalues[1]: value: 1 | 2",
        "v: size: 1 | 2",
        "timer: value: torch.Timer of 0 bytes | torch.Timer of 1 bytes",
    ]


def test_true_is_not_one():
    assert texts(LuaTable([(True, 1.0)]), LuaTable([(1, 1.0)])) == [
        "[true]: only left: 1 | nothing",
        "[1]: only right: nothing | 1",
    ]


def test_sharing_is_compared():
    inner = LuaTable([("x", 1.0)])
    shared = {"a": inner, "b": inner}
    copied = {"a": LuaTable([("x", 1.0)]), "b": LuaTable([("x", 1.0)])}
    assert texts(shared, copied) == ["b: sharing: the same as a | new here"]
    assert texts(copied, shared) == ["b: sharing: new here | the same as a"]
    held, one, two = floats(4), floats(4), floats(4)
    views = [
        Tensor("torch.FloatTensor", (4,), (1,), 0, storage) for storage in (held, held, one, two)
    ]
    assert texts(views[:2], views[2:]) == ["[2]: sharing: the same as [1] | new here"]


def test_cycles_are_compared():
    def ring(length):
        tables = [LuaTable([("v", 1.0)]) for _ in range(length)]
        for k, one in enumerate(tables):
            one["next"] = tables[(k + 1) % length]
        return tables[0]

    assert texts(ring(3), ring(3)) == []
    assert texts(ring(2), ring(3)) == ["next.next: sharing: the same as the top | new here"]


def test_objects_as_keys_are_compared_in_their_order():
    def keyed(*names):
        return LuaTable([(LuaTable([("name", name)]), name) for name in names])

    assert texts(keyed("a", "b"), keyed("a", "b")) == []
    assert texts(keyed("a"), keyed("b")) == [
        '(key).name: value: "a" | "b"',
        '[<LuaTable of 1 pairs>]: value: "a" | "b"',
    ]
    assert texts(keyed("a"), {}) == ['[<LuaTable of 1 pairs>]: only left: "a" | nothing']


def test_expanded_views_are_compared_by_what_they_hold():
    def expanded(last):
        storage = Storage("torch.FloatStorage", np.array([0, last], "f4"))
        return Tensor("torch.FloatTensor", (10**9, 2), (0, 1), 0, storage)

    assert texts(expanded(1), expanded(1)) == []
    assert texts(expanded(1), expanded(3)) == [
        "the top: value: 1 of 2 elements, by 2 at most; at [1, 2] 1 | 3"
    ]


def test_views_that_overlap_too_much_are_not_compared():
    overlapping = [Tensor("torch.FloatTensor", (500, 500), (1, 1), 0, floats(1000)) for _ in "ab"]
    with pytest.raises(T7Error) as caught:
        texts(*overlapping)
    assert str(caught.value) == (
        "at the top: torch.FloatTensor 500x500: expected views whose values are few times what is "
        "stored, got ones that overlap too much to be compared"
    )


def test_a_file_of_odd_names_makes_one_line_each():
    data = table(1, (LITTLE.string(b"\n\xff"), LITTLE.torch(2, b"a\x00\x1b[2J", None) + table(3)))
    assert list(lines(loads(data))) == [
        "table of 1", '  ["\\n\\udcff"]: \'a\\x00\\x1b[2J\' of 0 fields'
    ]  # fmt: skip
