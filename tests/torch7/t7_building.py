"""Torch7 files made by hand, from the format's description and not by our writer."""

from __future__ import annotations

import struct
from pathlib import Path

from tests.golden_files import GOLDEN

T7 = GOLDEN / "t7"
FILES: list[Path] = sorted(T7.glob("*.t7"))
BINARY = [path for path in FILES if not path.name.endswith((".ascii.t7", ".params.t7"))]
ASCII = [path for path in FILES if path not in BINARY]


class Layout:
    """The byte order and the size of a long that a file is made with."""

    def __init__(self, order="<", long="q"):
        self.order, self.long = order, long

    def ints(self, *values):
        return struct.pack(f"{self.order}{len(values)}i", *values)

    def longs(self, *values):
        return struct.pack(f"{self.order}{len(values)}{self.long}", *values)

    def text(self, data):
        """An int and so many bytes: what follows the tag of a string."""
        return self.ints(len(data)) + data

    def number(self, value):
        return self.ints(1) + struct.pack(f"{self.order}d", value)

    def string(self, data):
        return self.ints(2) + self.text(data)

    def torch(self, index, class_name, version=b"V 1"):
        head = self.ints(4, index)
        return head + (self.text(version) if version else b"") + self.text(class_name)

    def storage(self, index, kind, count, elements=b""):
        return self.torch(index, b"torch.%sStorage" % kind) + self.longs(count) + elements

    def tensor(self, index, kind, size, stride, offset=1):
        """A tensor up to its storage."""
        head = self.torch(index, b"torch.%sTensor" % kind) + self.ints(len(size))
        return head + self.longs(*size) + self.longs(*stride) + self.longs(offset)


LITTLE = Layout()
NIL = LITTLE.ints(0)


def table(index, *pairs, layout=LITTLE):
    return layout.ints(3, index, len(pairs)) + b"".join(key + value for key, value in pairs)


def field(name, value, layout=LITTLE):
    return layout.string(name), value
