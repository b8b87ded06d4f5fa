"""Networks in Neon's own files: snapshots of both ages read, those of the newer age written.

simple_dqn: deepqnetwork.py, save_weights and load_weights, util/convert_weights.py; Neon:
models/model.py. A newer snapshot, .prm, is a pickled dict: neon_version; backend; cost; model,
whose config.layers are dicts with type, config, params and states; epoch_index;
train_input_shape. An older one, .pkl, has layer_params_states, a list of {params, states}.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import SnapshotError
from dqn_port.games.ale.roms import expected_md5s
from dqn_port.games.toy import GAMES
from dqn_port.saved_networks import SavedNetwork
from dqn_port.systems.simple_dqn.deepqnetwork import DeepQNetwork
from dqn_port.systems.simple_dqn.layers import CONVOLUTIONS, HIDDEN, LAYERS, to_neon
from dqn_port.systems.simple_dqn.unpickling import read_pickle

Array = NDArray[Any]

SUFFIXES: Final = (".prm", ".pkl")
_BATCH_NORM: Final = ("beta", "gamma", "gmean", "gvar")


# Reading.


def read_neon(path: Path) -> SavedNetwork:
    """Read a snapshot of either format; ``arguments`` holds what its arrays and its name say.

    Raises:
        SnapshotError: it cannot be read, or is not a network of simple_dqn.
    """
    table = read_pickle(path)
    weights: dict[str, Array] = {}
    layer = ""
    names = iter(LAYERS)
    for params, states in _layers(path, table):
        if "W" in params:
            layer = next(names, "")
            if not layer:
                raise _other(path, "more than five layers with weights")
            _put(weights, path, f"{layer}.W", params["W"], states)
        else:
            halves = _halves(states)
            for name in _BATCH_NORM:
                of_name = halves.get(name, [])
                _put(weights, path, f"{layer}_bnorm.{name}", params.get(name), of_name)
    if layer != "output":
        raise _other(path, "fewer than five layers with weights")
    return SavedNetwork(
        path=path, which="last", arguments=_told(path, table, weights), weights=weights
    )


def _layers(path: Path, table: Any) -> Iterator[tuple[dict[str, Any], list[Any]]]:
    """Yield (params, states) of every layer that has any."""
    if isinstance(table, dict) and isinstance(table.get("layer_params_states"), list):
        layers = table["layer_params_states"]
    else:
        layers = table
        for key in ("model", "config", "layers"):
            layers = layers.get(key) if isinstance(layers, dict) else None
    if not isinstance(layers, list):
        raise _other(path, "no layers")
    for layer in layers:
        if not isinstance(layer, dict):
            raise _other(path, "a layer that is not a dict")
        params, states = layer.get("params"), layer.get("states")
        if isinstance(params, np.ndarray):
            params = {"W": params}
        if isinstance(params, dict):
            yield params, states if isinstance(states, list) else []


def _halves(states: list[Any]) -> dict[str, list[Any]]:
    """Return the optimiser's states of beta and of gamma, which Neon may nest or not."""
    if len(states) == 2 and all(isinstance(half, list) for half in states):
        return dict(zip(("beta", "gamma"), states, strict=True))
    half = len(states) // 2
    return {"beta": states[:half], "gamma": states[half:]}


def _put(
    weights: dict[str, Array], path: Path, name: str, values: Any, states: Iterable[Any]
) -> None:
    weights[name] = _ours(path, name, values)
    for i, state in enumerate(states):
        weights[f"{name}.state{i}"] = _ours(path, name, state)


def _ours(path: Path, name: str, values: Any) -> Array:
    """Return Neon's array of a layer in our shape."""
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f" or values.ndim != 2:
        raise _other(path, f"no matrix of floats as {name}")
    if not np.isfinite(values).all():
        raise _other(path, f"numbers that are not finite in {name}")
    if not name.endswith(".W"):
        return values.reshape(-1)
    if name.startswith("conv"):
        filters, side, _ = CONVOLUTIONS[LAYERS.index(name[:5])]
        if values.shape[1] != filters or values.shape[0] % side**2:
            raise _other(path, f"shape {list(values.shape)} as {name}")
        return values.reshape(-1, side, side, filters).transpose(3, 0, 1, 2).copy()
    return values


def _told(path: Path, table: Any, weights: Mapping[str, Array]) -> dict[str, Any]:
    """Return the options that a snapshot implies."""
    history_length = weights["conv1.W"].shape[1]
    told: dict[str, Any] = {
        "history_length": history_length,
        "batch_norm": "conv1_bnorm.gmean" in weights,
    }
    shape = table.get("train_input_shape")
    if isinstance(shape, tuple) and len(shape) == 3 and all(type(n) is int for n in shape):
        told |= {"screen_height": shape[1], "screen_width": shape[2]}
    if game := name_of(path).game:
        told["game"] = game
    return told


def _other(path: Path, got: str) -> SnapshotError:
    return SnapshotError(f"{path}: expected a network of simple_dqn, got {got}")


class SnapshotName(NamedTuple):
    """What a snapshot's name says: GAME[_LABEL]_EPOCH."""

    game: str
    """Empty: no known game's."""
    label: str
    epoch: int | None


def name_of(path: Path) -> SnapshotName:
    """Split a snapshot's name by the known games, the longest first.

    The original's scripts cut at the first underscore, so that a game with one in its name failed.
    """
    match = re.fullmatch(r"(.*?)(?:_(\d{1,9}))?", path.stem)
    assert match is not None
    rest, epoch = match[1], None if match[2] is None else int(match[2])
    for game in sorted((*expected_md5s(), *GAMES), key=len, reverse=True):
        if rest == game or rest.startswith(f"{game}_"):
            return SnapshotName(game, rest[len(game) + 1 :], epoch)
    return SnapshotName("", rest, epoch)


# Writing.


def write_prm(file: BinaryIO, net: DeepQNetwork, options: Mapping[str, Any]) -> None:
    """Write a snapshot as Neon did: protocol 2, the optimiser's states included."""
    text = pickle.dumps(_description(net, options), protocol=2)
    # The name by which NumPy 1, and so the original, finds this function.
    file.write(text.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n", 1))


def _description(net: DeepQNetwork, options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "neon_version": {"1.8": "1.8.2", "2.6": "2.6.0"}[options["neon"]],
        "backend": {
            "type": "NervanaCPU",
            "compat_mode": "neon",
            "rng_seed": options["random_seed"],
            "rng_state": net.rng_state,
        },
        "cost": {
            "type": "neon.layers.layer.GeneralizedCost",
            "config": {
                "name": "GeneralizedCost_0",
                "costfunc": {"type": "neon.transforms.cost.SumSquared", "config": {}},
            },
        },
        "model": {
            "type": "neon.layers.container.Sequential",
            "config": {
                "name": "Sequential_0",
                "layers": list(_described_layers(net.weights(), net.n_actions)),
            },
            "container": True,
        },
        "epoch_index": 1,
        "train_input_shape": (
            options["history_length"],
            options["screen_height"],
            options["screen_width"],
        ),
    }


def _described_layers(weights: Mapping[str, Array], n_actions: int) -> Iterator[dict[str, Any]]:
    def part(name: str, inner: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": f"neon.{name}", "config": dict(inner)}

    def states(name: str) -> list[Array]:
        found = (f"{name}.state{i}" for i in range(3))
        return [to_neon(weights[key]) for key in found if key in weights]

    for i, layer in enumerate(LAYERS):
        if layer.startswith("conv"):
            filters, side, stride = CONVOLUTIONS[i]
            name = f"Convolution_{i}"
            row = part("layers.layer.Convolution", {
                "parallelism": "Disabled",
                "name": name,
                "init": part("initializers.initializer.Xavier", {}),
                "strides": stride,
                "fshape": (side, side, filters),
            })  # fmt: skip
        else:
            name = f"Linear_{i - 3}"
            row = part("layers.layer.Linear", {
                "name": name,
                "init": part("initializers.initializer.Xavier", {"local": False}),
                "nout": HIDDEN if layer == "linear" else n_actions,
            })  # fmt: skip
        row |= {"params": {"W": to_neon(weights[f"{layer}.W"])}, "states": states(f"{layer}.W")}
        yield row
        norm = f"{layer}_bnorm"
        if f"{norm}.beta" in weights:
            yield part("layers.layer.BatchNorm", {"name": f"{name}_bnorm"}) | {
                "params": {n: to_neon(weights[f"{norm}.{n}"]) for n in _BATCH_NORM},
                "states": [states(f"{norm}.beta"), states(f"{norm}.gamma")],
            }
        if layer != "output":
            rectlin = part("transforms.activation.Rectlin", {"name": f"Rectlin_{i}"})
            yield part("layers.layer.Activation", {"name": f"{name}_Rectlin", "transform": rectlin})
