"""A value as a readable tree of lines: types, shapes and statistics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.torch7 import paths
from dqn_port.torch7.graph import Census
from dqn_port.torch7.plain import Plain
from dqn_port.torch7.tensors import Storage, Tensor
from dqn_port.torch7.values import (
    LuaFunction,
    LuaObject,
    LuaTable,
    Opaque,
    TorchObject,
    TorchVector,
    class_text,
    to_bytes,
)

# Bytes of a string, and elements of a tensor, that a line shows whole.
_LONGEST: Final = 200
_FEW: Final = 8
# Steps of two blanks; deeper lines say how deep they are.
_DEEPEST_INDENT: Final = 40


class Link:
    """The path of an object as a chain: the step from the object that holds it."""

    __slots__ = ("before", "depth", "step")

    def __init__(self, before: Link | None, step: str) -> None:
        self.before, self.step = before, step
        self.depth: int = 0 if before is None else before.depth + 1

    @property
    def path(self) -> str:
        """The object's path."""
        steps: list[str] = []
        link: Link | None = self
        while link is not None:
            steps.append(link.step)
            link = link.before
        return paths.join(steps[::-1])


def lines(value: Any, *, depth: int | None = None) -> Iterator[str]:
    """Yield the lines of the tree of a value.

    An object that occurs again is named by its first path. A tensor of more than 8 elements is
    shown by min, max and mean of its numbers without NaN.

    Args:
        value: from load or paths.select, or what ``save`` takes.
        depth: levels below the value's own line; None: all.

    Raises:
        T7Error: a value is not a Lua value.
    """
    plain = Plain()
    budget = Census([value], plain).budget
    met: dict[int, Link] = {}
    waiting: list[tuple[Link, Any]] = [(Link(None, ""), value)]
    while waiting:
        link, part = waiting.pop()
        part = plain.lua(part)
        before = _label(link)
        if isinstance(part, LuaObject) and id(part) in met:
            yield f"{before}{summary(part)}, the same as {met[id(part)].path or 'the top'}"
            continue
        text = summary(part)
        if isinstance(part, LuaObject):
            met[id(part)] = link
        if isinstance(part, Tensor | Storage):
            shown, budget = _elements(part, budget)
            text += shown + _sharing(part, link, met)
        held = list(_held(part, link))
        if held and depth is not None and link.depth >= depth:
            text, held = text + " ...", []
        yield before + text
        waiting.extend(reversed(held))


def summary(value: Any) -> str:
    """Return a value in some words: nil, booleans, numbers and short strings completely."""
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.14g}"
    if isinstance(value, str):
        data = to_bytes(value)
        if len(data) <= _LONGEST:
            return json.dumps(value)
        return f"{json.dumps(value[:_LONGEST])}... of {len(data)} bytes"
    if isinstance(value, LuaTable):
        return f"table of {len(value)}"
    if isinstance(value, TorchObject):
        return f"{class_text(value.class_name)} of {len(value.fields)} fields"
    if isinstance(value, TorchVector):
        return f"{class_text(value.class_name)} of {len(value.items)}"
    if isinstance(value, LuaFunction):
        return f"function of {len(value.bytecode)} bytes"
    if isinstance(value, Opaque):
        return f"{class_text(value.class_name)} of {len(value.data)} bytes"
    if isinstance(value, Storage):
        return f"{class_text(value.class_name)} of {len(value.array)}"
    return f"{value.class_name} {value.shape_text}"


def _label(link: Link) -> str:
    if link.before is None:
        return ""
    # Indenting every level of a file nested 100,000 deep would take gigabytes.
    indent = "  " * min(link.depth, _DEEPEST_INDENT)
    deep = f"({link.depth} deep) " if link.depth > _DEEPEST_INDENT else ""
    return f"{indent}{deep}{link.step.removeprefix('.')}: "


def _held(value: Any, link: Link) -> Iterator[tuple[Link, Any]]:
    if isinstance(value, TorchVector):
        for k, item in enumerate(value.items, 1):
            yield Link(link, f"[{k}]"), item
    elif isinstance(value, LuaFunction):
        if len(value.upvalues):
            yield Link(link, ".upvalues"), value.upvalues
    elif isinstance(value, LuaTable | TorchObject):
        table = value.fields if isinstance(value, TorchObject) else value
        for number, (key, item) in enumerate(table.pairs(), 1):
            if isinstance(key, LuaObject):
                yield Link(link, f".(key {number})"), key
            yield Link(link, paths.step(key)), item


def _sharing(value: Tensor | Storage, link: Link, met: dict[int, Link]) -> str:
    """Return how a tensor lies in its storage, if it does not fill it alone."""
    if isinstance(value, Storage) or value.storage is None:
        return ""
    step = 1
    contiguous = True
    for n, stride in zip(value.size[::-1], value.stride[::-1], strict=True):
        contiguous &= n <= 1 or stride == step
        step *= n
    layout = "" if contiguous else f", stride {'x'.join(map(str, value.stride))}"
    if value.offset:
        layout += f", offset {value.offset}"
    first = met.setdefault(id(value.storage), link)
    return layout if first is link else f"{layout}, in the storage of {first.path or 'the top'}"


def _elements(value: Tensor | Storage, budget: int) -> tuple[str, int]:
    """Return the elements or their statistics, and the remaining budget."""
    if isinstance(value, Storage):
        array = value.array
    else:
        if value.element_count == 0:
            return "", budget
        # min, max and mean are the same without the repetitions of an expanded view.
        many = value.element_count > _FEW
        value = value.distinct() if many else value
        if value.element_count > budget:
            return ", a view that overlaps itself", budget
        array = value.numpy()
    if array.size == 0:
        return "", budget
    if array.size <= _FEW and not (isinstance(value, Tensor) and many):
        return ": " + " ".join(f"{number:.6g}" for number in array.flat), budget
    return _statistics(array), budget - array.size


def _statistics(array: NDArray[Any]) -> str:
    numbers = array[~np.isnan(array)]
    missing = array.size - numbers.size
    text = f", {missing} NaN" if missing else ""
    if not numbers.size:
        return text
    with np.errstate(all="ignore"):
        low, high, mean = numbers.min(), numbers.max(), numbers.mean(dtype=np.float64)
    return f", min {low:.6g}, max {high:.6g}, mean {mean:.6g}{text}"
