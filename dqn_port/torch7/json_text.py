"""JSON nested as deep as memory allows; Python's own module stops after some hundred levels.

The node form has no numbers but integers. Long arrays of number words stay one text on reading
(Words) and are NumPy arrays on writing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from typing import Any, Final

import numpy as np

from dqn_port.torch7.faults import Fault, shown

_WORD: Final = r'"[-+.0-9a-z]*+"'
_WORDS: Final = re.compile(rf"\[\s*+{_WORD}(?:\s*+,\s*+{_WORD})*+\s*+\]", re.ASCII)
_TOKEN: Final = re.compile(
    r'[ \t\n\r]*+([\[\]{}:,]|"(?:[^"\\\x00-\x1f]|\\.)*+"|-?[0-9]{1,20}(?![0-9.eE])'
    r"|true|false|null|)"
)
_UNQUOTED: Final = str.maketrans("", "", '[]" \t\n\r')
_DEEPEST_ARRAYS: Final = 3
"""The list of a file's objects, the items of a node, and a pair."""
_PIECE: Final = 1 << 16
"""Words, or characters of them, that are handled at once."""


class Words(str):
    """The text of an array of strings that may be numbers, such as ``["1", "2.5"]``."""

    __slots__ = ()

    def pieces(self) -> Iterator[list[str]]:
        """Yield the words, some at a time."""
        start = 0
        while start < len(self):
            stop = self.find(",", start + _PIECE)
            stop = len(self) if stop < 0 else stop
            yield self[start:stop].translate(_UNQUOTED).split(",")
            start = stop + 1


def number_word(value: float) -> str:
    """Return a number as the node form writes it."""
    if isinstance(value, int):
        return str(value)
    return "nan" if value != value else f"{value:.17g}"


class _Text(str):
    """JSON that is ready, among values that are not."""

    __slots__ = ()


def encode(value: Any) -> Iterator[str]:
    """Yield the JSON of dicts, lists, arrays, strings, integers, booleans and None, in pieces."""
    # What is still to be written, the next part last.
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, _Text):
            yield part
        elif isinstance(part, np.ndarray):
            yield from _encode_array(part)
        elif isinstance(part, dict | list):
            is_dict = isinstance(part, dict)
            waiting.append(_Text("}" if is_dict else "]"))
            entries = list(part.items() if isinstance(part, dict) else enumerate(part))
            for number in range(len(entries) - 1, -1, -1):
                key, inner = entries[number]
                name = f"{json.dumps(key)}: " if is_dict else ""
                waiting += [inner, _Text((", " if number else "") + name)]
            yield "{" if is_dict else "["
        else:
            yield json.dumps(part)


def _encode_array(array: np.ndarray[Any, Any]) -> Iterator[str]:
    yield "["
    for start in range(0, array.size, _PIECE):
        words = map(number_word, array.flat[start : start + _PIECE].tolist())
        yield (", " if start else "") + ", ".join(f'"{word}"' for word in words)
    yield "]"


def decode(text: str) -> Any:
    """Read JSON into dicts, lists, Words, strings, integers, booleans and None.

    Raises:
        Fault: at a character, the text is not JSON of this kind, or a key stands twice.
    """
    decoder = _Decoder(text)
    value = _complete(decoder.value(0))
    decoder.take("the end of the text", "")
    return value


_Container = Generator[Any, Any, Any]
"""Reads an array or an object: yields what ``value`` returns for the values in it."""


def _complete(value: Any) -> Any:
    """Return a value, or what a generator of a container returns."""
    open_ones: list[_Container] = []
    while True:
        if isinstance(value, Generator):
            open_ones.append(value)
            value = None
        elif not open_ones:
            return value
        try:
            value = open_ones[-1].send(value)
        except StopIteration as done:
            open_ones.pop()
            value = done.value


class _Decoder:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def take(self, expected: str, *tokens: str) -> str:
        """Read the next token, which must be one of ``tokens`` if any are given."""
        match = _TOKEN.match(self.text, self.at)
        assert match is not None
        token, at = match[1], match.start(1)
        at_end = at == len(self.text)
        if (token not in tokens if tokens else not token) or (token == "" and not at_end):
            got = "the end" if at_end else shown(self.text[at : at + 20])
            raise Fault(at, expected, got)
        self.at = match.end()
        return token

    def value(self, arrays: int) -> Any:
        """Read a value, directly inside so many nested arrays, or begin a container."""
        match = _WORDS.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
            return Words(match[0])
        start = self.at
        token = self.take("a JSON value")
        if token == "[":
            if arrays == _DEEPEST_ARRAYS:
                raise Fault(start, f"at most {_DEEPEST_ARRAYS} arrays in each other", "one more")
            return self._array(arrays + 1)
        if token == "{":
            return self._object()
        if token in "]}:,":
            raise Fault(start, "a JSON value", shown(token))
        return _scalar(token, start)

    def _is_empty(self, closing: str) -> bool:
        match = _TOKEN.match(self.text, self.at)
        if match is None or match[1] != closing:
            return False
        self.at = match.end()
        return True

    def _array(self, arrays: int) -> _Container:
        values: list[Any] = []
        more = not self._is_empty("]")
        while more:
            values.append((yield self.value(arrays)))
            more = self.take("',' or ']'", ",", "]") == ","
        return values

    def _object(self) -> _Container:
        members: dict[str, Any] = {}
        more = not self._is_empty("}")
        while more:
            start = self.at
            key = self.take("a key in quotes")
            name = _scalar(key, start) if key[0] == '"' else None
            if name is None or name in members:
                raise Fault(start, "a key in quotes, every key once", shown(key))
            self.take("':'", ":")
            members[name] = yield self.value(0)
            more = self.take("',' or '}'", ",", "}") == ","
        return members


def _scalar(token: str, start: int) -> Any:
    try:
        return json.loads(token)
    except ValueError:
        raise Fault(start, "a JSON value", shown(token)) from None
