"""The snapshot of a run in the original's format: a .t7 that Torch7 loads.

Lua: the torch.save of train_agent.lua.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import SnapshotError
from dqn_port.state_dicts import Weights, is_pytorch, read_weights
from dqn_port.systems.lua_dqn.histories import Histories
from dqn_port.systems.lua_dqn.slots import Agent, Network
from dqn_port.torch7.nn_modules import parameters_of, rows_of
from dqn_port.torch7.t7 import load, save
from dqn_port.torch7.tensors import Tensor
from dqn_port.torch7.values import LuaTable, TorchObject

SUFFIX: Final = ".t7"


def is_snapshot(name: str) -> bool:
    """Tell whether ``name`` names a file, or a run's folder, rather than a part."""
    try:
        return name.endswith(SUFFIX) or os.sep in name or (bool(name) and Path(name).exists())
    except OSError:
        # The name is too long for a file.
        return False


@dataclass(frozen=True)
class Snapshot:
    """The content of a snapshot, this program's or the original's."""

    path: Path
    table: LuaTable

    @property
    def arguments(self) -> LuaTable:
        """The options of the run."""
        arguments: LuaTable = self.table["arguments"]
        return arguments

    @property
    def num_steps(self) -> int | None:
        """Agent steps played so far, if the snapshot has an agent with them."""
        agent = self.table.get("agent")
        steps = agent.get("numSteps") if isinstance(agent, TorchObject) else None
        return int(steps) if isinstance(steps, float) and steps == steps // 1 else None

    def history(self, name: str) -> list[float]:
        """Return one of the histories, such as reward_history; empty if it is missing.

        Raises:
            SnapshotError: it is not a list of numbers.
        """
        history = self.table.get(name, LuaTable())
        is_list = isinstance(history, LuaTable) and history.is_list
        values: list[Any] = history.to_list() if is_list else []
        if not is_list or not all(type(value) is float for value in values):
            raise SnapshotError(f"{self.path}: {name}: expected a list of numbers, got {history!r}")
        return values


def snapshot_table(
    agent: Agent,
    best_network: Network | None,
    histories: Histories,
    *,
    arguments: LuaTable,
    actions: Sequence[int],
) -> LuaTable:
    """Return the content of a snapshot; its tensors share the networks' memory.

    ``actions``: the emulator's numbers of the actions.
    """
    saved = agent.to_lua()
    best = None if best_network is None else best_network.to_lua()
    # Fields that train_agent and its setup add to the agent's own.
    of_setup = {
        "actions": list(actions),
        "best_network": best,
        "gpu": arguments["gpu"],
        "verbose": arguments["verbose"],
        "tensor_type": {},
        "transition_params": {},
    }
    for name, value in of_setup.items():
        saved.fields[name] = value
    # Setup adds option network to the agent's parameters: Lua, initenv.lua.
    if arguments["network"]:
        arguments["agent_params"] |= {"network": arguments["network"]}
    return LuaTable(
        [
            ("agent", saved),
            ("model", saved["network"]),
            ("best_model", best),
            *histories.to_table().items(),
            ("arguments", arguments),
        ]
    )


def save_parameters(path: Path, network: Network) -> None:
    """Write a network's flat parameters, in ASCII as the original's saveNetworkParams does.

    Raises:
        RunFolderError: see files.write_whole.
    """
    save(path, {"network": network.w.detach().cpu().numpy()}, ascii=True)


def network_alone(path: Path, *, best: bool = False) -> LuaTable:
    """Return a snapshot of a snapshot's network alone, with its arguments and histories.

    It is an eighth of the size, or less: there is no other network, no gradient, no buffer.

    Raises:
        T7Error, SnapshotError: see load_snapshot.
    """
    table = load_snapshot(path).table
    saved = network_in(table, path, best=best)
    module = saved.module
    assert module is not None
    for layer in module["modules"].to_list():
        for name, value in layer.fields.items():
            if isinstance(value, Tensor) and name not in ("weight", "bias"):
                layer.fields[name] = Tensor(value.class_name)
    for name in ("output", "gradInput"):
        module.fields[name] = Tensor(module[name].class_name)
    lists = [(name, table[name]) for name in Histories().to_table() if name in table]
    best_model = module if saved.which == "best" else None
    networks = [("model", module), ("best_model", best_model)]
    return LuaTable([*networks, *lists, ("arguments", table["arguments"])])


def load_snapshot(path: Path) -> Snapshot:
    """Read a snapshot, this program's or the original's; nothing in it is executed.

    Raises:
        T7Error: the file cannot be read or is damaged.
        SnapshotError: it is not a snapshot.
    """
    table = load(path)
    expected = {"model": TorchObject, "arguments": LuaTable}
    if _is_network_alone(table, path):
        raise SnapshotError(
            f"{path}: holds a network without the arguments of its training, so that it names no "
            "game; evaluate and play take it with --args FILE"
        )
    if not isinstance(table, LuaTable) or not expected.keys() & table.keys():
        raise SnapshotError(f"{path}: expected the snapshot of a training, got {table!r}")
    for name, kind in expected.items():
        if not isinstance(table.get(name), kind):
            raise SnapshotError(
                f"{path}: {name}: expected it in a snapshot, got {table.get(name)!r}"
            )
    if not isinstance(table.get("best_model"), TorchObject | None):
        raise SnapshotError(f"{path}: best_model: expected a network, got {table['best_model']!r}")
    return Snapshot(path, table)


def _is_network_alone(value: Any, path: Path) -> bool:
    """Tell whether a file's value has a network, and no arguments."""
    if isinstance(value, LuaTable) and "arguments" in value:
        return False
    try:
        network_in(value, path)
    except SnapshotError:
        return False
    return True


@dataclass(frozen=True)
class SavedNetwork:
    """A network in a file: its module, or its parameters alone."""

    path: Path
    name: str
    """Its name in the file: model, best_model, agent.network, …; network or weights if alone."""
    module: TorchObject | None = None
    parameters: NDArray[np.float32] | None = None
    """float32 [n], flat, of a NAME.params.t7."""
    weights: Weights | None = None
    """By layer, of a PyTorch file."""

    @property
    def where(self) -> str:
        """Its place, for errors."""
        return f"{self.path}: {self.name}"

    @property
    def which(self) -> str:
        """Which of a training's networks it is: best or last; only, if the file does not tell."""
        if "best_" in self.name:
            return "best"
        return "only" if self.name in ("network", "weights") else "last"

    def parameters_of(self, network: Network, whose: str) -> NDArray[np.float32]:
        """Return the file's parameters, flat, in the order of ``network``, which ``whose`` names.

        Raises:
            SnapshotError: they belong to another network.
        """
        mend = "name the network they are of with --set agent_params.network=…"
        if self.weights is None:
            assert self.parameters is not None
            if network.w.numel() != len(self.parameters):
                raise SnapshotError(
                    f"{self.where}: expected the {network.w.numel()} parameters of {whose}, got "
                    f"{len(self.parameters)}; {mend}"
                )
            return self.parameters
        expected = parameters_of(rows_of(network.to_lua(), whose))
        for name in sorted(expected.keys() | self.weights):
            shapes = [
                table[name].shape if name in table else () for table in (expected, self.weights)
            ]
            wanted, got = ("x".join(map(str, shape)) or "nothing" for shape in shapes)
            if wanted != got:
                raise SnapshotError(
                    f"{self.path}: {name!a:.40}: expected {wanted}, as {whose} has it, got {got}; "
                    f"{mend}"
                )
        return np.concatenate([self.weights[name].reshape(-1) for name in expected])


def load_network(path: Path, *, best: bool = False) -> SavedNetwork:
    """Read the network of a snapshot, of an agent or alone, or its parameters.

    Parameters come from a NAME.params.t7 or a PyTorch file. ``best``: the best network of a
    snapshot or an agent, if it has one.

    Raises:
        T7Error: the file cannot be read or is damaged.
        SnapshotError: it holds no network.
    """
    if is_pytorch(path):
        return SavedNetwork(path, "weights", weights=read_weights(path))
    return network_in(load(path), path, best=best)


def network_in(value: Any, path: Path, *, best: bool = False) -> SavedNetwork:
    """Return the network that a file's value holds; see load_network."""
    if isinstance(value, TorchObject) and value.class_name.startswith("nn."):
        return SavedNetwork(path, "network", value)
    if isinstance(value, LuaTable):
        for name in ("best_model", "model", "network")[0 if best else 1 :]:
            found = value.get(name)
            if isinstance(found, TorchObject):
                return SavedNetwork(path, name, found)
            if isinstance(found, Tensor) and name == "network":
                parameters = _parameters(found, f"{path}: {name}")
                return SavedNetwork(path, name, parameters=parameters)
    agent = value.get("agent") if isinstance(value, LuaTable) else value
    for name in ("best_network", "network")[0 if best else 1 :]:
        found = agent.get(name) if isinstance(agent, TorchObject) else None
        if isinstance(found, TorchObject):
            return SavedNetwork(path, f"agent.{name}", found)
    raise SnapshotError(
        f"{path}: expected a snapshot, an agent, a network or its parameters, got {value!r}"
    )


def _parameters(tensor: Tensor, where: str) -> NDArray[np.float32]:
    held = 0 if tensor.storage is None else len(tensor.storage.array)
    if tensor.kind not in ("Float", "Double") or not 0 < tensor.element_count <= held:
        raise SnapshotError(f"{where}: expected a vector of floats, got {tensor!r}")
    return np.array(tensor.numpy(), dtype=np.float32).reshape(-1)
