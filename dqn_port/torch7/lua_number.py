"""Lua's numbers, all of them doubles: parsing and arithmetic as in LuaJIT."""

from __future__ import annotations

import math
import re

_NUMBER = re.compile(
    r"[ \t\n\v\f\r]*([+-]?)("
    r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?"
    r"|0x(?:[0-9a-f]+(?:\.[0-9a-f]*)?|\.[0-9a-f]+)(?:p[+-]?[0-9]+)?"
    r"|0b0*[01]{1,64}"
    r"|inf(?:inity)?|nan"
    r")[ \t\n\v\f\r]*",
    re.ASCII | re.IGNORECASE,
)


def tonumber(text: str) -> int | float | None:
    """Convert a string as LuaJIT's ``tonumber`` does; None where Lua gives nil.

    Decimal with exponent, ``0x`` with fraction and ``p`` exponent, ``0b`` of up to 64
    digits, ``inf``, ``infinity``, ``nan``, a sign, and blanks around it; no suffixes.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    sign, digits = match[1], match[2].lower()
    if digits.startswith("0b"):
        value = float(int(digits, 2))
    elif digits.startswith("0x"):
        try:
            value = float.fromhex(digits)
        except OverflowError:
            value = math.inf
    else:
        value = float(digits)
    return lua_number(-value if sign == "-" else value)


def lua_number(value: float) -> int | float:
    """Return a Lua double as int if it is integral, below 2**53 in size and not -0.0."""
    if value.is_integer() and abs(value) < 2**53 and not (value == 0 and _negative(value)):
        return int(value)
    return value


def arithmetic(operator: str, left: float, right: float) -> float:
    """Return ``left operator right`` for one of ``+ - * / % ^``."""
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return _divide(left, right)
        case "%":
            # a % b = a - floor(a / b) * b, so the result takes the sign of b
            quotient = _divide(left, right)
            if math.isfinite(quotient):
                quotient = math.copysign(math.floor(quotient), quotient)
            return left - quotient * right
        case _:
            return _power(left, right)


def _divide(left: float, right: float) -> float:
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.inf if _negative(left) == _negative(right) else -math.inf


def _power(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        infinite = True
    except ValueError:  # zero to a negative power, or a negative base to a fraction
        infinite = base == 0
    odd = math.fmod(exponent, 2) != 0
    return (-math.inf if odd and _negative(base) else math.inf) if infinite else math.nan


def _negative(value: float) -> bool:
    return math.copysign(1.0, value) < 0
