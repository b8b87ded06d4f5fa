"""A walk over all that an object holds, without recursion and safe for cycles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from dqn_port.torch7.plain import Plain
from dqn_port.torch7.tensors import Storage, Tensor
from dqn_port.torch7.values import LuaFunction, LuaObject, LuaTable, TorchObject, TorchVector

# Views may overlap, so that a small file can claim any number of elements. So many times the
# stored elements may be read or written out, and some more for small files.
_TIMES: Final = 16
_ALWAYS: Final = 1 << 16


def held_by(value: LuaObject) -> Iterable[Any]:
    """Return what an object holds, keys and values alike."""
    if isinstance(value, LuaTable):
        return (part for pair in value.pairs() for part in pair)
    if isinstance(value, TorchObject):
        return (value.fields,)
    if isinstance(value, TorchVector):
        return value.items
    if isinstance(value, LuaFunction):
        return (value.upvalues,)
    if isinstance(value, Tensor) and value.storage is not None:
        return (value.storage,)
    return ()


class Census:
    """Counts over everything that some values hold.

    ``references``: by id, how often an object is held; one more for the values themselves.
    ``stored``: the number of elements in all storages.
    """

    def __init__(self, values: Iterable[Any], plain: Plain) -> None:
        self.references: Counter[int] = Counter()
        self.stored = 0
        waiting = [iter(list(values))]
        while waiting:
            for part in waiting[-1]:
                value = plain.lua(part)
                if not isinstance(value, LuaObject):
                    continue
                self.references[id(value)] += 1
                if self.references[id(value)] == 1:
                    if isinstance(value, Storage):
                        self.stored += len(value.array)
                    waiting.append(iter(held_by(value)))
                    break
            else:
                waiting.pop()

    @property
    def budget(self) -> int:
        """The number of elements that may be read or written out in all views together."""
        return _TIMES * self.stored + _ALWAYS
