"""Differences between two values: tables without their order, tensors by value, and sharing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import T7Error
from dqn_port.torch7 import paths
from dqn_port.torch7.graph import Census
from dqn_port.torch7.plain import Plain
from dqn_port.torch7.tensors import Storage, Tensor
from dqn_port.torch7.tree import Link, summary
from dqn_port.torch7.values import (
    LuaFunction,
    LuaObject,
    LuaTable,
    Opaque,
    TorchObject,
    TorchVector,
    class_text,
)

_ABSENT: Final = "nothing"


@dataclass(frozen=True)
class Difference:
    """One difference.

    ``kind``: ``value``, ``type``, ``class``, ``version``, ``size``, ``layout`` (stride or
    offset in the storage), ``sharing`` (one object on one side, two on the other), or
    ``only left`` and ``only right`` for a key that the other side lacks.
    """

    path: str
    kind: str
    left: str
    right: str

    def __str__(self) -> str:
        return f"{self.path or 'the top'}: {self.kind}: {self.left} | {self.right}"


_Part = tuple[Link, Any, Any]


def differences(left: Any, right: Any) -> Iterator[Difference]:
    """Yield the differences between two values, in the order of the left one.

    NaN equals NaN and 0 equals -0. Objects are compared once; those that are keys are compared
    in their order.

    Raises:
        T7Error: a value is not a Lua value; views overlap so much that they cannot be compared.
    """
    yield from _Comparison(left, right).differences()


class _Comparison:
    def __init__(self, left: Any, right: Any) -> None:
        self._plain = Plain()
        self._values = left, right
        counts = [Census([value], self._plain) for value in self._values]
        self._budget = max(count.budget for count in counts)
        # The object of the other side that an object was first compared with, and where.
        self._of_left: dict[int, tuple[LuaObject, Link]] = {}
        self._of_right: dict[int, tuple[LuaObject, Link]] = {}
        # Not storages met only under tensors: they are paired, but not compared yet.
        self._compared: set[int] = set()

    def differences(self) -> Iterator[Difference]:
        waiting: list[_Part] = [(Link(None, ""), *self._values)]
        while waiting:
            link, left, right = waiting.pop()
            left, right = self._plain.lua(left), self._plain.lua(right)
            if type(left) is not type(right):
                yield Difference(link.path, "type", summary(left), summary(right))
            elif not isinstance(left, LuaObject):
                if left != right and not (left != left and right != right):
                    yield Difference(link.path, "value", summary(left), summary(right))
            else:
                difference = self._meet(left, right, link)
                if difference is not None:
                    yield difference
                elif id(left) not in self._compared:
                    self._compared.add(id(left))
                    more: list[_Part] = []
                    yield from self._objects(link, left, right, more)
                    waiting.extend(reversed(more))

    def _meet(self, left: LuaObject, right: LuaObject, link: Link) -> Difference | None:
        """Pair two objects; return a difference if one was already paired with another."""
        of_left, of_right = self._of_left.get(id(left)), self._of_right.get(id(right))
        if of_left is None and of_right is None:
            self._of_left[id(left)] = right, link
            self._of_right[id(right)] = left, link
            return None
        if of_left is not None and of_left[0] is right:
            return None
        texts = [
            "new here" if of is None else f"the same as {of[1].path or 'the top'}"
            for of in (of_left, of_right)
        ]
        return Difference(link.path, "sharing", *texts)

    def _objects(
        self, link: Link, left: Any, right: Any, more: list[_Part]
    ) -> Iterator[Difference]:
        if not isinstance(left, LuaTable | LuaFunction):
            for kind, ours, theirs in (
                ("class", left.class_name, right.class_name),
                ("version", left.version, right.version),
            ):
                if ours != theirs:
                    yield Difference(
                        link.path, kind, class_text(str(ours)), class_text(str(theirs))
                    )
        if isinstance(left, LuaTable):
            yield from self._tables(link, left, right, more)
        elif isinstance(left, TorchObject):
            difference = self._meet(left.fields, right.fields, link)
            if difference is not None:
                yield difference
            elif id(left.fields) not in self._compared:
                self._compared.add(id(left.fields))
                yield from self._tables(link, left.fields, right.fields, more)
        elif isinstance(left, TorchVector):
            if len(left.items) != len(right.items):
                yield _sizes(link, len(left.items), len(right.items))
            pairs = zip(left.items, right.items, strict=False)
            more += [(Link(link, f"[{k}]"), *pair) for k, pair in enumerate(pairs, 1)]
        elif isinstance(left, LuaFunction):
            if (left.tag, left.bytecode) != (right.tag, right.bytecode):
                texts = [f"tag {one.tag}, {summary(one)}" for one in (left, right)]
                yield Difference(link.path, "value", *texts)
            more.append((Link(link, ".upvalues"), left.upvalues, right.upvalues))
        elif isinstance(left, Opaque):
            if left.data != right.data:
                yield Difference(link.path, "value", summary(left), summary(right))
        elif isinstance(left, Storage):
            yield from self._storages(link, left, right)
        else:
            yield from self._tensors(link, left, right)

    def _tables(
        self, link: Link, left: LuaTable, right: LuaTable, more: list[_Part]
    ) -> Iterator[Difference]:
        ours, theirs = self._by_key(left), self._by_key(right)
        for inner, (key, value) in ours.items():
            there = Link(link, paths.step(key))
            if inner not in theirs:
                yield Difference(there.path, "only left", summary(self._plain.lua(value)), _ABSENT)
                continue
            other_key, other = theirs[inner]
            if isinstance(key, LuaObject):
                more.append((Link(link, ".(key)"), key, other_key))
            more.append((there, value, other))
        for inner, (key, value) in theirs.items():
            if inner not in ours:
                path = Link(link, paths.step(key)).path
                yield Difference(path, "only right", _ABSENT, summary(self._plain.lua(value)))

    def _by_key(self, table: LuaTable) -> dict[Any, tuple[Any, Any]]:
        """Return the pairs by what equal keys of two tables share; of objects, place and kind."""
        pairs: dict[Any, tuple[Any, Any]] = {}
        times: Counter[str] = Counter()
        for key, value in table.pairs():
            inner: Any = (type(key) is bool, key)
            if isinstance(key, LuaObject):
                kind = summary(key)
                times[kind] += 1
                inner = (kind, times[kind])
            pairs[inner] = key, value
        return pairs

    def _storages(self, link: Link, left: Storage, right: Storage) -> Iterator[Difference]:
        count = len(left.array), len(right.array)
        if count[0] != count[1]:
            yield _sizes(link, *count)
            return
        yield from _values(link, left.array, right.array)

    def _tensors(self, link: Link, left: Tensor, right: Tensor) -> Iterator[Difference]:
        if left.size != right.size:
            yield Difference(link.path, "size", left.shape_text, right.shape_text)
            return
        layouts = [_layout(one) for one in (left, right)]
        if layouts[0] != layouts[1]:
            yield Difference(link.path, "layout", *layouts)
        if left.storage is not None and right.storage is not None:
            difference = self._meet(left.storage, right.storage, link)
            if difference is not None:
                yield difference
        if left.element_count == 0:
            return
        ours, theirs = left.distinct(right), right.distinct(left)
        self._budget -= ours.element_count
        if self._budget < 0:
            raise T7Error(
                f"{paths.place(link.path)}: {summary(left)}: expected views whose values are few "
                "times what is stored, got ones that overlap too much to be compared"
            )
        yield from _values(link, ours.numpy(), theirs.numpy())


def _sizes(link: Link, left: int, right: int) -> Difference:
    return Difference(link.path, "size", str(left), str(right))


def _layout(tensor: Tensor) -> str:
    stride = "x".join(map(str, tensor.stride)) or "none"
    return f"stride {stride}, offset {tensor.offset}{'' if tensor.storage else ', no storage'}"


def _values(link: Link, left: NDArray[Any], right: NDArray[Any]) -> Iterator[Difference]:
    with np.errstate(all="ignore"):
        other = (left != right) & ((left == left) | (right == right))
        if not other.any():
            return
        gap = np.abs(left[other].astype(np.float64) - right[other].astype(np.float64))
    largest = np.nan_to_num(gap, nan=np.inf).max()
    first = tuple(int(k) for k in np.argwhere(other)[0])
    at = [k + 1 for k in first]
    texts = [f"{one[first].item():.9g}" for one in (left, right)]
    note = f"{len(gap)} of {left.size} elements, by {largest:.3g} at most; at {at} {texts[0]}"
    yield Difference(link.path, "value", note, texts[1])
