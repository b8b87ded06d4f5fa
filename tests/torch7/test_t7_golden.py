"""Every golden .t7 file holds what its JSON says, and is written again byte for byte."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dqn_port.torch7 import dumps, load, loads, save
from dqn_port.torch7.difference import differences
from dqn_port.torch7.node_reader import from_json
from dqn_port.torch7.nodes import to_json
from tests.torch7.golden_nodes import check, golden
from tests.torch7.t7_building import ASCII, BINARY, FILES

by_name = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
# Not a number has a payload in binary, a sign in ASCII, and neither in JSON.
PAYLOADS = ("net_mlp_flat.t7", "net_mlp_flat_with_params.t7")
SIGNS = (*PAYLOADS, "numbers.t7")


def written(value, path, **options):
    return dumps(value, long_size=4 if path.name == "longsize4.t7" else 8, **options)


def test_all_golden_files_are_here():
    assert len(FILES) == 61
    assert len(BINARY) == 31
    assert len({path.name.split(".")[0] for path in FILES}) == 31


@by_name
def test_a_golden_file_holds_what_its_json_says(path):
    check(golden(path), load(path))


@by_name
def test_a_golden_file_is_written_again_byte_for_byte(path, tmp_path):
    raw = path.read_bytes()
    assert written(loads(raw), path, ascii=path in ASCII) == raw
    save(tmp_path / "a.t7", load(path), ascii=path in ASCII)
    if path.name != "longsize4.t7":
        assert (tmp_path / "a.t7").read_bytes() == raw


@by_name
def test_a_golden_file_is_the_same_by_way_of_the_other_form(path):
    raw, is_ascii = path.read_bytes(), path in ASCII
    other = dumps(loads(raw), ascii=not is_ascii)
    check(golden(path), loads(other))
    again = written(loads(other), path, ascii=is_ascii)
    assert not list(differences(loads(raw), loads(again)))
    assert (again == raw) is (path.name not in PAYLOADS)


@pytest.mark.parametrize("path", BINARY, ids=lambda path: path.name)
def test_the_binary_file_and_the_ascii_file_hold_the_same(path):
    other = path.with_name(path.name.replace(".t7", ".ascii.t7"))
    if other.exists():
        left, right = load(path), load(other)
        assert not list(differences(left, right))


@by_name
def test_a_golden_file_is_the_same_by_way_of_json(path):
    raw = path.read_bytes()
    again = written(from_json(to_json(loads(raw))), path, ascii=path in ASCII)
    check(golden(path), loads(again))
    assert not list(differences(loads(raw), loads(again)))
    assert (again == raw) is not path.name.replace(".ascii", "").startswith(
        tuple(name[:-3] for name in SIGNS)
    )


def missing(expected, ours):
    """Yield the members in which ours is not the golden node; the values are checked above."""
    for key in expected.keys() - {"id", "sum", "first8", "sha256", "str", "values", "items"}:
        if key == "upvalues":
            if [e["name"] for e in expected[key] or []] != [e["name"] for e in ours[key]]:
                yield key
        elif key == "storage" and "ref" not in (expected[key]["t"], ours[key]["t"]):
            yield from missing(expected[key], ours[key])
        elif key != "storage" and expected[key] != ours.get(key):
            yield f"{key}: {expected[key]!r} and not {ours.get(key)!r}"


@pytest.mark.parametrize("name", ["shared_storage", "functions", "zero_size", "empty_tensors"])
def test_our_json_has_the_members_of_the_golden_json(name):
    (path,) = (path for path in BINARY if path.name == f"{name}.t7")
    expected, ours = golden(path), json.loads(to_json(load(path)))
    assert [*missing(expected, ours)] == []
    fields = {key["v"]: value for key, value in ours["items"]}
    compared = 0
    for key, value in expected["items"]:
        if "ref" not in (value["t"], fields[key["v"]]["t"]):
            assert [*missing(value, fields[key["v"]])] == []
            compared += 1
    assert compared >= 2


def test_tensors_are_views_of_one_storage():
    value = load(next(path for path in BINARY if path.name == "shared_storage.t7"))
    again, block = value["again"], value["block"]
    assert again.storage is block.storage
    assert np.shares_memory(again.numpy(), block.numpy())
    again.numpy()[1, 1] = 60
    assert block.numpy()[0, 0] == 60
    assert value["row2"].numpy()[1] == 60


def test_a_tensor_expanded_or_transposed_is_a_view():
    value = load(next(path for path in BINARY if path.name == "tensor_float.t7"))
    assert value["expand"].numpy().strides == (0, 4)
    assert value["transposed"].numpy().strides == (4, 12)
    assert value["unfold"].numpy().tolist() == [
        [-9.5, -2.5, 4.5], [-2.5, 4.5, 11.5], [4.5, 11.5, 18.5], [11.5, 18.5, 25.5]
    ]  # fmt: skip


def test_the_whole_is_read_with_numbers_as_floats_and_whole_keys_as_ints():
    value = load(next(path for path in BINARY if path.name == "tables.t7"))
    assert type(value["array"][1]) is float
    assert [type(key) for key in value["array"]] == [int, int, int]
    assert value[True] == "true key"
    assert value[1] == value[1.0] == "one"
    assert value["shared1"] is value["shared2"]
    assert value["cyc"]["child"]["parent"] is value["cyc"]
