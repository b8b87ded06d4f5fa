"""Lua's values written as a .t7 file, the way Torch7 writes them.

Nothing is recursive: an object that holds others stays on a stack until they are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from dqn_port.errors import T7Error
from dqn_port.torch7 import paths
from dqn_port.torch7.faults import shown
from dqn_port.torch7.plain import Plain
from dqn_port.torch7.reader import BOOLEAN, NIL, NUMBER, STRING, TABLE, TORCH
from dqn_port.torch7.sinks import Sink
from dqn_port.torch7.tensors import Storage, Tensor, layout_fault, payload_type, reach_fault
from dqn_port.torch7.values import (
    OPAQUE_BYTES,
    LuaFunction,
    LuaObject,
    LuaTable,
    Opaque,
    TorchVector,
    to_bytes,
)

_FUNCTION_TAGS: Final = (6, 7, 8)
# The reader's limit.
_VERSIONS: Final = 10**9


class _Frame:
    """The rest of an object to write: pairs, or a vector's elements."""

    __slots__ = ("has_keys", "key", "pairs", "prefix", "value", "value_is_due")

    def __init__(
        self, pairs: Iterator[tuple[Any, Any]], prefix: str = "", *, has_keys: bool = True
    ) -> None:
        self.pairs, self.prefix, self.has_keys = pairs, prefix, has_keys
        self.value_is_due = False
        self.key: Any = None
        self.value: Any = None


class Writer:
    """Writes object after object; objects that were written before are references.

    Indices count up from 1 in the order of writing, before the content; tables, torch objects and
    functions share them.
    """

    def __init__(self, sink: Sink, file: str) -> None:
        self.sink, self.file = sink, file
        self._plain = Plain()
        self._indices: dict[int, int] = {}
        # Keeps the objects alive, so that their ids are not reused.
        self._alive: list[LuaObject] = []
        self._stack: list[_Frame] = []

    def write_all(self, values: Iterable[Any]) -> None:
        """Write objects one after another.

        Raises:
            T7Error: a value is not a Lua value, with file and object path.
        """
        for value in values:
            try:
                self._write(value)
            except T7Error as error:
                path = paths.join([frame.prefix + paths.step(frame.key) for frame in self._stack])
                raise T7Error(f"{self.file}: {paths.place(path)}: {error}", path=path) from None

    def _write(self, value: Any) -> None:
        stack = self._stack
        self._begin(value)
        while stack:
            frame = stack[-1]
            if frame.value_is_due:
                frame.value_is_due = False
                self._begin(frame.value)
                continue
            pair = next(frame.pairs, None)
            if pair is None:
                stack.pop()
                continue
            frame.key, frame.value = pair
            frame.value_is_due = frame.has_keys
            self._begin(frame.key if frame.has_keys else frame.value)

    def _begin(self, value: Any) -> None:
        """Write an object, or up to its pairs and push it on the stack."""
        sink = self.sink
        value = self._plain.lua(value)
        if value is None:
            sink.integer(NIL)
        elif isinstance(value, bool):
            sink.integer(BOOLEAN)
            sink.integer(int(value))
        elif isinstance(value, float):
            sink.integer(NUMBER)
            sink.double(value)
        elif isinstance(value, str):
            sink.integer(STRING)
            self._string(to_bytes(value))
        elif isinstance(value, LuaTable):
            self._table(value)
        elif isinstance(value, LuaFunction):
            self._function(value)
        else:
            self._torch_object(value)

    def _string(self, data: bytes) -> None:
        self.sink.integer(len(data))
        self.sink.raw(data)

    def _is_new(self, tag: int, value: LuaObject) -> bool:
        """Write the tag and the index of an object; return whether its content must follow."""
        self.sink.integer(tag)
        index = self._indices.get(id(value))
        if index is not None:
            self.sink.integer(index)
            return False
        self._alive.append(value)
        self._indices[id(value)] = index = len(self._alive)
        self.sink.integer(index)
        return True

    def _table(self, table: LuaTable, prefix: str = "") -> None:
        if self._is_new(TABLE, table):
            self.sink.integer(len(table))
            self._stack.append(_Frame(table.pairs(), prefix))

    def _function(self, function: LuaFunction) -> None:
        if function.tag not in _FUNCTION_TAGS:
            raise T7Error(f"a function: expected the tag 6, 7 or 8, got {function.tag!r}")
        if function.tag == 6:
            self.sink.integer(6)
        elif not self._is_new(function.tag, function):
            return
        self._string(function.bytecode)
        self._table(function.upvalues, ".upvalues")

    def _torch_object(self, value: Any) -> None:
        _check_class(value)
        if not self._is_new(TORCH, value):
            return
        if value.version:
            self._string(b"V %d" % value.version)
        self._string(to_bytes(value.class_name))
        if isinstance(value, Tensor):
            self._tensor(value)
        elif isinstance(value, Storage):
            self.sink.longs((len(value.array),))
            self.sink.elements(value.array, kind=value.kind)
        elif isinstance(value, Opaque):
            if OPAQUE_BYTES.get(value.class_name) != len(value.data):
                raise T7Error(
                    f"expected {OPAQUE_BYTES.get(value.class_name, 'no opaque class')} bytes of a "
                    f"{value.class_name}, got {len(value.data)}"
                )
            self.sink.raw(value.data)
        elif isinstance(value, TorchVector):
            self.sink.longs((len(value.items),))
            self._stack.append(_Frame(enumerate(value.items, 1), has_keys=False))
        elif value.class_name == "tds.Hash":
            self.sink.longs((len(value.fields),))
            self._stack.append(_Frame(value.fields.pairs()))
        else:
            self._table(value.fields)

    def _tensor(self, tensor: Tensor) -> None:
        held = 0 if tensor.storage is None else len(tensor.storage.array)
        layout = tensor.size, tensor.stride, tensor.offset
        wrong = layout_fault(*layout) or reach_fault(*layout, held)
        if wrong is not None:
            raise T7Error(f"{tensor.class_name}: expected {wrong[0]}, got {wrong[1]}")
        self.sink.integer(len(tensor.size))
        self.sink.longs(tensor.size)
        self.sink.longs(tensor.stride)
        self.sink.longs((tensor.offset + 1,))
        if tensor.storage is None:
            self.sink.integer(NIL)
        else:
            self._torch_object(tensor.storage)


def _check_class(value: Any) -> None:
    written_as: Any = payload_type(value.class_name)
    if written_as is not type(value):
        raise T7Error(
            f"expected the name of a class that is written as a {type(value).__name__}, "
            f"got {shown(value.class_name)}"
        )
    if not 0 <= value.version < _VERSIONS:
        raise T7Error(f"a version: expected 0 to {_VERSIONS - 1}, got {value.version}")
