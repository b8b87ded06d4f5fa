"""JSON nested as deep as memory holds: Python's own module gives up after some hundreds.

Numbers are integers, for the node form has no others; long arrays of number words stay text
on reading (Words) and are made as they are written (any Sequence).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any, Final, NoReturn

from dqn_port.torch7.faults import Fault, shown

_BLANKS: Final = re.compile(r"[ \t\n\r]*+")
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,19})(?![0-9.eE])")
_WORD: Final = r'"[-+.0-9a-z]*+"'
_WORDS: Final = re.compile(
    rf"\[[ \t\n\r]*+{_WORD}(?:[ \t\n\r]*+,[ \t\n\r]*+{_WORD})*+[ \t\n\r]*+\]", re.ASCII
)
_LITERALS: Final = {"true": True, "false": False, "null": None}
# The list of the objects of a file, and in it nothing but objects; the items, and a pair.
_DEEPEST_ARRAYS: Final = 3
# Words, or characters of them, that are handled at once.
_PIECE: Final = 1 << 16


class Words:
    """An array of strings that may be numbers: its text, not taken apart."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.count = text.count(",") + 1

    def pieces(self) -> Iterator[list[str]]:
        """Yield the words, some at a time."""
        start, end = 1, len(self._text) - 1
        while start < end:
            stop = end
            if end - start > _PIECE:
                comma = self._text.find(",", start + _PIECE, end)
                stop = comma if comma >= 0 else end
            words = self._text[start:stop].translate(_UNQUOTED).split(",")
            yield words
            start = stop + 1


_UNQUOTED: Final = str.maketrans("", "", '" \t\n\r')


def encode(value: Any) -> Iterator[str]:
    """Yield the JSON of dicts, sequences, strings, integers, booleans and None, in pieces."""
    stack: list[Iterator[str | tuple[str, Any]]] = [iter([("", value)])]
    while stack:
        part = next(stack[-1], None)
        if part is None:
            stack.pop()
        elif isinstance(part, str):
            yield part
        else:
            before, inner = part
            if isinstance(inner, dict):
                yield before + "{"
                stack.append(_members(inner))
            elif isinstance(inner, Sequence) and not isinstance(inner, str):
                yield before + "["
                stack.append(_elements(inner))
            else:
                yield before + json.dumps(inner)


def _members(members: dict[str, Any]) -> Iterator[str | tuple[str, Any]]:
    comma = ""
    for key, value in members.items():
        yield f"{comma}{json.dumps(key)}: ", value
        comma = ", "
    yield "}"


def _elements(elements: Sequence[Any]) -> Iterator[str | tuple[str, Any]]:
    comma = ""
    if len(elements) and isinstance(elements[0], str):
        # Strings only: the values of a tensor, too many to go one by one.
        for start in range(0, len(elements), _PIECE):
            yield comma + json.dumps(list(elements[start : start + _PIECE]))[1:-1]
            comma = ", "
    else:
        for value in elements:
            yield comma, value
            comma = ", "
    yield "]"


def decode(text: str) -> Any:
    """Read JSON into dicts, lists, Words, strings, integers, booleans and None.

    Raises:
        Fault: at a character, the text is not JSON of this kind, or a key stands twice.
    """
    return _Decoder(text).decode()


class _Decoder:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        # The open containers; the key whose value is next, of those that are dicts.
        self.stack: list[Any] = []
        self.keys: list[str] = []
        self.arrays = 0

    def decode(self) -> Any:
        while True:
            value, is_open = self._value()
            if is_open:
                self.stack.append(value)
                if isinstance(value, dict):
                    self._key()
                continue
            while self.stack:
                if self._put(value):
                    break
                value = self.stack.pop()
            else:
                self._blanks()
                if self.at < len(self.text):
                    self._fail("the end of the text")
                return value

    def _put(self, value: Any) -> bool:
        """Put a value into the innermost container; tell whether that goes on."""
        container = self.stack[-1]
        is_dict = isinstance(container, dict)
        if is_dict:
            container[self.keys.pop()] = value
        else:
            container.append(value)
        self._blanks()
        mark = self.text[self.at : self.at + 1]
        if mark == ",":
            self.at += 1
            if is_dict:
                self._key()
            return True
        if mark != ("}" if is_dict else "]"):
            self._fail("',' or '}'" if is_dict else "',' or ']'")
        self.at += 1
        self.arrays = 0
        return False

    def _value(self) -> tuple[Any, bool]:
        """Read a value; of a container that is not empty only its beginning, which is told."""
        self._blanks()
        mark = self.text[self.at : self.at + 1]
        if mark == "[":
            return self._array()
        self.arrays = 0
        if mark == "{":
            self.at += 1
            self._blanks()
            if self.text.startswith("}", self.at):
                self.at += 1
                return {}, False
            return {}, True
        if mark == '"':
            return self._string(), False
        match = _INTEGER.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
            return int(match[0]), False
        for word, value in _LITERALS.items():
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return value, False
        return self._fail("a JSON object, array, string, integer, true, false or null")

    def _array(self) -> tuple[Any, bool]:
        match = _WORDS.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
            return Words(match[0]), False
        self.arrays += 1
        # A bracket is one character and a list a hundred bytes.
        if self.arrays > _DEEPEST_ARRAYS:
            self._fail(f"at most {_DEEPEST_ARRAYS} arrays right inside each other")
        self.at += 1
        self._blanks()
        if self.text.startswith("]", self.at):
            self.at += 1
            self.arrays = 0
            return [], False
        return [], True

    def _key(self) -> None:
        self._blanks()
        start = self.at
        if not self.text.startswith('"', start):
            self._fail("a key in quotes")
        key = self._string()
        if key in self.stack[-1]:
            self.at = start
            self._fail("every key once")
        self._blanks()
        if not self.text.startswith(":", self.at):
            self._fail("':'")
        self.at += 1
        self.keys.append(key)

    def _string(self) -> str:
        try:
            text, self.at = scanstring(self.text, self.at + 1, True)
        except ValueError:
            self._fail("a whole JSON string")
        return text

    def _blanks(self) -> None:
        match = _BLANKS.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def _fail(self, expected: str) -> NoReturn:
        got = shown(self.text[self.at : self.at + 20]) if self.at < len(self.text) else "the end"
        raise Fault(self.at, expected, got)
