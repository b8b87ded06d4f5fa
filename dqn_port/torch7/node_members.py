"""The members of a node, taken out of its JSON and checked one by one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.torch7.ascii_source import DECIMAL, INTEGER
from dqn_port.torch7.faults import shown
from dqn_port.torch7.json_text import Words
from dqn_port.torch7.nodes import Node, NumberWords
from dqn_port.torch7.tensors import Tensor, dtype_of
from dqn_port.torch7.values import to_bytes, to_text

_DECIMAL: Final = re.compile(DECIMAL.pattern.decode())
_INTEGER: Final = re.compile(INTEGER.pattern.decode())
_HEX: Final = re.compile(r"(?:[0-9a-f]{2})*+")
_LONG: Final = 2**63
# Elements that are compared at once.
_PIECE: Final = 1 << 16


class Wrong(Exception):  # noqa: N818
    """What a node should have and has, before it is known where it is; never leaves torch7."""

    def __init__(self, what: str, expected: str, got: str) -> None:
        super().__init__(f"{what}: expected {expected}, got {got}")


def kind(value: Any) -> str:
    """Return what a part of JSON is, as an error says it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return f"the string {shown(value)}"
    if isinstance(value, list | Words | NumberWords):
        return "a list"
    return "an object" if isinstance(value, dict) else repr(value)[:60]


def member(node: Node, key: str, of: type) -> Any:
    """Return a member that must be there and of a type, bool, str or int."""
    if key not in node:
        raise Wrong(key, _NAMES[of], "nothing")
    if type(node[key]) is not of:
        raise Wrong(key, _NAMES[of], kind(node[key]))
    return node[key]


_NAMES: Final = {bool: "true or false", str: "a string", int: "an integer"}


def integer(node: Node, key: str) -> int:
    """Return an integer that a long holds."""
    value: int = member(node, key, int)
    if not -_LONG <= value < _LONG:
        raise Wrong(key, "an integer that a long holds", str(value))
    return value


def integers(node: Node, key: str) -> tuple[int, ...]:
    """Return a list of integers that longs hold; null and ``{}`` are an empty one."""
    values = node.get(key)
    if values is None or values == {}:
        return ()
    if not isinstance(values, list):
        raise Wrong(key, "a list of integers", kind(values))
    for value in values:
        if type(value) is not int or not -_LONG <= value < _LONG:
            raise Wrong(key, "integers that longs hold", kind(value))
    return tuple(values)


def sequence(node: Node, key: str) -> list[Any]:
    """Return a list; ``{}`` and none at all are an empty one."""
    values = node.get(key)
    if values is None or values == {}:
        return []
    if not isinstance(values, list):
        raise Wrong(key, "a list", kind(values))
    return values


def check_count(node: Node, items: list[Any]) -> None:
    """Check that ``n`` is the number of items, where it is given."""
    if "n" in node and integer(node, "n") != len(items):
        raise Wrong("n", f"{len(items)} as there are items", str(node["n"]))


def number(word: Any) -> float:
    """Return the double of a number word."""
    if not isinstance(word, str) or _DECIMAL.fullmatch(word) is None:
        raise Wrong("a number", "a word such as '0.1', 'inf' or 'nan'", kind(word))
    return float(word)


def string(node: Node) -> str:
    """Return the string of a node that has it as text or as hex."""
    if "hex" in node:
        return to_text(hex_bytes(node, "hex"))
    return to_text(to_bytes(member(node, "v", str)))


def hex_bytes(node: Node, key: str) -> bytes:
    """Return the bytes of a member of hexadecimal digits."""
    digits: str = member(node, key, str).lower()
    if _HEX.fullmatch(digits) is None:
        raise Wrong(key, "two hexadecimal digits for each byte", shown(digits))
    return bytes.fromhex(digits)


def values_array(values: Any, kind_name: str, count: int) -> NDArray[Any]:
    """Return the array of ``count`` number words, dtype of the kind."""
    _check_length(values, count)
    dtype = dtype_of(kind_name)
    array = np.empty(count, dtype)
    filled = 0
    for words in _pieces(values) if count else ():
        array[filled : filled + len(words)] = _numbers(words, dtype)
        filled += len(words)
    return array


def check_values(values: Any, tensor: Tensor) -> None:
    """Check that number words are what a tensor's view of its storage holds."""
    count = tensor.element_count
    _check_length(values, count)
    if count == 0:
        return
    flat, compared = tensor.numpy().flat, 0
    for words in _pieces(values):
        told = _numbers(words, dtype_of(tensor.kind))
        held = flat[compared : compared + len(words)]
        same = (told == held) | ((told != told) & (held != held))
        if not same.all():
            at = int(np.argmin(same))
            raise Wrong(
                "values",
                f"those of the storage, {held[at].item()!r} at {compared + at + 1}",
                repr(told[at].item()),
            )
        compared += len(words)


def _check_length(values: Any, count: int) -> None:
    if values is None and count:
        raise Wrong("values", f"{count} number words", "nothing (a checksum does not give them)")
    if isinstance(values, Words):
        held = values.count
    elif isinstance(values, list | NumberWords) or values == {}:
        held = len(values)
    elif values is None:
        held = 0
    else:
        raise Wrong("values", "a list of number words", kind(values))
    if held != count:
        raise Wrong("values", f"{count} number words", str(held))


def _pieces(values: Any) -> Iterator[list[Any]]:
    if isinstance(values, Words):
        yield from values.pieces()
    else:
        for start in range(0, len(values), _PIECE):
            yield values[start : start + _PIECE]


def _numbers(words: list[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return np.fromiter(map(number, words), np.float64, len(words)).astype(dtype)
    info = np.iinfo(dtype)
    whole = [_whole(word) for word in words]
    for value in (min(whole), max(whole)):
        if not info.min <= value <= info.max:
            raise Wrong("values", f"numbers that {dtype} holds", str(value)[:60])
    return np.array(whole, dtype)


def _whole(word: Any) -> int:
    if isinstance(word, str) and _INTEGER.fullmatch(word):
        return int(word)
    value = number(word)
    if not value.is_integer():
        raise Wrong("values", "integers", kind(word))
    return int(value)
