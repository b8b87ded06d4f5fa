"""Lua's values read back from their nodes, as strictly as from a .t7 file.

The golden files' own ways are taken too: an empty list that is ``{}`` or missing, ``v`` or
``hex``. What they leave out, bytecode and values told by a checksum, cannot be made up.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

from dqn_port.errors import T7Error
from dqn_port.torch7 import json_text, paths
from dqn_port.torch7 import node_members as members
from dqn_port.torch7.faults import Fault, shown
from dqn_port.torch7.node_members import Wrong
from dqn_port.torch7.nodes import Node
from dqn_port.torch7.tensors import (
    KIND_OF_STORAGE,
    Storage,
    Tensor,
    layout_fault,
    payload_type,
    reach_fault,
    storage_class,
)
from dqn_port.torch7.values import (
    OPAQUE_BYTES,
    LuaFunction,
    LuaTable,
    Opaque,
    TorchObject,
    TorchVector,
    to_bytes,
    to_text,
)

_TYPES: Final = (
    "nil", "boolean", "number", "string", "table", "object", "tensor", "storage", "function",
    "userdata", "ref",
)  # fmt: skip
# What stands in a node for what it is of is asked for by the place of it and the node.
_Asking = Generator[tuple[str, Any], Any, Any]
_VERSIONS: Final = 10**9


def from_node(node: Any, *, name: str = "<node>") -> Any:
    """Return the value of a node.

    Args:
        node: as to_node gives it, or a part of a JSON text.
        name: what errors call it.

    Raises:
        T7Error: it is no node, with the object path and the key of the node.
    """
    return _NodeReader(name).read(node)


def from_nodes(nodes: Any, *, name: str = "<node>") -> list[Any]:
    """Return the values of the nodes of one file: ids go on over them.

    Raises:
        T7Error: see from_node; it is no list.
    """
    if not isinstance(nodes, list):
        raise T7Error(f"{name}: expected a list of nodes, got {members.kind(nodes)}")
    reader = _NodeReader(name)
    return [reader.read(node) for node in nodes]


def from_json(text: str | bytes, *, all_objects: bool = False, name: str = "<JSON>") -> Any:
    """Return the value of a node's JSON, or the list of all values of a list of nodes.

    Raises:
        T7Error: it is no JSON, with the character; it is no node, see from_node.
    """
    try:
        tree = json_text.decode(text if isinstance(text, str) else text.decode())
    except UnicodeDecodeError as error:
        raise T7Error(
            f"{name}: byte {error.start}: expected UTF-8, got {shown(error.object[error.start :])}",
            offset=error.start,
        ) from None
    except Fault as fault:
        raise T7Error(
            f"{name}: character {fault.offset + 1}: {fault}", offset=fault.offset
        ) from None
    if isinstance(tree, list) and not all_objects:
        raise T7Error(
            f"{name}: expected one node, got a list of {len(tree)}; a file of several objects is "
            "read with all_objects=True"
        )
    if all_objects:
        return from_nodes(tree if isinstance(tree, list) else [tree], name=name)
    return from_node(tree, name=name)


class _NodeReader:
    def __init__(self, name: str) -> None:
        self._name = name
        self._objects: dict[int, Any] = {}
        # The objects that wait for what they hold, and the step to what each waits for.
        self._waiting: list[_Asking] = []
        self._steps: list[str] = []

    def read(self, node: Any) -> Any:
        """Read one node; what an earlier one held may be referred to."""
        try:
            return self._read(node)
        except (Wrong, T7Error) as error:
            path = paths.join(self._steps)
            raise T7Error(f"{self._name}: {paths.place(path)}: {error}", path=path) from None

    def _read(self, node: Any) -> Any:
        value = self._begin(node)
        while True:
            if isinstance(value, Generator):
                self._waiting.append(value)
                self._steps.append("")
                value = None
            elif not self._waiting:
                return value
            try:
                self._steps[-1], inner = self._waiting[-1].send(value)
            except StopIteration as done:
                self._waiting.pop()
                self._steps.pop()
                value = done.value
            else:
                value = self._begin(inner)

    def _begin(self, node: Any) -> Any:
        """Return the value of a node, or what asks for the nodes in it."""
        if not isinstance(node, dict):
            raise Wrong("a node", "an object with 't'", members.kind(node))
        kind = node.get("t")
        if kind == "nil":
            return None
        if kind == "boolean":
            return members.member(node, "v", bool)
        if kind == "number":
            return members.number(members.member(node, "v", str))
        if kind == "string":
            return members.string(node)
        if kind == "ref":
            return self._ref(node)
        if kind == "table":
            table = self._named(node, LuaTable())
            return self._pairs(node, table, table)
        if kind == "function":
            return self._function(node)
        if isinstance(kind, str) and kind in _PAYLOADS:
            return self._torch_object(node, kind)
        got = shown(kind) if isinstance(kind, str) else members.kind(kind)
        raise Wrong("t", f"one of {', '.join(_TYPES)}", got)

    def _named(self, node: Node, value: Any, key: str = "id") -> Any:
        number = node.get(key)
        if number is not None:
            if not isinstance(number, int) or isinstance(number, bool) or number < 1:
                raise Wrong(key, "an integer of 1 or more", members.kind(number))
            if number in self._objects:
                raise Wrong(key, "a new number", f"{number} again")
            self._objects[number] = value
        return value

    def _ref(self, node: Any) -> Any:
        number = members.integer(node, "id")
        if number not in self._objects:
            raise Wrong("id", "that of an object met before", str(number))
        return self._objects[number]

    def _pairs(self, node: Node, table: LuaTable, result: Any) -> _Asking:
        items = members.sequence(node, "items")
        members.check_count(node, items)
        for number, pair in enumerate(items, 1):
            if not isinstance(pair, list) or len(pair) != 2:
                raise Wrong(f"item {number}", "a pair [key node, value node]", members.kind(pair))
            key = yield f".(key {number})", pair[0]
            if key is None or key != key:
                raise Wrong("a key", "what is not nil or NaN", "nil" if key is None else "NaN")
            if key in table:
                raise Wrong("a key", "every key once", f"{paths.step(key)[:60]} again")
            table[key] = yield paths.step(key), pair[1]
        return result

    def _elements(self, node: Node, vector: TorchVector) -> _Asking:
        items = members.sequence(node, "items")
        members.check_count(node, items)
        for number, pair in enumerate(items, 1):
            if not isinstance(pair, list) or len(pair) != 2:
                raise Wrong(f"item {number}", "a pair [key node, value node]", members.kind(pair))
            key = yield f".(key {number})", pair[0]
            if key != number:
                raise Wrong("a key of a tds.Vec", str(number), repr(key)[:60])
            vector.items.append((yield f"[{number}]", pair[1]))
        return vector

    def _function(self, node: Node) -> _Asking:
        tag = members.integer(node, "tag") if "tag" in node else 8
        if tag not in (6, 7, 8):
            raise Wrong("tag", "6, 7 or 8", str(tag))
        function = LuaFunction(members.hex_bytes(node, "bytecode"), tag=tag)
        if tag == 6 and "id" in node:
            raise Wrong(
                "id", "none, for nothing refers to a function of tag 6", members.kind(node["id"])
            )
        return self._upvalues(node, self._named(node, function))

    def _upvalues(self, node: Node, function: LuaFunction) -> _Asking:
        if "upvalues_table" in node:
            table = yield ".upvalues", node["upvalues_table"]
            if not isinstance(table, LuaTable):
                raise Wrong("upvalues_table", "a table", members.kind(table))
            function.upvalues = table
            return function
        for number, entry in enumerate(members.sequence(node, "upvalues"), 1):
            if not isinstance(entry, dict):
                raise Wrong(f"upvalue {number}", "an object", members.kind(entry))
            value = None
            if "value" in entry:
                value = yield f".upvalues[{number}]", entry["value"]
            if function.tag == 8:
                name = to_text(to_bytes(members.member(entry, "name", str)))
                own = members.number(entry["upvalue"]) if "upvalue" in entry else float(number)
                value = LuaTable([("name", name), ("id", own), ("value", value)])
            function.upvalues[number] = value
        return function

    def _torch_object(self, node: Node, kind: str) -> Any:
        class_name = to_text(to_bytes(members.member(node, "class", str)))
        version = members.integer(node, "version") if "version" in node else 1
        if not 0 <= version < _VERSIONS:
            raise Wrong("version", f"0 to {_VERSIONS - 1}", str(version))
        made = payload_type(class_name)
        if made not in _PAYLOADS[kind]:
            raise Wrong("class", f"that of a node of t {kind}", shown(class_name))
        if made is Storage:
            return self._storage(node, class_name, version)
        if made is Tensor:
            return self._tensor(node, class_name, version)
        if made is Opaque:
            data = b"" if class_name == "torch.Timer" else members.hex_bytes(node, "data")
            if len(data) != OPAQUE_BYTES[class_name]:
                raise Wrong("data", f"{OPAQUE_BYTES[class_name]} bytes", str(len(data)))
            return self._named(node, Opaque(class_name, data, version=version))
        if made is TorchVector:
            vector = self._named(node, TorchVector(version=version))
            return self._elements(node, vector)
        value = self._named(node, TorchObject(class_name, version=version))
        if "fields" in node:
            value.fields = self._ref(node["fields"] if isinstance(node["fields"], dict) else {})
            if not isinstance(value.fields, LuaTable):
                raise Wrong("fields", "a ref to a table", members.kind(value.fields))
            return value
        self._named(node, value.fields, "fields_id")
        return self._pairs(node, value.fields, value)

    def _storage(self, node: Node, class_name: str, version: int) -> Storage:
        count = members.integer(node, "size")
        if count < 0:
            raise Wrong("size", "0 or more", str(count))
        array = members.values_array(node.get("values"), KIND_OF_STORAGE[class_name], count)
        return self._named(node, Storage(class_name, array, version=version))

    def _tensor(self, node: Node, class_name: str, version: int) -> Tensor:
        size, stride = members.integers(node, "size"), members.integers(node, "stride")
        if members.integer(node, "ndim") != len(size):
            raise Wrong("ndim", f"{len(size)} as there are sizes", str(node["ndim"]))
        offset = members.integer(node, "storageOffset") - 1 if "storageOffset" in node else 0
        storage = self._tensor_storage(node.get("storage"), storage_class(class_name))
        held = 0 if storage is None else len(storage.array)
        wrong = layout_fault(size, stride, offset) or reach_fault(size, stride, offset, held)
        if wrong is not None:
            raise Wrong("the layout", *wrong)
        tensor = Tensor(class_name, size, stride, offset, storage, version=version)
        if "values" in node:
            members.check_values(node["values"], tensor)
        return self._named(node, tensor)

    def _tensor_storage(self, node: Any, class_name: str) -> Storage | None:
        kind = node.get("t") if isinstance(node, dict) else None
        if kind not in ("nil", "storage", "ref"):
            raise Wrong("storage", "a node of t nil, storage or ref", members.kind(node))
        storage = self._begin(node)
        if storage is not None and getattr(storage, "class_name", None) != class_name:
            raise Wrong("storage", f"a {class_name}", members.kind(storage))
        return storage


_PAYLOADS: Final[dict[str, tuple[type, ...]]] = {
    "object": (TorchObject, TorchVector),
    "userdata": (Opaque,),
    "storage": (Storage,),
    "tensor": (Tensor,),
}
