"""Lua's values as nodes, a JSON form that loses nothing of a .t7 file but the payload of a NaN.

A node is a dict with ``t``: nil, boolean, number, string, table, object, tensor, storage, function,
userdata, or ref to the object with the same ``id``. Numbers are words, ``%.17g``. In addition to
the golden files' form: ``version`` if it is not 1; ``fields_id``, or ``fields`` with a ref, if
others hold the table of an object's fields, too; of a function ``tag``, ``bytecode``,
``upvalues_table`` in place of ``upvalues`` if these are not the usual list, and an upvalue's own
id in ``upvalue``; ``data`` of userdata. Bytes are hexadecimal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from dqn_port.errors import T7Error
from dqn_port.torch7 import json_text
from dqn_port.torch7.graph import Census
from dqn_port.torch7.json_text import number_word
from dqn_port.torch7.plain import Plain
from dqn_port.torch7.tensors import Storage, Tensor
from dqn_port.torch7.values import (
    LuaFunction,
    LuaObject,
    LuaTable,
    Opaque,
    TorchObject,
    TorchVector,
    to_bytes,
)

Node = dict[str, Any]
_PRINTABLE: Final = re.compile("[ -~]*")
# Container and key for a node, and the value that it represents.
_Task = tuple[Any, Any, Any]


def to_json(value: Any, *, all_objects: bool = False) -> str:
    """Return the JSON of a value's node, or of the list of the nodes of several objects.

    Raises:
        T7Error: see json_pieces.
    """
    return "".join(json_pieces(value, all_objects=all_objects))


def json_pieces(value: Any, *, all_objects: bool = False) -> Iterator[str]:
    """Yield the text of to_json in pieces, for values too large for one string.

    Raises:
        T7Error: before anything is yielded, a value is not a Lua value; views overlap so much that
            their values would be more than a small multiple of what is stored.
    """
    nodes = _NodeMaker(list(value) if all_objects else [value]).nodes()
    return json_text.encode(nodes if all_objects else nodes[0])


class _NodeMaker:
    def __init__(self, values: list[Any]) -> None:
        self._values = values
        self._plain = Plain()
        census = Census(values, self._plain)
        self._references, self._budget = census.references, census.budget
        self._ids: dict[int, int] = {}

    def nodes(self) -> list[Node]:
        """Make all nodes, in the order of writing."""
        made: list[Any] = [None] * len(self._values)
        tasks: list[_Task] = [(made, k, value) for k, value in enumerate(self._values)][::-1]
        while tasks:
            slot, key, value = tasks.pop()
            slot[key], more = self._node(self._plain.lua(value))
            tasks.extend(reversed(more))
        return made

    def _node(self, value: Any) -> tuple[Node, list[_Task]]:
        if value is None:
            return {"t": "nil"}, []
        if isinstance(value, bool):
            return {"t": "boolean", "v": value}, []
        if isinstance(value, float):
            return {"t": "number", "v": number_word(value)}, []
        if isinstance(value, str):
            return _string_node(value), []
        if id(value) in self._ids:
            return {"t": "ref", "id": self._ids[id(value)]}, []
        node: Node = {"t": _TYPES[type(value)]}
        if not isinstance(value, LuaTable | LuaFunction):
            node["class"] = value.class_name
        node["id"] = self._new_id(value)
        if getattr(value, "version", 1) != 1:
            node["version"] = value.version
        if isinstance(value, LuaTable):
            return node, _items(node, value.pairs(), len(value))
        if isinstance(value, TorchObject):
            return node, self._fields(node, value)
        if isinstance(value, TorchVector):
            pairs = ((float(k), item) for k, item in enumerate(value.items, 1))
            return node, _items(node, pairs, len(value.items))
        if isinstance(value, LuaFunction):
            return node, self._upvalues(node, value)
        if isinstance(value, Opaque):
            return node | {"str": value.class_name, "data": value.data.hex()}, []
        if isinstance(value, Storage):
            return node | {"size": len(value.array), "values": value.array}, []
        return self._tensor(node, value), []

    def _new_id(self, value: LuaObject) -> int:
        if isinstance(value, LuaFunction) and value.tag == 6:
            # It is written again wherever it occurs, so nothing refers to it.
            return len(self._ids) + 1
        self._ids[id(value)] = number = len(self._ids) + 1
        return number

    def _fields(self, node: Node, value: TorchObject) -> list[_Task]:
        fields = value.fields
        if self._references[id(fields)] > 1:
            if id(fields) in self._ids:
                node["fields"] = {"t": "ref", "id": self._ids[id(fields)]}
                return []
            node["fields_id"] = self._new_id(fields)
        return _items(node, fields.pairs(), len(fields))

    def _upvalues(self, node: Node, value: LuaFunction) -> list[_Task]:
        node["tag"], node["bytecode"] = value.tag, value.bytecode.hex()
        if value.tag == 6:
            del node["id"]
        entries = self._usual_upvalues(value)
        if entries is None:
            node["upvalues_table"] = None
            return [(node, "upvalues_table", value.upvalues)]
        node["upvalues"] = entries
        return [(entry, "value", entry["value"]) for entry in entries if "value" in entry]

    def _usual_upvalues(self, function: LuaFunction) -> list[Node] | None:
        """Return the upvalues as Torch writes them, None if their tables are different."""
        table = function.upvalues
        # A function of tag 6 has no id: only its table shows that it occurs again.
        met_again = function.tag == 6 and self._references[id(function)] > 1
        if met_again or self._references[id(table)] > 1 or not table.is_list:
            return None
        if function.tag != 8:
            return [{"value": value} for value in table.to_list()]
        entries: list[Node] = []
        for value in table.to_list():
            upvalue = self._plain.lua(value)
            if (
                not isinstance(upvalue, LuaTable)
                or self._references[id(upvalue)] > 1
                or not {*upvalue} <= {"name", "id", "value"}
                or not isinstance(upvalue.get("name"), str)
                or _PRINTABLE.fullmatch(upvalue["name"]) is None
                or not isinstance(upvalue.get("id"), float | int)
                or isinstance(upvalue["id"], bool)
            ):
                return None
            entry = {"name": upvalue["name"], "upvalue": number_word(float(upvalue["id"]))}
            entries.append(entry | ({"value": upvalue["value"]} if "value" in upvalue else {}))
        return entries

    def _tensor(self, node: Node, tensor: Tensor) -> Node:
        node["ndim"] = len(tensor.size)
        node["size"] = list(tensor.size) or None
        node["stride"] = list(tensor.stride) or None
        if tensor.size or tensor.offset or tensor.storage is not None:
            node["storageOffset"] = tensor.offset + 1
        node["storage"] = self._node(tensor.storage)[0]
        if tensor.size:
            self._budget -= tensor.element_count
            if self._budget < 0:
                raise T7Error(
                    f"{tensor.class_name} {tensor.shape_text}: expected views whose values are "
                    "few times what is stored, got ones that overlap too much to be written out"
                )
            empty = tensor.element_count == 0
            node["values"] = [] if empty else tensor.numpy()
        return node


_TYPES: Final = {
    LuaTable: "table",
    TorchObject: "object",
    TorchVector: "object",
    LuaFunction: "function",
    Opaque: "userdata",
    Storage: "storage",
    Tensor: "tensor",
}


def _string_node(text: str) -> Node:
    if _PRINTABLE.fullmatch(text):
        return {"t": "string", "v": text}
    return {"t": "string", "hex": to_bytes(text).hex()}


def _items(node: Node, pairs: Iterable[tuple[Any, Any]], count: int) -> list[_Task]:
    node["n"], node["items"] = count, [[key, value] for key, value in pairs]
    return [(pair, k, pair[k]) for pair in node["items"] for k in (0, 1)]
