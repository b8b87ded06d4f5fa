"""Lua's values that Python lacks: tables, objects of torch classes, functions.

nil is None, a boolean bool, a number float, a string str: UTF-8 with other bytes as surrogate
escapes, so that strings of bytes and such str correspond one to one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any, Final

import numpy as np

from dqn_port.errors import T7Error


class LuaObject:
    """A value that is compared, and used as a key, by identity."""

    __slots__ = ()


class _BooleanKey:
    """Stands for a boolean among the keys: Python takes True for 1."""

    __slots__ = ("value",)

    def __init__(self, value: bool) -> None:
        self.value = value


_LONGEST_CLASS: Final = 100
_KEY_OF_BOOLEAN: Final = {False: _BooleanKey(False), True: _BooleanKey(True)}


def to_text(data: bytes) -> str:
    """Return the str that stands for a string of bytes."""
    return data.decode("utf-8", "surrogateescape")


def to_bytes(text: str) -> bytes:
    """Return the bytes that a str stands for.

    Raises:
        T7Error: a lone surrogate stands for no byte.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise T7Error(
            f"a string: expected text or bytes, got the lone surrogate in {ascii(text)[:60]}"
        ) from None


def class_text(class_name: str) -> str:
    """Return the name of a class for one line of output; a damaged file may have any name."""
    if class_name.isascii() and class_name.isprintable() and len(class_name) <= _LONGEST_CLASS:
        return class_name
    return ascii(class_name[:_LONGEST_CLASS])


def to_number(value: float | np.generic) -> float:
    """Return the double of a Python or NumPy number.

    Raises:
        T7Error: no double is exactly this integer.
    """
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if isinstance(value, int | np.integer) and number != int(value):
        raise T7Error(
            "a number: expected one that a double holds exactly, got an integer of "
            f"{int(value).bit_length()} bits"
        )
    return number


def _inner_key(key: object) -> Any:
    """Return the key of the inner dict: 1 for 1 and 1.0, another for True."""
    if isinstance(key, str):
        # Escaped bytes that form a character together would be another str for the same bytes.
        return key if key.isascii() else to_text(to_bytes(key))
    if isinstance(key, bool | np.bool):
        return _KEY_OF_BOOLEAN[bool(key)]
    if isinstance(key, int | float | np.integer | np.floating):
        return _inner_number(to_number(key))
    if isinstance(key, bytes):
        return to_text(key)
    if isinstance(key, LuaObject):
        return key
    got = "nil" if key is None else f"a {type(key).__name__}"
    raise T7Error(f"a table's key: expected a string, number, boolean or Lua object, got {got}")


def _inner_number(number: float) -> float:
    if number != number:
        raise T7Error("a table's key: expected anything but nil and NaN, got NaN")
    whole = number.is_integer() and abs(number) <= 2**53
    return int(number) if whole else number


class LuaTable(LuaObject, MutableMapping[Any, Any]):
    """A Lua table: pairs in the order of the file or of insertion.

    1 and 1.0 are one key (returned as the int 1), True is another, a LuaObject is a key by
    identity; nil and NaN cannot be keys. As in Lua, setting None removes a pair. ``len`` counts the
    pairs.

    Raises:
        T7Error: a key that is set or deleted cannot be one.
    """

    __slots__ = ("_pairs",)
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __init__(self, pairs: Iterable[tuple[Any, Any]] = ()) -> None:
        self._pairs: dict[Any, Any] = {}
        for key, value in pairs:
            self[key] = value

    @classmethod
    def from_list(cls, values: Iterable[Any]) -> LuaTable:
        """Make the array with these values at 1, 2, ...; None leaves its place empty."""
        table = cls()
        table._pairs = {k: value for k, value in enumerate(values, 1) if value is not None}
        return table

    def __getitem__(self, key: object) -> Any:
        try:
            return self._pairs[_inner_key(key)]
        except T7Error:
            raise KeyError(key) from None

    def __setitem__(self, key: object, value: object) -> None:
        inner = _inner_key(key)
        if value is None:
            self._pairs.pop(inner, None)
        else:
            self._pairs[inner] = value

    def __delitem__(self, key: object) -> None:
        del self._pairs[_inner_key(key)]

    def __contains__(self, key: object) -> bool:
        try:
            return _inner_key(key) in self._pairs
        except T7Error:
            return False

    def __iter__(self) -> Iterator[Any]:
        return (key for key, _ in self.pairs())

    def __len__(self) -> int:
        return len(self._pairs)

    def pairs(self) -> Iterator[tuple[Any, Any]]:
        """Yield the pairs (key, value)."""
        for key, value in self._pairs.items():
            yield (key.value if type(key) is _BooleanKey else key), value

    @property
    def is_list(self) -> bool:
        """Whether the keys are exactly 1, 2, ... n, in any order; True for an empty table."""
        return all(k in self._pairs for k in range(1, len(self._pairs) + 1))

    def to_list(self) -> list[Any]:
        """Return the values at 1, 2, ... n.

        Raises:
            T7Error: there are other keys, or gaps.
        """
        if not self.is_list:
            raise T7Error(f"expected a table with the keys 1 to n only, got {self!r}")
        return [self._pairs[k] for k in range(1, len(self._pairs) + 1)]

    def __repr__(self) -> str:
        return f"<LuaTable of {len(self._pairs)} pairs>"


class TorchObject(LuaObject):
    """An object of a torch class that is not a tensor: its fields, never its methods.

    ``fields`` is the table that the class wrote: for ``dqn.TransitionTable`` a list, for
    ``tds.Hash`` the pairs. ``version`` 0 means a file from before versions.
    """

    __slots__ = ("class_name", "fields", "version")

    def __init__(
        self, class_name: str, fields: LuaTable | None = None, *, version: int = 1
    ) -> None:
        self.class_name = class_name
        self.fields = LuaTable() if fields is None else fields
        self.version = version

    def __getitem__(self, field: object) -> Any:
        return self.fields[field]

    def __contains__(self, field: object) -> bool:
        return field in self.fields

    def get(self, field: object, default: Any = None) -> Any:
        """Return a field, or the default without one."""
        return self.fields.get(field, default)

    def __repr__(self) -> str:
        return f"<{class_text(self.class_name)} of {len(self.fields)} fields>"


class TorchVector(LuaObject):
    """A ``tds.Vec``: a list whose elements may be nil."""

    __slots__ = ("class_name", "items", "version")

    def __init__(self, items: Iterable[Any] = (), *, version: int = 1) -> None:
        self.class_name = "tds.Vec"
        self.items = list(items)
        self.version = version

    def __repr__(self) -> str:
        return f"<{class_text(self.class_name)} of {len(self.items)} elements>"


class LuaFunction(LuaObject):
    """A function: opaque bytecode, never executed, and its table of upvalues.

    ``tag`` is that of the file format: 6 and 7 have the upvalues' values, and 6 is written again
    wherever it occurs; 8 has a table {name=, id=, value=} for each.
    """

    __slots__ = ("bytecode", "tag", "upvalues")

    def __init__(self, bytecode: bytes, upvalues: LuaTable | None = None, *, tag: int = 8) -> None:
        self.tag = tag
        self.bytecode = bytecode
        self.upvalues = LuaTable() if upvalues is None else upvalues

    def __repr__(self) -> str:
        return f"<function of {len(self.bytecode)} bytes, {len(self.upvalues)} upvalues>"


class Opaque(LuaObject):
    """An object of a class that wrote raw memory: ``torch.Generator``; ``torch.Timer`` none."""

    __slots__ = ("class_name", "data", "version")

    def __init__(self, class_name: str, data: bytes, *, version: int = 1) -> None:
        self.class_name = class_name
        self.data = data
        self.version = version

    def __repr__(self) -> str:
        return f"<{class_text(self.class_name)} of {len(self.data)} bytes>"


# bytes: THGenerator on 64-bit Linux, the only layout known; a timer writes nothing.
OPAQUE_BYTES: Final = {"torch.Generator": 5048, "torch.Timer": 0}
