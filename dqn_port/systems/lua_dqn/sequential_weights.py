"""A network as torch.nn.Sequential has it: the state dict, and the layers to load it into."""

from __future__ import annotations

import torch

from dqn_port.errors import SnapshotError
from dqn_port.systems.lua_dqn.snapshot import SavedNetwork
from dqn_port.torch7.nn_modules import Row, parameters_of, rows_of


def state_dict_of(saved: SavedNetwork) -> tuple[dict[str, torch.Tensor], list[str]]:
    """Return (state dict, layers): float32 tensors by name, and torch.nn calls in order.

    ``torch.nn.Sequential`` of the layers loads the state dict; it takes float32 [B, H·D], 0..1,
    and gives Q, float32 [B, A].

    Raises:
        SnapshotError: the file holds parameters alone, without their layers.
        T7Error: see torch7.nn_modules.rows_of.
    """
    if saved.module is None:
        raise SnapshotError(
            f"{saved.where}: expected a network with its layers, got parameters alone; "
            "export the snapshot beside it"
        )
    rows = rows_of(saved.module, saved.where)
    state = {name: torch.from_numpy(values) for name, values in parameters_of(rows).items()}
    return state, [_layer(row) for row in rows]


def _layer(row: Row) -> str:
    if row["class"] == "nn.Reshape":
        size = tuple(row["size"])
        return "Flatten()" if len(size) == 1 else f"Unflatten(1, {size})"
    if row["class"] == "nn.SpatialConvolution":
        kernel, stride, padding = ((row[f"{of}H"], row[f"{of}W"]) for of in ("k", "d", "pad"))
        sizes = f"{row['nInputPlane']}, {row['nOutputPlane']}"
        return f"Conv2d({sizes}, {kernel}, {stride}, {padding})"
    if row["class"] == "nn.Linear":
        n_out, n_in = row["weight"].shape
        return f"Linear({n_in}, {n_out})"
    return "ReLU()"
