"""Wire a run together as the original's setup does: the only place that looks parts up.

Lua: initenv.lua, setup. The order of draws is Lua's: one number when torch is set up, what the
framework draws (nothing), then the network's weights.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch

from dqn_port import registry
from dqn_port.drafts import (
    Draft,
    finish,
    read_args_file,
    read_args_table,
    read_lua_words,
    read_set,
    refuse_imports,
)
from dqn_port.errors import ArgsError, DeviceError, MemoryNeedError, SnapshotError
from dqn_port.interfaces import Agent, EnvironmentArgs, GameEnvironment, Network, NetworkArgs, Param
from dqn_port.options import Options, lua_truth
from dqn_port.snapshot import Snapshot, is_snapshot, load_snapshot
from dqn_port.torch7.generator import Generator

REPLAY: Final = "TransitionTable"
"""The replay of every Lua run: no option names another."""

_BYTES_BESIDE_FRAME: Final = 6
_SHOWN_INPUT: Final = 84
_LONGEST_NAME: Final = 200
"""Bytes; file systems allow 255, and what is written beside a file adds to its name."""


class Setup(NamedTuple):
    """What the original's setup returns: environment, actions, agent, options."""

    env: GameEnvironment
    actions: Sequence[int]
    agent: Agent
    opt: Options


@dataclass(frozen=True)
class Device:
    """Where the network is computed, and what to tell the user about it."""

    device: torch.device
    note: str = ""


def declared_params(values: Mapping[str, Any]) -> dict[str, tuple[Param, ...]]:
    """Return the keys that each table option may hold, as its parts declare them.

    ``values`` holds the options by path, not yet checked: what is no name declares nothing, and
    ``finish`` refuses it.

    Raises:
        RegistryError: no part has that name; its keys cannot be told from mistakes.
    """

    def params(slot: str, name: Any, attribute: str) -> tuple[Param, ...]:
        if not isinstance(name, str) or not name or (slot == "network" and names_snapshot(name)):
            return ()
        return getattr(registry.find(slot, name), attribute, ())

    framework = values.get("framework") or "alewrap"
    agent = params("agent", values.get("agent") or "NeuralQLearner", "PARAMS")
    network = values.get("network") or values.get("agent_params.network")
    others = [
        *params("preproc", values.get("agent_params.preproc"), "PARAMS"),
        *params("network", network, "PARAMS"),
        *params("replay", REPLAY, "PARAMS"),
    ]
    names = {param.name for param in agent}
    return {
        "env_params": params("framework", framework, "ENV_PARAMS"),
        "pool_frms": params("framework", framework, "POOL_PARAMS"),
        "agent_params": agent + tuple(p for p in others if p.name not in names),
    }


def finish_draft(draft: Draft) -> Options:
    """Return the options of a draft, every key and value checked against its declaration.

    Raises:
        ArgsError, RegistryError: see drafts.refuse_imports, declared_params, drafts.finish.
    """
    refuse_imports(draft)
    return finish(draft, declared_params(draft.values))


def names_snapshot(name: str) -> bool:
    """Tell whether ``name`` is a saved network's rather than a part's; parts go before files."""
    return name not in registry.PARTS["network"] and is_snapshot(name)


def network_name(opt: Options) -> str:
    """Return what names the network: the option network, or else agent_params.network."""
    return opt.network or opt.agent_params.get("network", "")


def resolve(opt: Options) -> Options:
    """Check the options as a whole and return them with the computed defaults filled in.

    Raises:
        UsageError: a part is missing or unknown, or the options contradict each other.
        RomError: the game's ROM cannot be used.
    """
    framework = registry.find("framework", _required(opt.framework, "framework", "alewrap"))
    registry.find("agent", _required(opt.agent, "agent", "NeuralQLearner"))
    params = opt.agent_params
    preproc = registry.find(
        "preproc",
        _required(params.get("preproc", ""), "agent_params.preproc", "net_downsample_2x_full_y"),
    )
    name = _required(network_name(opt), "agent_params.network", "convnet_atari3")
    if not names_snapshot(name):
        registry.find("network", name)
    _required(opt.env, "env", "pong")
    framework.check(opt.env, opt.game_path, opt.env_params)
    if "useRGB" in opt.env_params and not opt.env_params["useRGB"]:
        raise ArgsError("env_params.useRGB: expected true, got false; set it to true")
    if "/" in opt.name or "\\" in opt.name or opt.name in (".", "..") or not opt.name.isprintable():
        raise ArgsError(f"name: expected the name of a folder without a path, got {opt.name!r}")
    if len(opt.name.encode()) > _LONGEST_NAME:
        raise ArgsError(
            f"name: expected at most {_LONGEST_NAME} bytes, got {len(opt.name.encode())}"
        )

    state_dim = params.get("state_dim", preproc.state_dim)
    channels = params["hist_len"] * params["ncols"]
    input_dims = params.get("input_dims", [channels, _SHOWN_INPUT, _SHOWN_INPUT])
    given_dims = input_dims
    if isinstance(input_dims, dict):
        by_key = {str(key): value for key, value in input_dims.items()}
        input_dims = [by_key.get(str(i)) for i in range(1, len(by_key) + 1)]
    if not input_dims or not all(type(n) is int and n > 0 for n in input_dims):
        raise ArgsError(
            f"agent_params.input_dims: expected whole numbers above 0, got {given_dims}"
        )
    if state_dim != preproc.state_dim:
        raise ArgsError(
            f"agent_params.state_dim: expected {preproc.state_dim}, what preproc "
            f"{params['preproc']} gives, got {state_dim}"
        )
    if math.prod(input_dims) != params["hist_len"] * state_dim:
        raise ArgsError(
            f"agent_params.input_dims: expected a product of hist_len · state_dim = "
            f"{params['hist_len'] * state_dim}, got {input_dims}"
        )
    resolved = params | {"state_dim": state_dim, "input_dims": list(input_dims)}
    opt = dataclasses.replace(opt, agent_params=resolved)
    _check_numbers(opt)
    _check_learning_start(opt)
    _check_memory(opt)
    return opt


def _required(value: str, key: str, example: str) -> str:
    if not value:
        raise ArgsError(
            f"{key}: expected a name such as {example}, got nothing; "
            f"give it in an argument file (--args) or with --set {key}={example}"
        )
    return value


def _check_numbers(opt: Options) -> None:
    params = opt.agent_params
    low, high = params.get("min_reward"), params.get("max_reward")
    if low is not None and high is not None and low > high:
        raise ArgsError(f"agent_params.min_reward: expected at most max_reward ({high}), got {low}")
    if params["histType"] != "linear" and params["histSpacing"] != 1:
        raise ArgsError(
            f"agent_params.histSpacing: expected 1 with histType {params['histType']}, "
            f"got {params['histSpacing']}"
        )


def _check_learning_start(opt: Options) -> None:
    """Refuse what the original fails on when learning starts."""
    params = opt.agent_params
    learn_start, buffer_size = params["learn_start"], params["bufferSize"]
    for key in ("minibatch_size", "valid_size"):
        if params[key] >= buffer_size:
            raise ArgsError(
                f"agent_params.{key}: expected below bufferSize ({buffer_size}), "
                f"got {params[key]}; lower it or raise bufferSize"
            )
    if opt.steps <= learn_start:
        return
    if learn_start + 1 < buffer_size:
        raise ArgsError(
            f"agent_params.learn_start: expected at least bufferSize − 1 = {buffer_size - 1}, "
            f"got {learn_start}: the sampling buffer is filled from the first transitions; "
            "raise it or lower bufferSize"
        )
    if params["replay_memory"] < buffer_size:
        raise ArgsError(
            f"agent_params.replay_memory: expected at least bufferSize ({buffer_size}), "
            f"got {params['replay_memory']}"
        )
    if (learn_start + 1) % opt.eval_freq == 0:
        raise ArgsError(
            f"eval_freq: expected not to divide learn_start + 1 = {learn_start + 1}, got "
            f"{opt.eval_freq}: that evaluation would come before the validation sample is drawn"
        )


def _check_history(opt: Options, recent_mem_size: int) -> None:
    """Refuse a history of more frames than are held when learning starts."""
    held = min(opt.agent_params["learn_start"] + 1, opt.agent_params["replay_memory"])
    if opt.steps > opt.agent_params["learn_start"] and held < recent_mem_size + 2:
        raise ArgsError(
            f"agent_params.hist_len: expected states of at most {held - 2} steps, "
            f"as learn_start and replay_memory are, got {recent_mem_size} (histType, histSpacing); "
            "lower it or raise learn_start"
        )


def _check_memory(opt: Options) -> None:
    """Refuse a replay that the machine cannot hold once it is filled."""
    entries = min(opt.agent_params["replay_memory"], opt.steps)
    need = entries * (opt.agent_params["state_dim"] + _BYTES_BESIDE_FRAME)
    have = machine_memory()
    if need > have:
        raise MemoryNeedError(
            f"agent_params.replay_memory: {entries} transitions take {need / 1e9:.2f} GB, "
            f"this machine has {have / 1e9:.2f} GB; set a smaller one, "
            f"--set agent_params.replay_memory={int(have * 0.7 / need * entries)}"
        )


def machine_memory() -> int:
    """Return the bytes of memory this process may use: the machine's, or its container's."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            limits.append(int((Path("/sys/fs/cgroup") / name).read_text()))
        except (OSError, ValueError):
            continue
    return min(limits)


def pick_device(opt: Options, *, explicit: bool = False) -> Device:
    """Return the device that option gpu names.

    ``explicit``: the user asked for CUDA by --device, so that its absence is an error.

    Raises:
        DeviceError: a CUDA device was asked for by name and is not there.
    """
    if opt.gpu < 0:
        return Device(torch.device("cpu"))
    index = opt.gpu - 1 if opt.gpu > 0 else _gpu_id()
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if index < count:
        return Device(torch.device("cuda", index))
    there = f"this machine has {count or 'no'} CUDA device{'s' if count > 1 else ''}"
    if explicit:
        raise DeviceError(
            f"--device: expected CUDA device {index}, but {there}; use --device cpu or auto"
        )
    return Device(torch.device("cpu"), f"gpu {opt.gpu}: {there}, so this runs on the CPU")


def _gpu_id() -> int:
    text = os.environ.get("GPU_ID", "0")
    return int(text) if text.isdecimal() else 0


def set_up_torch(opt: Options, device: torch.device) -> Generator:
    """Set the threads and the arithmetic, and return the seeded generator, one number drawn.

    Lua: initenv.lua, torchSetup. The number seeds the GPU's generator there.
    """
    torch.set_num_threads(opt.threads)
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.deterministic = True
    generator = Generator(opt.seed)
    generator.random()
    return generator


def build_network(opt: Options, n_actions: int, generator: Generator) -> Network:
    """Return the network that the options name: built and drawn, or loaded without a draw.

    Raises:
        SnapshotError: the file cannot be read, or its network is for another game or input.
    """
    params, name = opt.agent_params, network_name(opt)
    args = NetworkArgs(
        n_actions=n_actions,
        hist_len=params["hist_len"],
        ncols=params["ncols"],
        input_dims=tuple(params["input_dims"]),
    )
    if not names_snapshot(name):
        network: Network = registry.find("network", name)(args, generator)
        return network
    saved = load_snapshot(Path(name))
    table = saved.network_table(best=lua_truth(params.get("best")))
    if table["class"] not in registry.PARTS["saved network"]:
        # A file may not name a module:object of its own: it would be imported and called.
        raise SnapshotError(
            f"{name}: expected a network of class "
            f"{' or '.join(registry.PARTS['saved network'])}, got {table['class']!r}"
        )
    try:
        network = registry.find("saved network", table["class"])(table["modules"])
        with torch.no_grad():
            values = network.forward(torch.zeros(1, math.prod(args.input_dims)))
    except (RuntimeError, ValueError) as error:
        raise SnapshotError(
            f"{name}: expected a network for states of {list(args.input_dims)}, got {error}"
        ) from error
    if values.shape != (1, n_actions):
        raise SnapshotError(
            f"{name}: expected a network of {n_actions} actions for {opt.env}, "
            f"got {'x'.join(map(str, values.shape[1:]))}"
        )
    return network


def setup(opt: Options, *, device: torch.device | None = None) -> Setup:
    """Return (env, actions, agent, opt) ready to play. Lua: initenv.lua, setup.

    ``device``: what pick_device gives, unless named.

    Raises:
        DqnPortError: see resolve, pick_device, build_network.
    """
    opt = resolve(opt)
    device = device or pick_device(opt).device
    generator = set_up_torch(opt, device)
    env = registry.find("framework", opt.framework).make(
        EnvironmentArgs(
            env=opt.env,
            game_path=opt.game_path,
            env_params=opt.env_params,
            pool_frms=opt.pool_frms,
            actrep=opt.actrep,
            random_starts=opt.random_starts,
            generator=generator,
        )
    )
    params = opt.agent_params
    network = build_network(opt, len(env.actions), generator)
    try:
        transitions = registry.find("replay", REPLAY)(
            state_dim=params["state_dim"],
            hist_len=params["hist_len"],
            max_size=params["replay_memory"],
            generator=generator,
            buffer_size=params["bufferSize"],
            hist_type=params["histType"],
            hist_spacing=params["histSpacing"],
            non_term_prob=params["nonTermProb"],
        )
    except (MemoryError, ValueError, OverflowError) as error:
        raise MemoryNeedError(
            "agent_params: replay_memory, bufferSize, hist_len and histSpacing ask for more "
            "memory than there is; set smaller ones"
        ) from error
    _check_history(opt, transitions.recent_mem_size)
    agent_class = registry.find("agent", opt.agent)
    declared = {p.name: params.get(p.name) for p in agent_class.PARAMS}
    agent = agent_class(
        declared | {"rescale_r": lua_truth(params.get("rescale_r"))},
        n_actions=len(env.actions),
        network=network.to(device),
        preproc=registry.find("preproc", params["preproc"])(),
        transitions=transitions,
        generator=generator,
        device=device,
    )
    return Setup(env, env.actions, agent, opt)


def load_options(
    *,
    args_file: Path | None = None,
    lua_words: Sequence[str] = (),
    assignments: Sequence[str] = (),
    draft: Draft | None = None,
) -> Options:
    """Read options from a file, Lua words and assignments, check them, and fill in the defaults.

    ``draft``, if given, is filled and keeps the sources and warnings.

    Raises:
        ArgsError: see options.read_args_file, read_set, finish.
        LuaExit: Lua words at which the original would stop.
        UsageError, RomError, MemoryNeedError: see resolve.
    """
    draft = Draft() if draft is None else draft
    if args_file is not None:
        read_args_file(draft, args_file)
    read_lua_words(draft, lua_words)
    read_set(draft, assignments)
    return resolve(finish_draft(draft))


def options_of_snapshot(snapshot: Snapshot, assignments: Sequence[str] = ()) -> Options:
    """Return the options of the run that saved ``snapshot``, with ``assignments`` on top.

    Raises:
        SnapshotError: they are not valid options.
    """
    draft = Draft()
    read_args_table(draft, snapshot.arguments, str(snapshot.path))
    try:
        read_set(draft, assignments)
        return resolve(finish_draft(draft))
    except ArgsError as error:
        raise SnapshotError(f"{snapshot.path}: arguments: {error}") from error


def setup_to_play(
    path: Path, *, best: bool = False, seed: int = 1, assignments: Sequence[str] = ()
) -> tuple[Setup, Snapshot]:
    """Return what is needed to play a snapshot's network, and the snapshot.

    The replay memory is as small as it can be: nothing is stored while testing.

    Raises:
        SnapshotError: the file cannot be read or does not fit its own arguments.
    """
    snapshot = load_snapshot(path)
    changes = [
        f"network={path}",
        f"agent_params.best={'true' if best else 'false'}",
        f"seed={seed}",
        "steps=1",
        "agent_params.learn_start=1",
        "agent_params.replay_memory=1",
        "save_freq=1",
    ]
    opt = options_of_snapshot(snapshot, [*changes, *assignments])
    return setup(opt), snapshot
