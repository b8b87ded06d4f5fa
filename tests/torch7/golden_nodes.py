"""Compare values, and our nodes, with the golden files' nodes."""

from __future__ import annotations

import hashlib
import json
import math

import numpy as np

from dqn_port.torch7.tensors import Storage, Tensor
from dqn_port.torch7.values import LuaFunction, LuaObject, LuaTable, Opaque, TorchObject, to_bytes
from tests.torch7.t7_building import T7

# In copying, machine paths were replaced; in the .t7 files they stand as they were.
SCRUBBED = "<lua>"


def golden(path):
    """Return the node of a golden file, binary or ASCII."""
    name = path.name.removesuffix(".t7").removesuffix(".ascii")
    node = json.loads((T7 / f"{name}.json").read_text())
    if name == "pong_arguments":
        items = [
            [{"t": "number", "v": str(key)}, {"t": "string", "v": word}]
            for key, word in node["items"]
        ]
        assert node["n"] == sum(key > 0 for key, _ in node["items"])
        return {"t": "table", "id": 1, "n": len(items), "items": items}
    return node


def same_number(text, value):
    expected = float(text)
    return expected == value or (math.isnan(expected) and math.isnan(value))


class Comparison:
    """Which golden id is which object: no two of either are the same one of the other."""

    def __init__(self):
        self.object_of, self.id_of = {}, {}

    def check(self, node, value):
        kind = node["t"]
        if kind == "ref":
            assert value is self.object_of[node["id"]]
        elif kind == "nil":
            assert value is None
        elif kind == "boolean":
            assert value is node["v"]
        elif kind == "number":
            assert type(value) is float or type(value) is int
            assert same_number(node["v"], value)
        elif kind == "string":
            self.string(node, value)
        else:
            assert isinstance(value, LuaObject)
            if kind != "userdata":
                assert self.id_of.setdefault(id(value), node["id"]) == node["id"]
                assert self.object_of.setdefault(node["id"], value) is value
            getattr(self, kind)(node, value)

    def string(self, node, value):
        assert isinstance(value, str)
        text = node.get("v", "")
        if text.startswith(SCRUBBED):
            assert value.endswith(text.removeprefix(SCRUBBED))
        else:
            assert to_bytes(value) == (
                bytes.fromhex(node["hex"]) if "hex" in node else text.encode()
            )

    def table(self, node, value):
        assert type(value) is LuaTable
        self.items(node, value)

    def object(self, node, value):
        assert type(value) is TorchObject
        assert (value.class_name, value.version) == (node["class"], 1)
        self.items(node, value.fields)

    def items(self, node, table):
        items = node.get("items") or []
        assert len(items) == node["n"] == len(table)
        objects = [key for key in table if isinstance(key, LuaObject)]
        for key_node, value_node in items:
            if key_node["t"] == "table":
                (key,) = objects
                self.check(key_node, key)
            elif key_node["t"] == "number":
                key = float(key_node["v"])
            elif key_node["t"] == "boolean":
                key = key_node["v"]
            else:
                key = bytes.fromhex(key_node["hex"]) if "hex" in key_node else key_node["v"]
            self.check(value_node, table[key])

    def tensor(self, node, value):
        assert type(value) is Tensor
        assert value.class_name == node["class"]
        assert value.size == tuple(node["size"] or ())
        assert value.stride == tuple(node["stride"] or ())
        assert len(value.size) == node["ndim"]
        assert value.offset == node.get("storageOffset", 1) - 1
        self.check(node["storage"], value.storage)
        if node["ndim"]:
            self.elements(node, value.numpy())

    def storage(self, node, value):
        assert type(value) is Storage
        assert value.class_name == node["class"]
        assert len(value.array) == node["size"]
        self.elements(node, value.array)

    def elements(self, node, array):
        values = node.get("values")
        if values is not None:
            assert len(values) == array.size
            for text, number in zip(values, array.ravel().tolist(), strict=True):
                assert same_number(text, number)
        elif "sha256" in node:
            raw = np.ascontiguousarray(array).tobytes()
            assert hashlib.sha256(raw).hexdigest() == node["sha256"]
        else:
            assert node["class"] == "torch.HalfStorage"

    def function(self, node, value):
        assert type(value) is LuaFunction
        assert value.bytecode.startswith(b"\x1bLJ")
        upvalues = value.upvalues.to_list()
        for entry, upvalue in zip(node["upvalues"] or [], upvalues, strict=True):
            assert upvalue["name"] == entry["name"]
            self.check(entry["value"], upvalue["value"])

    def userdata(self, node, value):
        assert type(value) is Opaque
        assert value.class_name == node["class"]
        assert len(value.data) == {"torch.Timer": 0, "torch.Generator": 5048}[node["class"]]


def check(node, value):
    Comparison().check(node, value)
