"""What a run saves of itself, in the original's own format: a .t7 that Torch7 loads.

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
from dqn_port.histories import Histories
from dqn_port.interfaces import Agent, Network
from dqn_port.torch7.t7 import load, save
from dqn_port.torch7.tensors import Tensor
from dqn_port.torch7.values import LuaTable, TorchObject

SUFFIX: Final = ".t7"


def is_snapshot(name: str) -> bool:
    """Tell whether ``name`` is that of a file, or of a run's folder, rather than of a part."""
    try:
        return name.endswith(SUFFIX) or os.sep in name or (bool(name) and Path(name).exists())
    except OSError:
        # Longer than any file's name.
        return False


@dataclass(frozen=True)
class Snapshot:
    """What a snapshot's file holds; also one that the original saved."""

    path: Path
    table: LuaTable

    @property
    def arguments(self) -> LuaTable:
        """The options of the run."""
        arguments: LuaTable = self.table["arguments"]
        return arguments

    @property
    def num_steps(self) -> int | None:
        """Agent steps played so far, if the agent is there and tells."""
        agent = self.table.get("agent")
        steps = agent.get("numSteps") if isinstance(agent, TorchObject) else None
        return int(steps) if isinstance(steps, float) and steps == steps // 1 else None

    def history(self, name: str) -> list[float]:
        """Return one of the histories, such as reward_history; empty if it is not there.

        Raises:
            SnapshotError: it is no list of numbers.
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
    """Return what a snapshot's file holds; its tensors are the networks' own memory.

    ``actions``: the emulator's numbers of them.
    """
    saved = agent.to_lua()
    best = None if best_network is None else best_network.to_lua()
    # What train_agent and its setup put into the agent, beside what the agent knows itself.
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
    # Setup puts the option network into the agent's parameters, too: Lua, initenv.lua.
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


def save_snapshot(path: Path, table: LuaTable) -> None:
    """Write a snapshot whole.

    Raises:
        RunFolderError: see files.write_whole.
    """
    save(path, table)


def save_parameters(path: Path, network: Network) -> None:
    """Write a network's flat parameters, in ASCII as the original's saveNetworkParams does.

    Raises:
        RunFolderError: see files.write_whole.
    """
    save(path, {"network": network.w.detach().cpu().numpy()}, ascii=True)


def load_snapshot(path: Path) -> Snapshot:
    """Read a snapshot of ours or the original's; nothing in it is executed.

    Raises:
        T7Error: the file cannot be read or is damaged.
        SnapshotError: it is something else than a snapshot.
    """
    table = load(path)
    expected = {"model": TorchObject, "arguments": LuaTable}
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


@dataclass(frozen=True)
class SavedNetwork:
    """A network as a file holds it: its module, or its parameters alone."""

    path: Path
    name: str
    """Which of the file's: model, best_model, network."""
    module: TorchObject | None
    parameters: NDArray[np.float32] | None
    """float32 [n], flat, of a NAME.params.t7."""

    @property
    def where(self) -> str:
        """Where it was found, for errors."""
        return f"{self.path}: {self.name}"

    @property
    def which(self) -> str:
        """Which of a training's networks it is: the best or the last."""
        return "best" if self.name == "best_model" else "last"


def load_network(path: Path, *, best: bool = False) -> SavedNetwork:
    """Read the network of a snapshot, of a file that holds one alone, or a NAME.params.t7.

    ``best``: of a snapshot the best network, where it has one.

    Raises:
        T7Error: the file cannot be read or is damaged.
        SnapshotError: there is no network in it.
    """
    return network_in(load(path), path, best=best)


def network_in(value: Any, path: Path, *, best: bool = False) -> SavedNetwork:
    """Return the network that a file's value holds; see load_network."""
    if isinstance(value, TorchObject) and value.class_name.startswith("nn."):
        return SavedNetwork(path, "network", value, None)
    if isinstance(value, LuaTable):
        for name in ("best_model", "model", "network")[0 if best else 1 :]:
            found = value.get(name)
            if isinstance(found, TorchObject):
                return SavedNetwork(path, name, found, None)
            if isinstance(found, Tensor) and name == "network":
                parameters = _parameters(found, f"{path}: {name}")
                return SavedNetwork(path, name, None, parameters)
    raise SnapshotError(f"{path}: expected a snapshot, a network or its parameters, got {value!r}")


def _parameters(tensor: Tensor, where: str) -> NDArray[np.float32]:
    held = 0 if tensor.storage is None else len(tensor.storage.array)
    if tensor.kind not in ("Float", "Double") or not 0 < tensor.element_count <= held:
        raise SnapshotError(f"{where}: expected a vector of floats, got {tensor!r}")
    return np.array(tensor.numpy(), dtype=np.float32).reshape(-1)
