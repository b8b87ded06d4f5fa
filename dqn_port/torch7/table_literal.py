"""Read the inside of a Lua table constructor, such as ``lr=0.1,network="x"``.

The text is parsed and never executed: no global, no call and no operator other than
``+ - * / % ^ ..`` is accepted. Strings are Lua's byte strings shown as UTF-8, with
bytes that are not UTF-8 as surrogate escapes (``os.fsencode`` gives the bytes back).

Lua: initenv.lua, str_to_table
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn, TypeAlias

from dqn_port.errors import TableSyntaxError
from dqn_port.torch7.lua_number import arithmetic, lua_number, tonumber

LuaKey: TypeAlias = str | int | float
LuaValue: TypeAlias = "str | int | float | bool | dict[LuaKey, LuaValue]"

DEPTH_LIMIT = 100
"""The most nested levels of braces, parentheses and operators."""

KEYWORDS = frozenset(
    "and break do else elseif end false for function if in local nil not or repeat return "  # noqa: SIM905
    "then true until while".split()
)
# Globals of Lua, which are not nil there: their values are unknown here.
_GLOBALS = frozenset(
    "_G _VERSION arg assert bit collectgarbage coroutine debug dofile error gcinfo "  # noqa: SIM905
    "getfenv getmetatable io ipairs jit load loadfile loadstring math module newproxy next os "
    "package pairs pcall print rawequal rawget rawset require select setfenv setmetatable string "
    "table tonumber tostring type unpack xpcall".split()
)
# Operator: (binding power on its left, on its right); a smaller right one associates right.
_BINARY = {
    "..": (5, 4),
    "+": (6, 6),
    "-": (6, 6),
    "*": (7, 7),
    "/": (7, 7),
    "%": (7, 7),
    "^": (10, 9),
}
_UNARY = 8

_BLANKS = re.compile(r"[ \t\n\v\f\r]*")
_NAME = re.compile(r"[A-Za-z_\x80-\U0010ffff][0-9A-Za-z_\x80-\U0010ffff]*")
# As Lua's lexer reads it, for tonumber to check: "1..2" is one malformed number.
_NUMERAL = re.compile(
    r"(?=\.?[0-9])(?:0[xX](?:[pP][+-]|[.0-9A-Za-z_\x80-\U0010ffff])*"
    r"|(?:[eE][+-]|[.0-9A-Za-z_\x80-\U0010ffff])*)"
)
_OPERATOR = re.compile(r"\.\.(?!\.)|-(?!-)|[+*/%^]")
_LONG_OPEN = re.compile(r"\[(=*)\[(?:\r\n|\n\r|\r|\n)?")
_LINE_END = re.compile(r"\r\n|\n\r|\r|\n")
_QUOTED = {
    quote: re.compile(rf"{quote}((?:[^\\{quote}\r\n]|\\(?:\r\n|\n\r|z[ \t\n\v\f\r]*|[\s\S]))*)")
    for quote in "\"'"
}
UNENCODABLE = re.compile(r"[\ud800-\udc7f\udd00-\udfff]")
_ESCAPE = re.compile(
    r"\\(?:(\r\n|\n\r|\r|\n)|([0-9]{1,3})|x([0-9A-Fa-f]{2})|u\{([0-9A-Fa-f]+)\}"
    r"|(z[ \t\n\v\f\r]*|[\s\S]))"
)
ESCAPES = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    '"': '"',
    "'": "'",
}


@dataclass(frozen=True)
class ParsedTable:
    """The table of a text, and the keys that are absent because of bare names.

    ``nil_names`` holds (key path, bare name) pairs in the order of the text, such as
    ``("ep_endt", "replay_memory")`` or ``("a.b", "max")``.
    """

    values: dict[LuaKey, LuaValue]
    nil_names: tuple[tuple[str, str], ...]


def parse_table(text: str) -> ParsedTable:
    """Parse the inside of a Lua table constructor; an empty text gives an empty table.

    Positional entries get the keys 1, 2, ...; integral numbers become ``int``; a key
    whose value is nil is absent, and a positional nil still takes its index. A later
    duplicate of a key wins, whatever its value is (LuaJIT stores the constants of a
    constructor before the rest, so that there ``a={},a=1`` gives ``a={}``).

    Lua: initenv.lua, str_to_table

    Lua quirk: a bare name is a global variable that does not exist, so it is nil and its
    key is absent, whatever the key of that name holds. Kept, since the shipped scripts
    write ``ep_endt=replay_memory``; pinned by test_bare_name_is_nil_and_reported.

    Raises:
        TableSyntaxError: the text is anything else, or nests over ``DEPTH_LIMIT`` deep.
    """
    table = _Parser(text).parse()
    names = sorted(_bare_names(table, ""))
    return ParsedTable(_plain(table), tuple((path, name) for _, path, name in names))


@dataclass(frozen=True)
class _BareName:
    """The value of a bare name: nil, with the name and its place in the text."""

    name: str
    at: int


@dataclass(frozen=True)
class _Table:
    """A table being read, with the keys that are absent because of bare names."""

    values: dict[LuaKey, _Value] = field(default_factory=dict)
    bare: dict[LuaKey, _BareName] = field(default_factory=dict)

    def set(self, key: LuaKey, value: _Value | None) -> None:
        self.values.pop(key, None)
        self.bare.pop(key, None)
        if isinstance(value, _BareName):
            self.bare[key] = value
        elif value is not None:
            self.values[key] = value


_Value: TypeAlias = str | float | bool | _Table | _BareName


class _Parser:
    """One pass over a text; ``at`` is the 0-based index of the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def parse(self) -> _Table:
        broken = UNENCODABLE.search(self.text)
        if broken is not None:
            self.fail("characters that UTF-8 can hold", ascii(broken[0]), at=broken.start())
        self.text = _recode(self.text)
        return self.items("")

    # Only `items`, `expression` and `operand` call each other: 3 Python frames a level,
    # so DEPTH_LIMIT stays far below Python's own limit of 1000.

    def items(self, closing: str) -> _Table:
        """Read entries up to ``closing``, a brace or (empty) the end of the text."""
        table = _Table()
        position = 1.0
        self.skip_blanks()
        while not self.ends(closing):
            start = self.at
            name = self.name_before_equals()
            if name is not None:
                key: LuaKey = name
            elif self.text.startswith("[", start) and not self.match(_LONG_OPEN):
                self.take("[")
                self.skip_blanks()
                key_at = self.at
                key = self.key(self.expression(0), key_at)
                self.take("]")
                self.take("=")
            else:
                key = lua_number(position)
                position += 1
            self.skip_blanks()
            table.set(key, self.expression(0))
            if self.ends(closing):
                break
            if self.peek() not in (",", ";"):
                self.fail(f"',' or ';' or {repr(closing) if closing else 'the end'}")
            self.at += 1
            self.skip_blanks()
        return table

    def expression(self, limit: int) -> _Value | None:
        """Read operands and the operators that bind tighter than ``limit`` on their left."""
        self.depth += 1
        if self.depth > DEPTH_LIMIT:
            self.fail(f"at most {DEPTH_LIMIT} levels of nesting", "one more")
        start = self.at
        value = self.operand()
        while True:
            self.skip_blanks()
            match = _OPERATOR.match(self.text, self.at)
            if match is None or _BINARY[match[0]][0] <= limit:
                self.depth -= 1
                return value
            self.at = match.end()
            self.skip_blanks()
            right_start = self.at
            right = self.expression(_BINARY[match[0]][1])
            if match[0] == "..":
                value = _recode(self.string(value, start) + self.string(right, right_start))
            else:
                left_number = self.number(value, start)
                value = arithmetic(match[0], left_number, self.number(right, right_start))

    def operand(self) -> _Value | None:
        """Read one value, with the minus signs before it."""
        minuses = 0
        while _OPERATOR.match(self.text, self.at) and self.peek() == "-":
            minuses += 1
            self.at += 1
            self.skip_blanks()
        if minuses:
            start = self.at
            value = self.number(self.expression(_UNARY), start)
            return -value if minuses % 2 else value

        if self.peek() == "{":
            self.at += 1
            table = self.items("}")
            self.at += 1
            return table
        if self.peek() == "(":
            self.at += 1
            self.skip_blanks()
            inner = self.expression(0)
            self.take(")")
            return inner
        if self.peek() in ('"', "'"):
            return self.quoted()
        if self.match(_LONG_OPEN):
            return self.long_bracket()
        if self.match(_NUMERAL):
            return self.numeral()
        return self.word()

    def word(self) -> _Value | None:
        match = _NAME.match(self.text, self.at)
        if match is None:
            self.fail("a value")
        name = match[0]
        if name in ("nil", "true", "false"):
            self.at = match.end()
            return None if name == "nil" else name == "true"
        if name in KEYWORDS:
            self.fail("a value", f"the Lua keyword '{name}'")
        if name in _GLOBALS:
            self.fail("a value written out", f"the Lua global '{name}'")
        bare = _BareName(name, self.at)
        self.at = match.end()
        return bare

    def numeral(self) -> float:
        match = _NUMERAL.match(self.text, self.at)
        assert match is not None
        value = tonumber(match[0])
        if value is None:
            self.fail("a number", repr(match[0]))
        self.at = match.end()
        return float(value)

    def long_bracket(self) -> str:
        match = _LONG_OPEN.match(self.text, self.at)
        assert match is not None
        closing = f"]{match[1]}]"
        end = self.text.find(closing, match.end())
        if end < 0:
            self.fail(repr(closing), "the end of the text", at=len(self.text))
        self.at = end + len(closing)
        return _LINE_END.sub("\n", self.text[match.end() : end])

    def quoted(self) -> str:
        match = _QUOTED[self.peek()].match(self.text, self.at)
        assert match is not None
        start, self.at = self.at, match.end()
        if self.peek() != self.text[start]:
            self.fail(f"the closing {self.text[start]}")
        self.at += 1
        parts = _ESCAPE.sub(lambda m: self.escape(m, match.start(1)), match[1])
        return _recode(parts)

    def escape(self, match: re.Match[str], start: int) -> str:
        """Return the text of an escape in a string that begins at ``start``."""
        at = start + match.start()
        line_end, decimal, hexadecimal, unicode, letter = match.groups()
        if line_end:
            return "\n"
        if letter is not None:
            if letter.startswith("z"):
                return ""
            if letter not in ESCAPES:
                self.fail("a Lua escape", repr(match[0]), at=at)
            return ESCAPES[letter]
        if unicode:
            code = int(unicode, 16)
            if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
                self.fail("a Unicode character", repr(match[0][:40]), at=at)
            return chr(code)
        code = int(decimal) if decimal else int(hexadecimal, 16)
        if code > 255:
            self.fail("an escape of at most 255", repr(match[0]), at=at)
        return bytes([code]).decode("utf-8", "surrogateescape")

    def name_before_equals(self) -> str | None:
        """Read ``name =`` and return the name; read nothing if something else follows."""
        match = _NAME.match(self.text, self.at)
        if match is None or match[0] in KEYWORDS:
            return None
        blanks = _BLANKS.match(self.text, match.end())
        assert blanks is not None
        if not self.text.startswith("=", blanks.end()) or self.text.startswith("==", blanks.end()):
            return None
        self.at = blanks.end() + 1
        return match[0]

    def key(self, value: _Value | None, at: int) -> LuaKey:
        if isinstance(value, str):
            return value
        if isinstance(value, bool) or not isinstance(value, float) or math.isnan(value):
            self.fail("a string or number as key", _describe(value), at=at)
        return 0 if value == 0 else lua_number(value)

    def number(self, value: _Value | None, at: int) -> float:
        if isinstance(value, bool) or not isinstance(value, float):
            self.fail("a number", _describe(value), at=at)
        return value

    def string(self, value: _Value | None, at: int) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, bool) or not isinstance(value, float):
            self.fail("a string or number", _describe(value), at=at)
        return f"{value:.14g}"

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def match(self, pattern: re.Pattern[str]) -> bool:
        return pattern.match(self.text, self.at) is not None

    def ends(self, closing: str) -> bool:
        return self.peek() == closing

    def take(self, character: str) -> None:
        self.skip_blanks()
        if self.peek() != character:
            self.fail(repr(character))
        self.at += 1

    def skip_blanks(self) -> None:
        match = _BLANKS.match(self.text, self.at)
        assert match is not None
        self.at = match.end()

    def fail(self, expected: str, got: str | None = None, at: int | None = None) -> NoReturn:
        at = self.at if at is None else at
        if got is None and self.text.startswith("--", at):
            got = "a '--' comment, which swallows the closing brace"
        elif got is None:
            name = _NAME.match(self.text, at)
            shown = name[0][:40] if name else self.text[at : at + 1]
            got = repr(shown) if shown else "the end of the text"
        raise TableSyntaxError(
            f"{_excerpt(self.text, at)} is not the inside of a Lua table: "
            f"character {at + 1}: expected {expected}, got {got}"
        )


def _recode(text: str) -> str:
    """Join surrogate escapes that form a UTF-8 character together."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def _plain(table: _Table) -> dict[LuaKey, LuaValue]:
    values: dict[LuaKey, LuaValue] = {}
    for key, value in table.values.items():
        if isinstance(value, _Table):
            values[key] = _plain(value)
        elif isinstance(value, bool | str):
            values[key] = value
        elif isinstance(value, float):
            values[key] = lua_number(value)
    return values


def _bare_names(table: _Table, prefix: str) -> Iterator[tuple[int, str, str]]:
    for key, bare in table.bare.items():
        yield bare.at, prefix + _path(key), bare.name
    for key, value in table.values.items():
        if isinstance(value, _Table):
            yield from _bare_names(value, f"{prefix}{_path(key)}.")


def _path(key: LuaKey) -> str:
    return key if isinstance(key, str) else f"{key:.14g}"


def _describe(value: _Value | None) -> str:
    match value:
        case None:
            return "nil"
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.14g}"
        case str():
            return "a string"
        case _Table():
            return "a table"
    return f"the name {value.name!r}, which is nil in Lua"


def _excerpt(text: str, at: int) -> str:
    """Return the text for one line, shortened around ``at`` if long."""
    start = max(0, at - 60) if len(text) > 120 else 0
    end = start + 120
    before = "…" if start else ""
    after = "…" if end < len(text) else ""
    return f"{before}{text[start:end]!r}{after}"
