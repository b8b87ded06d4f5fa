"""Networks of Torch7's nn as rows of class, fields, weight and bias.

A row is a dict: ``class`` (nn.Reshape, nn.SpatialConvolution, nn.Rectifier or nn.Linear), the
fields by their nn names, and ``weight`` and ``bias`` as float32 arrays if the layer has them:
convolutions [out, in, kH, kW] and [out], linear layers [out, in] and [out].
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import T7Error
from dqn_port.torch7.tensors import Storage, Tensor
from dqn_port.torch7.values import LuaTable, TorchObject

Floats = NDArray[np.float32]
Row = dict[str, Any]

FLOAT: Final = "torch.FloatTensor"
_MOST_MODULES: Final = 10_000
_LARGEST: Final = 2**31
_MOST_FEATURES: Final = 2**26
"""Of a layer for one state; a small file can ask for more than a machine holds."""

_SEQUENTIAL: Final = "nn.Sequential"
_CONVOLUTIONS: Final = frozenset(
    {
        "nn.SpatialConvolution",
        "nn.SpatialConvolutionMM",
        "nn.SpatialConvolutionCUDA",
        "cudnn.SpatialConvolution",
    }
)
_RECTIFIERS: Final = frozenset({"nn.Rectifier", "nn.ReLU", "cudnn.ReLU"})
_RESHAPES: Final = frozenset({"nn.Reshape", "nn.View"})
_NOTHING_TO_DO: Final = frozenset({"nn.Identity", "nn.Copy", "nn.Contiguous"})

_BATCH_FIRST: Final = (0, 1, 2, 3)
_BATCH_LAST: Final = (1, 2, 3, 0)
"""The order of (batch, channel, height, width) in nn.SpatialConvolutionCUDA."""


def rows_of(network: Any, where: str = "network") -> list[Row]:
    """Return the rows of an nn.Sequential, in order; weights are copies.

    Other layouts of convolutions become [out, in, kH, kW], rectifiers of any name nn.Rectifier.
    nn.Transpose is removed: the weights of the next linear layer are reordered in its place.

    Raises:
        T7Error: it is another network; the message names the module.
    """
    return _Reader(where).read(network)


def parameters_of(rows: Sequence[Row]) -> dict[str, Floats]:
    """Return the weights and biases of rows by their names in torch.nn.Sequential: 1.weight."""
    return {
        f"{i}.{name}": row[name]
        for i, row in enumerate(rows)
        for name in ("weight", "bias")
        if name in row
    }


def _refuse(where: str, expected: str, got: str) -> NoReturn:
    raise T7Error(f"{where}: expected {expected}, got {got}")


class _Reader:
    """Walks over the modules and tracks the order of dimensions."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._order = _BATCH_FIRST
        """The current order of (batch, channel, height, width)."""
        self._size: tuple[int, ...] | None = None
        """The current (channel, height, width), as far as known."""
        self._flattened: tuple[tuple[int, ...], tuple[int, ...]] | None = None
        """The size and the order of an image that was flattened in an unusual order."""

    def read(self, network: Any) -> list[Row]:
        """Return the rows; see rows_of."""
        rows = []
        for where, module in self._modules(network):
            name = module.class_name
            if name in _CONVOLUTIONS:
                rows.append(self._convolution(module, where))
            elif name in _RECTIFIERS or (name == "nn.Threshold" and _rectifies(module)):
                rows.append({"class": "nn.Rectifier"})
            elif name == "nn.Linear":
                rows.append(self._linear(module, where))
            elif name in _RESHAPES:
                rows.append(self._reshape(module, where))
            elif name == "nn.Transpose":
                self._transpose(module, where)
            elif name not in _NOTHING_TO_DO:
                _refuse(where, "a layer that DQN's networks use", name)
        if self._flattened is not None:
            _refuse(self._where, "a linear layer after nn.Transpose and nn.Reshape", "none")
        if not any("weight" in row for row in rows):
            _refuse(self._where, "a layer with weights", "none")
        return rows

    def _modules(self, network: Any) -> Iterator[tuple[str, TorchObject]]:
        """Yield every module and its path; a Sequential in another one is expanded in place."""
        stack: list[tuple[str, Any]] = [(self._where, network)]
        seen = 0
        while stack:
            where, module = stack.pop()
            seen += 1
            if seen > _MOST_MODULES:
                _refuse(self._where, f"at most {_MOST_MODULES} modules", "more")
            if not isinstance(module, TorchObject) or not isinstance(module.fields, LuaTable):
                _refuse(where, "an nn module", _kind(module))
            if module.class_name == _SEQUENTIAL:
                modules = module.get("modules")
                if not isinstance(modules, LuaTable) or not modules.is_list:
                    _refuse(f"{where}.modules", "a list of modules", _kind(modules))
                inner = [(f"{where}.modules[{i}]", m) for i, m in enumerate(modules.to_list(), 1)]
                stack += reversed(inner)
            elif where == self._where:
                _refuse(where, _SEQUENTIAL, module.class_name)
            else:
                yield where, module

    def _convolution(self, module: TorchObject, where: str) -> Row:
        batch_last = module.class_name == "nn.SpatialConvolutionCUDA"
        if self._order != (_BATCH_LAST if batch_last else _BATCH_FIRST):
            _refuse(where, "dimensions in the order it works in", "others, by nn.Transpose")
        field = {
            name: _whole(module, name, where, low=1)
            for name in ("nInputPlane", "nOutputPlane", "kW", "kH")
        }
        for name in ("dW", "dH"):
            field[name] = _whole(module, name, where, low=1, default=1)
        padding = _whole(module, "padding", where, low=0, default=0)
        for name in ("padW", "padH"):
            field[name] = _whole(module, name, where, low=0, default=padding)
        n_in, n_out, kw, kh = field["nInputPlane"], field["nOutputPlane"], field["kW"], field["kH"]
        if batch_last:
            weight = _floats(module, "weight", where, (n_in, kh, kw, n_out)).transpose(3, 0, 1, 2)
        else:
            flat = (n_out, n_in * kh * kw)
            weight = _floats(module, "weight", where, (n_out, n_in, kh, kw), flat)
        if self._size is not None and len(self._size) == 3:
            if self._size[0] != n_in:
                _refuse(f"{where}.nInputPlane", str(self._size[0]), str(n_in))
            height = (self._size[1] + 2 * field["padH"] - kh) // field["dH"] + 1
            width = (self._size[2] + 2 * field["padW"] - kw) // field["dW"] + 1
            self._size = (n_out, height, width)
            columns = n_in * kh * kw * height * width
            if max(math.prod(self._size), columns) > _MOST_FEATURES:
                _refuse(where, f"at most {_MOST_FEATURES} features", "x".join(map(str, self._size)))
        weight = np.ascontiguousarray(weight.reshape(n_out, n_in, kh, kw))
        bias = _bias(module, where, n_out)
        return {"class": "nn.SpatialConvolution"} | field | {"weight": weight, "bias": bias}

    def _linear(self, module: TorchObject, where: str) -> Row:
        tensor = module.get("weight")
        if not isinstance(tensor, Tensor) or len(tensor.size) != 2:
            _refuse(f"{where}.weight", "a matrix", _kind(tensor))
        n_out, n_in = tensor.size
        weight = _floats(module, "weight", where, (n_out, n_in))
        if self._flattened is not None:
            size, order = self._flattened
            if math.prod(size) != n_in:
                _refuse(f"{where}.weight", f"{math.prod(size)} columns", str(n_in))
            weight = np.ascontiguousarray(weight[:, _usual_order(size, order)])
            self._flattened = None
        return {"class": "nn.Linear", "weight": weight, "bias": _bias(module, where, n_out)}

    def _reshape(self, module: TorchObject, where: str) -> Row:
        size = module.get("size")
        if isinstance(size, Storage):
            numbers = size.array.tolist()
        elif isinstance(size, LuaTable) and size.is_list:
            numbers = size.to_list()
        else:
            _refuse(f"{where}.size", "the sizes of dimensions", _kind(size))
        numbers = [int(n) for n in numbers if _is_whole(n)]
        if not 1 <= len(numbers) <= 3 or min(numbers) < 1 or math.prod(numbers) > _MOST_FEATURES:
            _refuse(f"{where}.size", "one to three sizes of at least 1", str(numbers)[:60])
        if self._order != _BATCH_FIRST:
            known = self._size is not None and len(self._size) == 3
            if self._order[0] != 0 or not known or len(numbers) != 1:
                _refuse(where, "the batch as the first dimension", "another, by nn.Transpose")
            assert self._size is not None
            self._flattened = (self._size, self._order[1:])
            self._order = _BATCH_FIRST
        self._size = tuple(numbers)
        return {"class": "nn.Reshape", "size": numbers}

    def _transpose(self, module: TorchObject, where: str) -> None:
        pairs = module.get("permutations")
        if not isinstance(pairs, LuaTable) or not pairs.is_list:
            _refuse(f"{where}.permutations", "a list of pairs", _kind(pairs))
        order = list(self._order)
        for i, pair in enumerate(pairs.to_list(), start=1):
            swap = pair.to_list() if isinstance(pair, LuaTable) and pair.is_list else []
            if len(swap) != 2 or not all(_is_whole(n) and 1 <= n <= 4 for n in swap):
                _refuse(f"{where}.permutations[{i}]", "two dimensions of 1 to 4", _kind(pair))
            a, b = (int(n) - 1 for n in swap)
            order[a], order[b] = order[b], order[a]
        self._order = (order[0], order[1], order[2], order[3])


def _usual_order(size: tuple[int, ...], order: tuple[int, ...]) -> NDArray[np.intp]:
    """Return the index of each of channel · height · width features in an image of that order.

    ``order``: which of channel 1, height 2, width 3 is the slowest, the next, the fastest.
    """
    places = np.arange(math.prod(size)).reshape([size[d - 1] for d in order])
    return places.transpose(np.argsort(order)).reshape(-1)


def _is_whole(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and value == int(value)


def _whole(
    module: TorchObject, name: str, where: str, *, low: int, default: int | None = None
) -> int:
    value = module.get(name)
    if value is None and default is not None:
        return default
    if not _is_whole(value) or not low <= value < _LARGEST:
        _refuse(f"{where}.{name}", f"a whole number of at least {low}", _kind(value))
    return int(value)


def _floats(module: TorchObject, name: str, where: str, *shapes: tuple[int, ...]) -> Floats:
    """Return a copy of a tensor of one of ``shapes`` as float32."""
    tensor = module.get(name)
    if not isinstance(tensor, Tensor) or tuple(tensor.size) not in shapes:
        expected = " or ".join("x".join(map(str, shape)) for shape in shapes)
        _refuse(f"{where}.{name}", f"a tensor of {expected}", _kind(tensor))
    if tensor.storage is None or tensor.element_count > len(tensor.storage.array):
        _refuse(f"{where}.{name}", "a number for every place", "an expanded view")
    values = tensor.numpy()
    if values.dtype.kind != "f":
        _refuse(f"{where}.{name}", "floats", tensor.class_name)
    return np.array(values, dtype=np.float32, order="C")


def _bias(module: TorchObject, where: str, n_out: int) -> Floats:
    if module.get("bias") is None:
        return np.zeros(n_out, dtype=np.float32)
    return _floats(module, "bias", where, (n_out,))


def _rectifies(module: TorchObject) -> bool:
    return module.get("threshold") == 0 and module.get("val") == 0


def _kind(value: Any) -> str:
    """Return the kind of a value, or a short value itself."""
    if value is None:
        return "nothing"
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, Tensor):
        return f"{value.class_name} of {value.shape_text}"
    if isinstance(value, TorchObject | Storage):
        return value.class_name
    return "a table" if isinstance(value, LuaTable) else type(value).__name__


def sequential_of(rows: Sequence[Mapping[str, Any]], w: Floats, dw: Floats) -> TorchObject:
    """Return the nn.Sequential of rows, as nn saved it from 2015 to 2017.

    ``w`` and ``dw``: float32 [n], all parameters and gradients in flat order (of each layer
    weight, bias); every layer's tensors are views of them, as after getParameters. The layers'
    scratch buffers are empty.
    """
    parameters = Storage("torch.FloatStorage", w)
    gradients = Storage("torch.FloatStorage", dw)
    modules, at = [], 0
    for row in rows:
        fields = LuaTable([("_type", FLOAT), ("output", _empty()), ("gradInput", _empty())])
        name = row["class"]
        if name == "nn.Reshape":
            size = np.array(row["size"], dtype=np.int64)
            fields["size"] = Storage("torch.LongStorage", size)
            fields["nelement"] = float(size.prod())
            fields["batchsize"] = Storage("torch.LongStorage", np.concatenate(([1], size)))
        elif name == "nn.SpatialConvolution":
            for key in ("nInputPlane", "nOutputPlane", "kW", "kH", "dW", "dH", "padW", "padH"):
                fields[key] = float(row[key])
            fields["finput"], fields["fgradInput"] = _empty(), _empty()
        elif name == "nn.Linear":
            fields["addBuffer"] = _empty()
        for key, gradient in (("weight", "gradWeight"), ("bias", "gradBias")):
            if key in row:
                shape = tuple(row[key].shape)
                fields[key] = _view(parameters, at, shape)
                fields[gradient] = _view(gradients, at, shape)
                at += math.prod(shape)
        modules.append(TorchObject(name, fields))
    assert at == len(w) == len(dw), f"{at} parameters in rows, {len(w)} and {len(dw)} in vectors"
    fields = LuaTable(
        [
            ("_type", FLOAT),
            ("output", modules[-1]["output"]),
            ("gradInput", modules[0]["gradInput"]),
            ("modules", LuaTable.from_list(modules)),
        ]
    )
    return TorchObject(_SEQUENTIAL, fields)


def _empty() -> Tensor:
    return Tensor(FLOAT)


def _view(storage: Storage, offset: int, shape: tuple[int, ...]) -> Tensor:
    strides = tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))
    return Tensor(FLOAT, shape, strides, offset, storage)
