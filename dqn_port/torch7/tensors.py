"""Torch's tensors and storages: NumPy views of arrays that many tensors may share."""

from __future__ import annotations

import math
import re
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import T7Error
from dqn_port.torch7.values import OPAQUE_BYTES, LuaObject, Opaque, TorchObject, TorchVector

_DTYPES: Final[dict[str, type[np.generic]]] = {
    "Byte": np.uint8,
    "Char": np.int8,
    "Short": np.int16,
    "Int": np.int32,
    "Long": np.int64,
    "Float": np.float32,
    "Double": np.float64,
    "Half": np.float16,
}
# The element kind of each class; CUDA tensors hold the bytes of their CPU kind.
KINDS: Final[dict[str, str]] = (
    {name: name for name in _DTYPES}
    | {"Cuda": "Float"}
    | {f"Cuda{name}": name for name in _DTYPES if name != "Float"}
)
KIND_OF_TENSOR: Final = {f"torch.{name}Tensor": kind for name, kind in KINDS.items()}
KIND_OF_STORAGE: Final = {f"torch.{name}Storage": kind for name, kind in KINDS.items()}
# The string before the name of a class, in files that have versions.
VERSION: Final = re.compile(r"V ([0-9]{1,9})")
# NumPy's own limit; Torch7's is memory.
DIMENSION_LIMIT: Final = 64


def dtype_of(kind: str) -> np.dtype[Any]:
    """Return the dtype of a kind such as ``Float``, of the machine's byte order."""
    return np.dtype(_DTYPES[kind])


def kind_of(dtype: np.dtype[Any]) -> str | None:
    """Return the kind of elements of a dtype, in any byte order; None if Torch7 has none."""
    if dtype == np.bool:
        return "Byte"
    return next((kind for kind, ours in _DTYPES.items() if np.dtype(ours).str[1:] == dtype.str[1:]
                 and dtype.kind in "uif"), None)  # fmt: skip


def storage_class(tensor_class: str) -> str:
    """Return the class of the storage under a tensor of a class."""
    return tensor_class.removesuffix("Tensor") + "Storage"


class Storage(LuaObject):
    """A storage: ``array``, one-dimensional and contiguous, dtype of the class' kind.

    The arrays of a mapped file are views; writing to them does not change the file. They may be
    unaligned; ``np.require(array, requirements="A")`` gives an aligned one.

    Raises:
        T7Error: the class is not a storage's, or the array not of its dtype.
    """

    __slots__ = ("array", "class_name", "version")

    def __init__(self, class_name: str, array: NDArray[Any], *, version: int = 1) -> None:
        kind = KIND_OF_STORAGE.get(class_name)
        if kind is None:
            raise T7Error(f"expected the class of a storage, got {class_name[:60]!r}")
        if array.dtype != dtype_of(kind) or array.ndim != 1:
            raise T7Error(
                f"{class_name}: expected an array of one dimension of {dtype_of(kind)}, "
                f"got {array.ndim} of {array.dtype}"
            )
        self.class_name = class_name
        self.array = np.ascontiguousarray(array) if not array.flags.c_contiguous else array
        self.version = version

    @property
    def kind(self) -> str:
        """The kind of the elements: ``Float`` for a ``torch.CudaStorage``."""
        return KIND_OF_STORAGE[self.class_name]

    def __repr__(self) -> str:
        return f"<{self.class_name} of {len(self.array)} elements>"


class Tensor(LuaObject):
    """A tensor: a view of ``storage`` by ``size``, ``stride`` and ``offset``, in elements.

    ``offset`` is 0-based, the file's storageOffset less one. A tensor without dimensions is
    Torch7's empty one; its storage is normally None.

    Raises:
        T7Error: the class is not a tensor's, or the view reaches outside the storage.
    """

    __slots__ = ("class_name", "offset", "size", "storage", "stride", "version")

    def __init__(
        self,
        class_name: str,
        size: tuple[int, ...] = (),
        stride: tuple[int, ...] = (),
        offset: int = 0,
        storage: Storage | None = None,
        *,
        version: int = 1,
    ) -> None:
        if class_name not in KIND_OF_TENSOR:
            raise T7Error(f"expected the class of a tensor, got {class_name[:60]!r}")
        wrong = layout_fault(size, stride, offset)
        under = storage_class(class_name)
        if wrong is None and storage is not None and storage.class_name != under:
            wrong = f"a {under}", f"a {storage.class_name}"
        if wrong is None:
            held = 0 if storage is None else len(storage.array)
            wrong = reach_fault(size, stride, offset, held)
        if wrong is not None:
            raise T7Error(f"{class_name}: expected {wrong[0]}, got {wrong[1]}")
        self.class_name = class_name
        self.size = size
        self.stride = stride
        self.offset = offset
        self.storage = storage
        self.version = version

    @classmethod
    def from_array(cls, array: NDArray[Any], class_name: str | None = None) -> Tensor:
        """Make a contiguous tensor with its own storage; of an array without elements an empty one.

        ``class_name``: by default that of the array's dtype; else the elements are cast.

        Raises:
            T7Error: Torch7 has no such dtype, or the array has no dimension.
        """
        kind = kind_of(array.dtype)
        if kind is None:
            raise T7Error(f"an array: expected a dtype of {', '.join(_DTYPES)}, got {array.dtype}")
        if array.ndim == 0:
            raise T7Error("an array: expected at least one dimension, got none; give a number")
        class_name = class_name or f"torch.{kind}Tensor"
        if array.size == 0:
            return cls(class_name)
        dtype = dtype_of(KIND_OF_TENSOR.get(class_name, kind))
        flat = np.ascontiguousarray(array, dtype).reshape(-1)
        stride = tuple(math.prod(array.shape[k + 1 :]) for k in range(array.ndim))
        size = tuple(array.shape)
        return cls(class_name, size, stride, 0, Storage(storage_class(class_name), flat))

    @property
    def kind(self) -> str:
        """The kind of the elements: ``Float`` for a ``torch.CudaTensor``."""
        return KIND_OF_TENSOR[self.class_name]

    @property
    def element_count(self) -> int:
        """The number of elements; an expanded view may claim more than memory holds."""
        return math.prod(self.size) if self.size else 0

    def numpy(self) -> NDArray[Any]:
        """Return the view of the storage, shape ``size``; (0,) for a tensor without dimensions.

        Raises:
            T7Error: NumPy cannot address so many elements, as of an extremely expanded view.
        """
        dtype = dtype_of(self.kind)
        shape = self.size or (0,)
        try:
            if self.storage is None or self.element_count == 0:
                return np.empty(shape, dtype)
            # A stride that is never taken may be larger than NumPy's integers.
            strides = [
                stride * dtype.itemsize if size > 1 else 0
                for size, stride in zip(self.size, self.stride, strict=True)
            ]
            return np.ndarray(
                shape, dtype, self.storage.array, self.offset * dtype.itemsize, strides
            )
        except (ValueError, OverflowError):
            raise T7Error(
                f"{self.class_name}: expected a size that an array can have, got {self.shape_text}"
            ) from None

    def distinct(self, others: Tensor | None = None) -> Tensor:
        """Return the view without the repetitions of dimensions that are expanded (stride 0).

        ``others``: only of those that are expanded in this tensor, too.
        """
        if self.element_count == 0:
            return Tensor(self.class_name)
        steps = self.stride if others is None else map(max, self.stride, others.stride)
        size = tuple(1 if step == 0 else n for n, step in zip(self.size, steps, strict=True))
        return Tensor(self.class_name, size, self.stride, self.offset, self.storage)

    @property
    def shape_text(self) -> str:
        """The size as ``84x84``, or ``empty``."""
        return "x".join(map(str, self.size)) or "empty"

    def __repr__(self) -> str:
        return f"<{self.class_name} {self.shape_text}>"


def layout_fault(
    size: tuple[int, ...], stride: tuple[int, ...], offset: int
) -> tuple[str, str] | None:
    """Return what is wrong with a layout in any storage: (expected, got)."""
    if len(size) > DIMENSION_LIMIT:
        return f"at most {DIMENSION_LIMIT} dimensions", str(len(size))
    if len(size) != len(stride):
        return f"{len(size)} strides, one for each size", str(len(stride))
    for name, numbers in (("sizes", size), ("strides", stride)):
        if numbers and min(numbers) < 0:
            return f"{name} of 0 or more", str(min(numbers))
    if offset < 0:
        return "a storageOffset of 1 or more", str(offset + 1)
    return None


def reach_fault(
    size: tuple[int, ...], stride: tuple[int, ...], offset: int, held: int
) -> tuple[str, str] | None:
    """Return the fault of a view beyond the ``held`` elements of its storage: (expected, got)."""
    if not size or 0 in size:
        return None
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if last < held:
        return None
    return f"a view within the {held} elements of its storage", f"one up to element {last + 1}"


def payload_type(class_name: str) -> type[LuaObject] | None:
    """Return the type for the content of a class; None if no class can have that name."""
    if not class_name or VERSION.fullmatch(class_name):
        return None
    if class_name in KIND_OF_TENSOR:
        return Tensor
    if class_name in KIND_OF_STORAGE:
        return Storage
    if class_name in OPAQUE_BYTES:
        return Opaque
    return TorchVector if class_name == "tds.Vec" else TorchObject
