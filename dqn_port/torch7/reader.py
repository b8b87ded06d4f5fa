"""The objects of a .t7 file, read from a source of ints, longs, doubles and bytes.

Nothing is recursive: an object that holds others waits on a stack until they are read.
"""

from __future__ import annotations

from typing import Any, Final

from dqn_port.errors import T7Error
from dqn_port.torch7 import paths
from dqn_port.torch7.ascii_source import AsciiSource
from dqn_port.torch7.binary_source import BinarySource
from dqn_port.torch7.faults import Fault, held, shown
from dqn_port.torch7.tensors import (
    DIMENSION_LIMIT,
    KIND_OF_STORAGE,
    VERSION,
    Storage,
    Tensor,
    dtype_of,
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
    class_text,
    to_text,
)

NIL, NUMBER, STRING, TABLE, TORCH, BOOLEAN, FUNCTION_6, FUNCTION_7, FUNCTION_8 = range(9)
# The object is not read to its end yet.
_PENDING: Final = object()
_NO_KEY: Final = object()


class _Frame:
    """An object that waits for its pairs, or a vector for its elements."""

    __slots__ = ("count", "items", "key", "left", "result", "table")

    def __init__(self, result: Any, count: int, *, table: LuaTable | None) -> None:
        self.result, self.count, self.table = result, count, table
        self.left = count
        self.key: Any = _NO_KEY
        self.items: list[Any] = result.items if table is None else []

    def step(self) -> str:
        """Return the step to the part that is being read."""
        prefix = ".upvalues" if isinstance(self.result, LuaFunction) else ""
        number = self.count - self.left + 1
        if self.table is None:
            return f"[{number}]"
        if self.key is _NO_KEY:
            return f"{prefix}.(key {number})"
        return prefix + paths.step(self.key)

    def take(self, value: Any, offset: int) -> None:
        """Take a key, a value or an element that begins at byte ``offset``."""
        if self.table is None:
            self.items.append(value)
        elif self.key is _NO_KEY:
            if value is None or value != value:
                got = "nil" if value is None else "NaN"
                raise Fault(offset, "a key that is not nil or NaN", got)
            if value in self.table:
                raise Fault(offset, "every key once", f"{paths.step(value)[:60]} again")
            self.key = value
            return
        else:
            self.table[self.key] = value
            self.key = _NO_KEY
        self.left -= 1


class Reader:
    """Reads object after object; later ones may refer back to what earlier ones held.

    ``wholes``: the number of complete tensors and storages, which distinguishes a file read with
    the wrong size of long from a damaged one.
    """

    def __init__(self, source: BinarySource | AsciiSource, file: str) -> None:
        self.source, self.file = source, file
        self.objects: dict[int, Any] = {}
        self.wholes = 0
        self._count = 0
        self._stack: list[_Frame] = []
        self._at = 0

    def read(self) -> Any:
        """Read the next object.

        Raises:
            T7Error: with file, byte offset, object path, what was expected and what was found.
        """
        self._count += 1
        try:
            return self._read()
        except Fault as fault:
            raise self._error(fault) from None

    def expect_end(self) -> None:
        """Check that the whole file has been read.

        Raises:
            T7Error: bytes are left.
        """
        left = self.source.left
        if left:
            raise self._error(Fault(
                self.source.position,
                "the end of the file after one object",
                f"{left} more byte{'s' if left > 1 else ''}; a file of several objects is read "
                "with all_objects=True",
            ))  # fmt: skip

    def _error(self, fault: Fault) -> T7Error:
        steps = [frame.step() for frame in self._stack]
        if self._count > 1:
            steps.insert(0, f"(object {self._count})")
        path = paths.join(steps)
        return T7Error(
            f"{self.file}: byte {fault.offset}, {paths.place(path)}: {fault}",
            offset=fault.offset,
            path=path,
        )

    def _read(self) -> Any:
        stack = self._stack
        value = self._begin()
        while True:
            if value is not _PENDING:
                if not stack:
                    return value
                stack[-1].take(value, self._at)
            value = self._begin() if stack[-1].left else stack.pop().result

    def _begin(self) -> Any:
        """Read an object, or up to its pairs and push it on the stack."""
        source = self.source
        self._at = at = source.position
        tag = source.integer("a tag")
        if tag == NUMBER:
            return source.double("a number")
        if tag == STRING:
            return to_text(self._string("string"))
        if tag == TABLE:
            return self._table(None)
        if tag == NIL:
            return None
        if tag == BOOLEAN:
            at = source.position
            truth = source.integer("a boolean")
            if truth not in (0, 1):
                raise Fault(at, "a boolean, 0 or 1", str(truth))
            return truth == 1
        if tag == TORCH:
            return self._torch_object()
        if tag in (FUNCTION_6, FUNCTION_7, FUNCTION_8):
            return self._function(tag)
        raise Fault(at, "a tag of 0 to 8", str(tag))

    def _length(self, what: str) -> int:
        at = self.source.position
        length = self.source.integer(what)
        if length < 0:
            raise Fault(at, f"{what} of 0 or more", str(length))
        return length

    def _string(self, what: str) -> bytes:
        at = self.source.position
        return self.source.raw(self._length(f"a {what}'s length"), what, at)

    def _index(self, what: str, kinds: type | tuple[type, ...]) -> tuple[int, Any]:
        """Read an index; return it with the object that it refers to, None if it is new."""
        at = self.source.position
        index = self.source.integer(f"the index of {what}")
        if index < 1:
            raise Fault(at, f"the index of {what}, 1 or more", str(index))
        known = self.objects.get(index)
        if known is not None and not isinstance(known, kinds):
            raise Fault(at, f"the index of {what}", f"{index}, that of {known!r}"[:120])
        return index, known

    def _table(self, owner: Any) -> Any:
        """Read a table, or up to its pairs; ``owner``: the object whose table it is."""
        index, known = self._index("a table", LuaTable)
        if known is not None:
            return self._owned(owner, known)
        at = self.source.position
        count = self._length("a table's number of pairs")
        self._fits(count, self.source.least_pair, "pairs", at)
        self.objects[index] = table = LuaTable()
        self._stack.append(_Frame(self._owned(owner, table), count, table=table))
        return _PENDING

    def _owned(self, owner: Any, table: LuaTable) -> Any:
        if owner is None:
            return table
        if isinstance(owner, LuaFunction):
            owner.upvalues = table
        else:
            owner.fields = table
        return owner

    def _fits(self, count: int, least: int, what: str, at: int) -> None:
        if count * least > self.source.left:
            raise Fault(at, f"{count} {what}, {least} bytes each or more", held(self.source.left))

    def _part_table(self, owner: Any, what: str) -> Any:
        """Read the table that an object consists of."""
        at = self.source.position
        tag = self.source.integer(f"the tag of {what}")
        if tag != TABLE:
            raise Fault(at, f"{what}, tag 3", f"tag {tag}")
        return self._table(owner)

    def _function(self, tag: int) -> Any:
        function = LuaFunction(b"", tag=tag)
        if tag != FUNCTION_6:
            at = self.source.position
            index, known = self._index("a function", LuaFunction)
            if known is not None:
                if known.tag != tag:
                    raise Fault(at, f"the index of a function of tag {tag}", f"tag {known.tag}")
                return known
            self.objects[index] = function
        function.bytecode = self._string("bytecode")
        return self._part_table(function, "a function's table of upvalues")

    def _torch_object(self) -> Any:
        index, known = self._index("a torch object", _TORCH)
        if known is not None:
            return known
        class_name, version = self._class()
        made_of = payload_type(class_name)
        if made_of is Tensor:
            return self._tensor(index, class_name, version)
        if made_of is Storage:
            return self._storage(index, class_name, version)
        if made_of is Opaque:
            return self._opaque(index, class_name, version)
        if class_name in ("tds.Hash", "tds.Vec"):
            return self._tds(index, class_name, version)
        self.objects[index] = made = TorchObject(class_name, version=version)
        return self._part_table(made, f"the table of fields of a {class_text(class_name)}")

    def _class(self) -> tuple[str, int]:
        """Read the name of a class and its version, 0 if it has none."""
        at = self.source.position
        name, version = to_text(self._string("class name")), 0
        match = VERSION.fullmatch(name)
        if match is not None:
            version = int(match[1])
            at = self.source.position
            name = to_text(self._string("class name"))
        if payload_type(name) is None:
            raise Fault(at, "the name of a class", shown(name))
        return name, version

    def _tensor(self, index: int, class_name: str, version: int) -> Tensor:
        source, at = self.source, self.source.position
        ndim = self._length("a tensor's number of dimensions")
        if ndim > DIMENSION_LIMIT:
            raise Fault(at, f"a tensor of at most {DIMENSION_LIMIT} dimensions", str(ndim))
        at = source.position
        size = source.longs(ndim, "a tensor's sizes")
        stride = source.longs(ndim, "a tensor's strides")
        offset = source.longs(1, "a tensor's storageOffset")[0] - 1
        wrong = layout_fault(size, stride, offset)
        if wrong is None and source.guessed and 0 in size:
            # Torch7 writes no size 0, but the upper half of a longer long is 0.
            wrong = "sizes of 1 or more", "0"
        storage = None
        if wrong is None:
            storage = self._tensor_storage(storage_class(class_name))
            elements = 0 if storage is None else len(storage.array)
            wrong = reach_fault(size, stride, offset, elements)
        if wrong is not None:
            raise Fault(at, *wrong)
        if index in self.objects:
            raise Fault(at, "a new index for a tensor's storage", f"the tensor's own, {index}")
        tensor = Tensor(class_name, size, stride, offset, storage, version=version)
        self.objects[index] = tensor
        self.wholes += 1
        return tensor

    def _tensor_storage(self, class_name: str) -> Storage | None:
        at = self.source.position
        tag = self.source.integer("the tag of a tensor's storage")
        if tag == NIL:
            return None
        if tag != TORCH:
            raise Fault(at, f"a {class_name} or nil", f"tag {tag}")
        index, known = self._index(f"a {class_name}", Storage)
        if known is None:
            at = self.source.position
            name, version = self._class()
            if name != class_name:
                raise Fault(at, f"a {class_name}", shown(name))
            known = self._storage(index, name, version)
        if known.class_name != class_name:
            raise Fault(at, f"a {class_name}", f"a {known.class_name}")
        return known

    def _storage(self, index: int, class_name: str, version: int) -> Storage:
        at = self.source.position
        count = self.source.longs(1, "a storage's number of elements")[0]
        if count < 0:
            raise Fault(at, "a storage's number of elements, 0 or more", str(count))
        kind = KIND_OF_STORAGE[class_name]
        array = self.source.elements(kind, count, f"{count} elements of a {class_name}", at)
        assert array.dtype == dtype_of(kind)
        self.objects[index] = storage = Storage(class_name, array, version=version)
        self.wholes += 1
        return storage

    def _opaque(self, index: int, class_name: str, version: int) -> Opaque:
        count, at = OPAQUE_BYTES[class_name], self.source.position
        if count and self.source.long_size != 8:
            raise Fault(
                at, "a class whose size in memory is known", f"{class_name} with longs of 4 bytes"
            )
        data = self.source.raw(count, f"a {class_name} of 64-bit Linux", at)
        self.objects[index] = opaque = Opaque(class_name, data, version=version)
        return opaque

    def _tds(self, index: int, class_name: str, version: int) -> Any:
        at = self.source.position
        count = self.source.longs(1, f"the number of elements of a {class_name}")[0]
        if count < 0:
            raise Fault(at, f"the number of elements of a {class_name}, 0 or more", str(count))
        self.wholes += 1
        if class_name == "tds.Hash":
            self._fits(count, self.source.least_pair, "pairs", at)
            made = TorchObject(class_name, version=version)
            self._stack.append(_Frame(made, count, table=made.fields))
            self.objects[index] = made
        else:
            self._fits(count, self.source.least_object, "elements", at)
            vector = TorchVector(version=version)
            self._stack.append(_Frame(vector, count, table=None))
            self.objects[index] = vector
        return _PENDING


_TORCH: Final = (TorchObject, TorchVector, Tensor, Storage, Opaque)
