"""Read pickles that hold NumPy arrays and plain containers, and nothing else.

Nothing is imported or called, whatever a file names: its operations are carried out here, one by
one, on lists, dicts, texts and numbers; an array is made from bytes in the file.
"""

from __future__ import annotations

import pickletools
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import SnapshotError
from dqn_port.files import reading

_DTYPES: Final = frozenset({"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"})

_PUSHED: Final = frozenset(
    {
        *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINSTRING", "SHORT_BINSTRING"),
        *("BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES"),
    }
)
"""Operations that push their argument."""
_CONSTANTS: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: Final = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_TUPLES: Final = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK: Final = object()
"""Marks the beginning of a sequence on the stack."""

_RECONSTRUCT: Final = frozenset(
    {"numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct"}
)
_GLOBALS: Final = _RECONSTRUCT | {"numpy ndarray", "numpy dtype", "_codecs encode"}


class _Global(str):
    """A name that the file would import."""


class _Array:
    """An array that the file has begun; its bytes follow."""

    array: NDArray[Any] | None = None


class _DType:
    """An array's type; its byte order follows."""

    def __init__(self, name: str) -> None:
        self.name, self.order = name, "|"


class _Refused(Exception):  # noqa: N818
    """What is wrong, and what was expected."""


class _Machine:
    """The stack and the memo of a pickle."""

    def __init__(self, allowance: int) -> None:
        """``allowance``: number of bytes that may be made from those in the file."""
        self.stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._allowance = allowance

    def do(self, name: str, argument: Any) -> None:
        """Carry out one operation."""
        stack = self.stack
        if name in ("PROTO", "FRAME", "STOP"):
            return
        if name in _PUSHED:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in _TUPLES:
            self._take(_TUPLES[name])
        elif name == "MARK":
            stack.append(_MARK)
        elif name == "TUPLE":
            stack.append(tuple(self._since_mark()))
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self._memo[argument])
        elif name == "APPEND":
            self._extend([stack.pop()])
        elif name == "APPENDS":
            self._extend(self._since_mark())
        elif name in ("SETITEM", "SETITEMS"):
            pairs = self._since_mark() if name == "SETITEMS" else [stack.pop() for _ in "kv"][::-1]
            self._update(pairs)
        elif name == "GLOBAL":
            self._name(argument)
        elif name == "STACK_GLOBAL":
            last = stack.pop()
            self._name(f"{stack.pop()} {last}")
        elif name == "REDUCE":
            given = stack.pop()
            stack.append(self._called(stack.pop(), given))
        elif name == "BUILD":
            state = stack.pop()
            self._build(stack[-1], state)
        else:
            raise _Refused(f"arrays and plain containers, got the operation {name}")

    def _take(self, n: int) -> None:
        if len(self.stack) < n:
            raise IndexError
        self.stack[-n:] = [tuple(self.stack[-n:])]

    def _since_mark(self) -> list[Any]:
        taken: list[Any] = []
        while (value := self.stack.pop()) is not _MARK:
            taken.append(value)
        return taken[::-1]

    def _extend(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise _Refused("a list to append to, got something else")
        self.stack[-1].extend(values)

    def _update(self, pairs: list[Any]) -> None:
        keys, table = pairs[::2], self.stack[-1]
        if not isinstance(table, dict) or len(pairs) % 2 or not all(type(k) is str for k in keys):
            raise _Refused("a dict whose keys are texts, got something else")
        table.update(zip(keys, pairs[1::2], strict=True))

    def _name(self, name: str) -> None:
        if name not in _GLOBALS:
            raise _Refused(f"arrays and plain containers, got {name.replace(' ', '.')[:60]!a}")
        self.stack.append(_Global(name))

    def _called(self, function: Any, given: Any) -> Any:
        """Return the result of a call of one of the few known functions."""
        if type(function) is _Global and type(given) is tuple:
            if function in _RECONSTRUCT and given[:2] == ("numpy ndarray", (0,)):
                return _Array()
            if function == "numpy dtype" and given and given[0] in _DTYPES:
                return _DType(given[0])
            if function == "_codecs encode" and len(given) == 2 and given[1] == "latin1":
                return self._bytes(given[0])
        raise _Refused("an array of numbers, got another call")

    def _bytes(self, value: Any) -> bytes:
        """Return the bytes that a text of Python 2, one of Python 3 or bytes hold."""
        if type(value) not in (bytes, str):
            raise _Refused("an array's bytes, got something else")
        self._allowance -= len(value)
        if self._allowance < 0:
            raise _Refused("arrays of bytes of their own, got the same ones again and again")
        return value if type(value) is bytes else value.encode("latin1")

    def _build(self, thing: Any, state: Any) -> None:
        """Give an array its bytes, or a type its byte order."""
        if type(state) is not tuple:
            raise _Refused("an array's state, got something else")
        if type(thing) is _DType and len(state) >= 2 and state[1] in ("<", ">", "|", "="):
            thing.order = state[1]
            return
        if type(thing) is not _Array or len(state) != 5 or type(state[2]) is not _DType:
            raise _Refused("an array's state, got something else")
        _, shape, dtype, fortran, content = state
        kind = np.dtype(dtype.name).newbyteorder(dtype.order)
        data = np.frombuffer(self._bytes(content), dtype=kind)
        if type(shape) is not tuple or not all(type(n) is int and n >= 0 for n in shape):
            raise _Refused("an array's shape, got something else")
        thing.array = np.array(data.reshape(shape, order="F" if fortran is True else "C"))


def read_pickle(path: Path) -> Any:
    """Return what a pickle holds: dicts, lists, tuples, texts, numbers, None and arrays.

    Raises:
        SnapshotError: it cannot be read, is damaged, or holds or would call anything else.
    """
    with reading(path, SnapshotError):
        content = path.read_bytes()
    machine, at, last = _Machine(2 * len(content)), 0, ""
    try:
        for operation, argument, position in pickletools.genops(content):
            at, last = position or 0, operation.name
            machine.do(last, argument)
        if last != "STOP" or len(machine.stack) != 1:
            raise _Refused("one value, got none or several")
        return _finished(machine.stack[0])
    except _Refused as fault:
        raise SnapshotError(f"{path}: byte {at}: expected {fault}; nothing of it is run") from fault
    except Exception as error:
        # For damaged bytes pickletools and NumPy raise many kinds of errors.
        raise SnapshotError(
            f"{path}: byte {at}: expected a pickle that is whole, got a damaged or other file"
        ) from error


def _finished(
    value: Any, seen: frozenset[int] = frozenset(), budget: list[int] | None = None
) -> Any:
    """Return a value with its arrays in place; refuse one that contains itself or is too large."""
    budget = [100_000] if budget is None else budget
    budget[0] -= 1
    if budget[0] < 0 or len(seen) > 50 or id(value) in seen:
        raise _Refused("plain containers, got endless ones")
    if type(value) is _Array and value.array is not None:
        return value.array
    inside = seen | {id(value)}
    if type(value) is dict:
        return {name: _finished(inner, inside, budget) for name, inner in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_finished(inner, inside, budget) for inner in value)
    if value is None or type(value) in (bool, int, float, str, bytes):
        return value
    raise _Refused("arrays and plain containers, got something unfinished")
