"""The options of a training: their declarations, and the values in effect.

Order: defaults < argument file < Lua words < --set and the flags. Names are those of the Lua
program, to the letter. Lua: train_agent.lua's options, initenv.lua's str_to_table.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from dqn_port.options import Param
from dqn_port.torch7.table_writer import format_table


def param(name: str, kind: str, default: Any, meaning: str, **more: Any) -> Param:
    """Declare an option, or a key of a table option."""
    return Param(name=name, kind=kind, default=default, meaning=meaning, **more)


OPTIONS: Final = (
    param("framework", "string", "", "module that provides the games (alewrap)"),
    param("env", "string", "", "game: the name of its ROM without .bin",
          role="game"),
    param("game_path", "string", "", "folder with the ROMs; empty: ale-py's",
            changes="nothing"),
    param("env_params", "table", {}, "parameters of the framework"),
    param("pool_frms", "table", {}, "how frames are pooled: type and size"),
    param("actrep", "integer", 1, "times an action is repeated", unit="frames", low=1),
    param("random_starts", "integer", 0, "most null actions at an episode's start; 0: none",
            unit="frames", low=0),
    param("name", "string", "", "name of the run's folder and files",
            default_is="the argument file's, and env if given elsewhere", changes="nothing",
            role="name"),
    param("network", "string", "", "saved network to start from, instead of agent_params'",
            role="start"),
    param("agent", "string", "", "agent (NeuralQLearner)"),
    param("agent_params", "table", {}, "parameters of the agent, its preproc, network, replay"),
    param("seed", "integer", 1, "seed of all random numbers", role="seed"),
    param("saveNetworkParams", "boolean", False, "also save the flat parameters"),
    param("prog_freq", "integer", 5000, "steps between reports", unit="agent steps", low=1,
            changes="nothing"),
    param("save_freq", "integer", 50_000, "steps between saves", unit="agent steps", low=1,
            changes="nothing"),
    param("eval_freq", "integer", 10_000, "steps between evaluations", unit="agent steps", low=1),
    param("save_versions", "integer", 0, "0: overwrite one file; v: write NAME_floor(step/v)",
            unit="agent steps", low=0),
    param("steps", "integer", 100_000, "steps to train", unit="agent steps", low=1,
            changes="length", role="length"),
    param("eval_steps", "integer", 100_000, "steps per evaluation", unit="agent steps", low=1),
    param("verbose", "integer", 2, "1 or less: do not describe the run or the layers' norms",
            low=0, changes="nothing"),
    param("threads", "integer", 1, "CPU threads", unit="threads", low=1, high=1024,
            changes="nothing", role="threads"),
    param("gpu", "integer", -1, "-1: CPU; 0: the first CUDA device, or GPU_ID's; n: the n-th",
            low=-1, changes="nothing", role="device"),
)  # fmt: skip
"""Every option in the order of train_agent's help."""

TABLES: Final = ("env_params", "pool_frms", "agent_params")

KNOWN_AND_IGNORED: Final = frozenset(
    {"tensorType", "agent_params.gpu", "agent_params.verbose", "agent_params.transition_params"}
)
"""Keys of old arguments that never had an effect, or that the program sets itself."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options in effect; every attribute is an option of OPTIONS."""

    framework: str
    env: str
    game_path: str
    env_params: dict[str, Any]
    pool_frms: dict[str, Any]
    actrep: int
    random_starts: int
    name: str
    network: str
    agent: str
    agent_params: dict[str, Any]
    seed: int
    saveNetworkParams: bool  # noqa: N815
    prog_freq: int
    save_freq: int
    eval_freq: int
    save_versions: int
    steps: int
    eval_steps: int
    verbose: int
    threads: int
    gpu: int
    ignored: dict[str, Any] = field(default_factory=dict)
    """Keys from old arguments that nothing reads, by path."""
    game: dict[str, str] | None = field(default=None, init=False, compare=False)
    """What a run records about its game, set by setup.resolve; None before, and after
    dataclasses.replace."""

    def to_json(self) -> dict[str, Any]:
        """Return the content of args.json; as an argument file it gives the same options."""
        table = dataclasses.asdict(self)
        del table["game"]
        if not table["ignored"]:
            del table["ignored"]
        return table


def flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested options by path: seed, agent_params.lr."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        path = f"{prefix}{key}"
        found |= flat(value, f"{path}.") if isinstance(value, dict) else {path: value}
    return found


def lua_truth(value: Any) -> bool:
    """Tell whether ``value`` is true in Lua: anything but nil and false, also 0."""
    return value is not None and value is not False


def shown_value(value: Any) -> str:
    """Return a value as Lua would write it: tables as constructors."""
    if isinstance(value, dict | list):
        return "{" + format_table(_lua_arrays(value)) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _lua_arrays(value: Any) -> Any:
    """Return a value with every list as Lua's table of 1..n."""
    if isinstance(value, list):
        return {i: _lua_arrays(entry) for i, entry in enumerate(value, start=1)}
    if isinstance(value, dict):
        return {key: _lua_arrays(entry) for key, entry in value.items()}
    return value
