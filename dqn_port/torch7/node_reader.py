"""Lua's values read back from the JSON of their nodes, as strictly as from a .t7 file.

The golden files' variants are taken too: an empty list that is ``{}`` or missing, ``v`` or
``hex``. Bytecode, and values given by a checksum alone, cannot be restored and are refused.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import T7Error
from dqn_port.torch7 import json_text, paths
from dqn_port.torch7.ascii_source import DECIMAL, INTEGER
from dqn_port.torch7.faults import Fault, shown
from dqn_port.torch7.json_text import Words
from dqn_port.torch7.nodes import Node
from dqn_port.torch7.tensors import (
    KIND_OF_STORAGE,
    Storage,
    Tensor,
    dtype_of,
    payload_type,
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

_Asking = Generator[tuple[str, Any], Any, Any]
"""Makes a value; it yields (step, node) for each node whose value it needs."""
_VERSIONS: Final = 10**9
_LONG: Final = 2**63
_DECIMAL: Final = re.compile(DECIMAL.pattern.decode())
_INTEGER: Final = re.compile(INTEGER.pattern.decode())
_HEX: Final = re.compile(r"(?:[0-9a-f]{2})*+")
_NAMES: Final = {bool: "true or false", str: "a string", int: "an integer", list: "a list"}
_PAYLOADS: Final[dict[str, tuple[type, ...]]] = {
    "object": (TorchObject, TorchVector),
    "userdata": (Opaque,),
    "storage": (Storage,),
    "tensor": (Tensor,),
}
_TYPES: Final = ("nil", "boolean", "number", "string", "table", "function", "ref", *_PAYLOADS)


def from_json(text: str | bytes, *, all_objects: bool = False, name: str = "<JSON>") -> Any:
    """Return the value of a node's JSON, or the list of all values of a list of nodes.

    Args:
        text: the JSON.
        all_objects: return a list, also of one node; ids are those of one file.
        name: of the text in errors.

    Raises:
        T7Error: it is not JSON, with the character; or not a node, with object path and key.
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
    reader = _NodeReader(name)
    if all_objects:
        return [reader.read(node) for node in (tree if isinstance(tree, list) else [tree])]
    if isinstance(tree, list):
        raise T7Error(
            f"{name}: expected one node, got a list of {len(tree)}; a file of several objects is "
            "read with all_objects=True"
        )
    return reader.read(tree)


class _Wrong(Exception):  # noqa: N818
    """What a node should have and has, before the node's place is known."""

    def __init__(self, what: str, expected: str, got: object) -> None:
        super().__init__(f"{what}: expected {expected}, got {got}")


def _kind(value: Any) -> str:
    """Return the kind of a part of JSON, for an error."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | Words):
        return "a list"
    if isinstance(value, str):
        return f"the string {shown(value)}"
    return "an object" if isinstance(value, dict) else repr(value)[:60]


def _member(node: Node, key: str, of: type) -> Any:
    """Return a member of a type; an empty list may be ``{}``, null or missing."""
    value: Any = node.get(key)
    if of is list and (value is None or value == {}):
        return []
    if type(value) is not of:
        raise _Wrong(key, _NAMES[of], _kind(value) if key in node else "nothing")
    if isinstance(value, int) and not -_LONG <= value < _LONG:
        raise _Wrong(key, "an integer that a long holds", value)
    return value


def _integers(node: Node, key: str) -> tuple[int, ...]:
    return tuple(_member({key: value}, key, int) for value in _member(node, key, list))


def _number(word: Any) -> float:
    if not isinstance(word, str) or _DECIMAL.fullmatch(word) is None:
        raise _Wrong("a number", "a word such as '0.1', 'inf' or 'nan'", _kind(word))
    return float(word)


def _hex_bytes(node: Node, key: str) -> bytes:
    digits: str = _member(node, key, str).lower()
    if _HEX.fullmatch(digits) is None:
        raise _Wrong(key, "two hexadecimal digits for each byte", shown(digits))
    return bytes.fromhex(digits)


def _array(values: Any, kind: str, count: int) -> NDArray[Any]:
    """Return ``count`` number words as the array of a kind of elements."""
    dtype = dtype_of(kind)
    values = [] if values is None or values == {} else values
    if not isinstance(values, list | Words):
        raise _Wrong("values", "a list of number words", _kind(values))
    pieces = values.pieces() if isinstance(values, Words) else [values] * bool(values)
    array = np.concatenate([np.empty(0, dtype), *(_numbers(piece, dtype) for piece in pieces)])
    if len(array) != count:
        raise _Wrong("values", f"{count} number words", len(array))
    return array


def _numbers(words: list[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return np.array([_number(word) for word in words]).astype(dtype)
    info, whole = np.iinfo(dtype), []
    for word in words:
        is_whole = isinstance(word, str) and _INTEGER.fullmatch(word) is not None
        value = int(word) if is_whole else _number(word)
        if value != value // 1:
            raise _Wrong("values", "integers", _kind(word))
        whole.append(int(value))
    for value in (min(whole), max(whole)):
        if not info.min <= value <= info.max:
            raise _Wrong("values", f"numbers that {dtype} holds", value)
    return np.array(whole, dtype)


class _NodeReader:
    def __init__(self, name: str) -> None:
        self._name = name
        self._objects: dict[int, Any] = {}
        # The objects that wait for what they hold, and the step to what each waits for.
        self._waiting: list[_Asking] = []
        self._steps: list[str] = []

    def read(self, node: Any) -> Any:
        """Read one node; it may refer to what an earlier one held."""
        try:
            return self._read(node)
        except (_Wrong, T7Error) as error:
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
        """Return the value of a node, or the generator that makes it."""
        if not isinstance(node, dict):
            raise _Wrong("a node", "an object with 't'", _kind(node))
        kind = node.get("t")
        if kind == "nil":
            return None
        if kind == "boolean":
            return _member(node, "v", bool)
        if kind == "number":
            return _number(_member(node, "v", str))
        if kind == "string":
            data = "hex" in node
            return to_text(_hex_bytes(node, "hex") if data else to_bytes(_member(node, "v", str)))
        if kind == "ref":
            return self._ref(node)
        if kind == "table":
            table = self._named(node, LuaTable())
            return self._pairs(node, table, table)
        if kind == "function":
            return self._function(node)
        if isinstance(kind, str) and kind in _PAYLOADS:
            return self._torch_object(node, kind)
        raise _Wrong("t", f"one of {', '.join(_TYPES)}", _kind(kind))

    def _named(self, node: Node, value: Any, key: str = "id") -> Any:
        if node.get(key) is not None:
            number = _member(node, key, int)
            if number < 1 or number in self._objects:
                raise _Wrong(key, "a new number of 1 or more", number)
            self._objects[number] = value
        return value

    def _ref(self, node: Any) -> Any:
        number = _member(node, "id", int)
        if number not in self._objects:
            raise _Wrong("id", "that of an object met before", number)
        return self._objects[number]

    def _pairs(self, node: Node, into: LuaTable | TorchVector, result: Any) -> _Asking:
        items = _member(node, "items", list)
        if "n" in node and _member(node, "n", int) != len(items):
            raise _Wrong("n", f"{len(items)} as there are items", node["n"])
        for number, pair in enumerate(items, 1):
            if not isinstance(pair, list) or len(pair) != 2:
                raise _Wrong(f"item {number}", "a pair [key node, value node]", _kind(pair))
            key = yield f".(key {number})", pair[0]
            if isinstance(into, TorchVector):
                if key != number:
                    raise _Wrong("a key of a tds.Vec", str(number), repr(key)[:60])
                into.items.append((yield paths.step(key), pair[1]))
                continue
            if key is None or key != key or key in into:
                got = "nil" if key is None else paths.step(key)[:60]
                raise _Wrong("a key", "every key once, and none that is nil or NaN", got)
            into[key] = yield paths.step(key), pair[1]
        return result

    def _function(self, node: Node) -> _Asking:
        tag = _member(node, "tag", int) if "tag" in node else 8
        # Nothing refers to a function of tag 6.
        if tag not in (6, 7, 8) or (tag == 6 and "id" in node):
            raise _Wrong("tag", "6 without id, 7 or 8", tag)
        function = self._named(node, LuaFunction(_hex_bytes(node, "bytecode"), tag=tag))
        return self._upvalues(node, function)

    def _upvalues(self, node: Node, function: LuaFunction) -> _Asking:
        if "upvalues_table" in node:
            table = yield ".upvalues", node["upvalues_table"]
            if not isinstance(table, LuaTable):
                raise _Wrong("upvalues_table", "a table", _kind(table))
            function.upvalues = table
            return function
        for number, entry in enumerate(_member(node, "upvalues", list), 1):
            if not isinstance(entry, dict):
                raise _Wrong(f"upvalue {number}", "an object", _kind(entry))
            value = None
            if "value" in entry:
                value = yield f".upvalues[{number}]", entry["value"]
            if function.tag == 8:
                name = to_text(to_bytes(_member(entry, "name", str)))
                own = _number(entry.get("upvalue", str(number)))
                value = LuaTable([("name", name), ("id", own), ("value", value)])
            function.upvalues[number] = value
        return function

    def _torch_object(self, node: Node, kind: str) -> Any:
        class_name = to_text(to_bytes(_member(node, "class", str)))
        version = _member(node, "version", int) if "version" in node else 1
        if not 0 <= version < _VERSIONS:
            raise _Wrong("version", f"0 to {_VERSIONS - 1}", version)
        made = payload_type(class_name)
        if made not in _PAYLOADS[kind]:
            raise _Wrong("class", f"that of a node of t {kind}", shown(class_name))
        if made is Storage:
            count = _member(node, "size", int)
            array = _array(node.get("values"), KIND_OF_STORAGE[class_name], count)
            return self._named(node, Storage(class_name, array, version=version))
        if made is Tensor:
            return self._tensor(node, class_name, version)
        if made is Opaque:
            data = b"" if class_name == "torch.Timer" else _hex_bytes(node, "data")
            if len(data) != OPAQUE_BYTES[class_name]:
                raise _Wrong("data", f"{OPAQUE_BYTES[class_name]} bytes", len(data))
            return self._named(node, Opaque(class_name, data, version=version))
        if made is TorchVector:
            vector = self._named(node, TorchVector(version=version))
            return self._pairs(node, vector, vector)
        value = self._named(node, TorchObject(class_name, version=version))
        if "fields" in node:
            value.fields = self._ref(node["fields"] if isinstance(node["fields"], dict) else {})
            if not isinstance(value.fields, LuaTable):
                raise _Wrong("fields", "a ref to a table", _kind(value.fields))
            return value
        self._named(node, value.fields, "fields_id")
        return self._pairs(node, value.fields, value)

    def _tensor(self, node: Node, class_name: str, version: int) -> Tensor:
        size, stride = _integers(node, "size"), _integers(node, "stride")
        if _member(node, "ndim", int) != len(size):
            raise _Wrong("ndim", f"{len(size)} as there are sizes", node["ndim"])
        offset = _member(node, "storageOffset", int) - 1 if "storageOffset" in node else 0
        under, inner = storage_class(class_name), node.get("storage")
        known = isinstance(inner, dict) and inner.get("t") in ("nil", "storage", "ref")
        storage = self._begin(inner) if known else inner
        if storage is not None and getattr(storage, "class_name", None) != under:
            raise _Wrong("storage", f"a node of t nil, or of a {under}", _kind(storage))
        tensor = Tensor(class_name, size, stride, offset, storage, version=version)
        if "values" in node:
            told = _array(node["values"], tensor.kind, tensor.element_count)
            if not np.array_equal(told, tensor.numpy().reshape(-1), equal_nan=True):
                raise _Wrong("values", "those of the storage", "others")
        return self._named(node, tensor)
