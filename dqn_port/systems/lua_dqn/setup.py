"""Build a run from its parts as the original's setup does; only this module looks parts up.

Lua: initenv.lua, setup. The order of draws is Lua's: one number when torch is set up, those of the
framework (none), then the network's weights.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch

from dqn_port.arguments.values import name_of_folder
from dqn_port.errors import ArgsError, MemoryNeedError, RegistryError, SnapshotError
from dqn_port.external import place_of, raised_at
from dqn_port.memory import check_memory
from dqn_port.options import Param
from dqn_port.randoms.torch import Generator
from dqn_port.systems.lua_dqn import parts as registry
from dqn_port.systems.lua_dqn.checks import (
    check_history,
    check_learning_start,
    check_numbers,
)
from dqn_port.systems.lua_dqn.devices import pick_device, set_up_torch
from dqn_port.systems.lua_dqn.drafts import (
    Draft,
    finish,
    read_lua_words,
    read_set,
    refuse_imports,
    warned,
)
from dqn_port.systems.lua_dqn.old_arguments import read_old_arguments, read_options_file
from dqn_port.systems.lua_dqn.options import Options, lua_truth
from dqn_port.systems.lua_dqn.slots import (
    Agent,
    EnvironmentArgs,
    GameEnvironment,
    Network,
    NetworkArgs,
)
from dqn_port.systems.lua_dqn.snapshot import (
    SavedNetwork,
    Snapshot,
    is_snapshot,
    load_network,
    load_snapshot,
    network_in,
)

_REPLAY: Final = "TransitionTable"
"""The replay of an agent without an attribute REPLAY."""

_READ_HERE: Final = frozenset(
    "preproc network best hist_len ncols input_dims state_dim replay_memory learn_start "  # noqa: SIM905
    "minibatch_size valid_size".split()
)
"""Parameters that are read here, so that every agent must declare them."""

_BARE_PARAMETERS_NETWORK: Final = "convnet_atari3"
"""The network of a NAME.params.t7 if agent_params.network does not name one."""

_SHOWN_INPUT: Final = 84


class Setup(NamedTuple):
    """The result of the original's setup: environment, actions, agent, options."""

    env: GameEnvironment
    actions: Sequence[int]
    agent: Agent
    opt: Options


def declared_params(values: Mapping[str, Any]) -> dict[str, tuple[Param, ...]]:
    """Return the keys that each table option may hold, as declared by its parts.

    ``values``: the options by path, not yet checked. A value that is not a name declares nothing;
    ``finish`` refuses it later.

    Raises:
        RegistryError: no part has that name, so that its keys are unknown.
    """

    def params(slot: str, name: Any, attribute: str) -> tuple[Param, ...]:
        if not isinstance(name, str) or not name or (slot == "network" and names_snapshot(name)):
            return ()
        return getattr(registry.find(slot, name), attribute, ())

    framework = values.get("framework") or "alewrap"
    name = values.get("agent") or "NeuralQLearner"
    agent = params("agent", name, "PARAMS")
    missing = _READ_HERE - {param.name for param in agent}
    if missing and isinstance(name, str):
        raise RegistryError(
            f"agent: expected PARAMS with {', '.join(sorted(missing))}, got '{name}' without; "
            "docs/systems.md says more"
        )
    replay = getattr(registry.find("agent", name), "REPLAY", _REPLAY) if agent else _REPLAY
    network = values.get("network") or values.get("agent_params.network")
    others = [
        *params("preproc", values.get("agent_params.preproc"), "PARAMS"),
        *params("network", network, "PARAMS"),
        *params("replay", replay, "PARAMS"),
    ]
    names = {param.name for param in agent}
    return {
        "env_params": params("framework", framework, "ENV_PARAMS"),
        "pool_frms": params("framework", framework, "POOL_PARAMS"),
        "agent_params": agent + tuple(p for p in others if p.name not in names),
    }


def _replay_of(opt: Options) -> Any:
    """Return the class of the agent's replay."""
    agent = registry.find("agent", opt.agent)
    return registry.find("replay", getattr(agent, "REPLAY", _REPLAY))


def finish_draft(draft: Draft) -> Options:
    """Return the options of a draft after checking every key and value.

    Raises:
        ArgsError, RegistryError: see drafts.refuse_imports, declared_params, drafts.finish.
    """
    refuse_imports(draft)
    return finish(draft, declared_params(draft.values))


def names_snapshot(name: str) -> bool:
    """Tell whether ``name`` is that of a saved network; names of parts take precedence."""
    return name not in registry.PARTS["network"] and is_snapshot(name)


def network_name(opt: Options) -> str:
    """Return the name of the network: option network, or else agent_params.network."""
    return opt.network or opt.agent_params.get("network", "")


def resolve(opt: Options) -> Options:
    """Check the options as a whole and return them with the computed defaults filled in.

    Options that are already resolved are returned unchanged.

    Raises:
        UsageError: a part is missing or unknown, or the options contradict each other.
        RomError: the game's ROM cannot be used.
    """
    if opt.game is not None:
        return opt
    framework = registry.find("framework", _required(opt.framework, "framework", "alewrap"))
    agent = registry.find("agent", _required(opt.agent, "agent", "NeuralQLearner"))
    params = opt.agent_params
    preproc = registry.find(
        "preproc",
        _required(params.get("preproc", ""), "agent_params.preproc", "net_downsample_2x_full_y"),
    )
    name = _required(network_name(opt), "agent_params.network", "convnet_atari3")
    if not names_snapshot(name):
        registry.find("network", name)
    _required(opt.env, "env", "pong")
    game = framework.check(opt.env, opt.game_path, opt.env_params)
    if "useRGB" in opt.env_params and not opt.env_params["useRGB"]:
        raise ArgsError("env_params.useRGB: expected true, got false; set it to true")
    name_of_folder(opt.name)

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
    # In one order, whether given or derived.
    order = [param.name for param in agent.PARAMS]
    resolved = dict(sorted(resolved.items(), key=lambda item: [*order, item[0]].index(item[0])))
    opt = dataclasses.replace(opt, agent_params=resolved)
    check_numbers(opt)
    check_learning_start(opt)
    each = _replay_of(opt).bytes_per_transition(opt.agent_params)
    check_memory("agent_params.replay_memory", replay_size(opt)[0], "transitions", each=each)
    # Not by dataclasses.replace, whose result is checked again.
    object.__setattr__(opt, "game", game)
    return opt


def replay_size(opt: Options) -> tuple[int, int]:
    """Return how many transitions the replay will hold, and their bytes."""
    entries = min(opt.agent_params["replay_memory"], opt.steps)
    return entries, entries * _replay_of(opt).bytes_per_transition(opt.agent_params)


def _required(value: str, key: str, example: str) -> str:
    if not value:
        raise ArgsError(
            f"{key}: expected a name such as {example}, got nothing; "
            f"give it in an argument file (--args) or with --set {key}={example}"
        )
    return value


def game_record(opt: Options) -> dict[str, str]:
    """Return what a run records about its game: the md5 of an Atari game's ROM.

    Raises:
        DqnPortError: see resolve.
    """
    return resolve(opt).game or {}


def build_network(
    opt: Options, n_actions: int, generator: Generator, saved: SavedNetwork | None = None
) -> Network:
    """Return the network that the options name: built and drawn, or loaded without a draw.

    ``saved``: the network, if it was already read.

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
    if saved is None and not names_snapshot(name):
        return _built(name, args, generator)
    saved = saved or load_network(Path(name), best=lua_truth(params.get("best")))
    try:
        network = _loaded(saved, args, opt)
        with torch.no_grad():
            values = network.forward(torch.zeros(1, math.prod(args.input_dims)))
    except (RuntimeError, ValueError) as error:
        raise SnapshotError(
            f"{saved.where}: expected a network for states of {list(args.input_dims)}, got {error}"
        ) from error
    if values.shape != (1, n_actions):
        raise SnapshotError(
            f"{saved.where}: expected a network of {n_actions} actions for {opt.env}, "
            f"got {'x'.join(map(str, values.shape[1:]))}"
        )
    return network


def _loaded(saved: SavedNetwork, args: NetworkArgs, opt: Options) -> Network:
    """Return the network of a file: its modules, or its parameters in the network named."""
    if saved.module is not None:
        kind = saved.module.class_name
        if kind not in registry.PARTS["saved network"]:
            # A file must not name a module:object: it would be imported and called.
            known = " or ".join(registry.PARTS["saved network"])
            raise SnapshotError(f"{saved.where}: expected a network of class {known}, got {kind!r}")
        network: Network = registry.find("saved network", kind)(saved.module, saved.where)
        return network
    name = opt.agent_params.get("network", "")
    name = _BARE_PARAMETERS_NETWORK if not name or names_snapshot(name) else name
    # Not the run's generator: loading a network must not draw from it.
    network = _built(name, args, Generator(1))
    found = saved.parameters_of(network, f"{name} with {args.n_actions} actions")
    with torch.no_grad():
        network.w.copy_(torch.from_numpy(found))
    return network


def _built(name: str, args: NetworkArgs, generator: Generator) -> Network:
    build = registry.find("network", name)
    try:
        network: Network = build(args, generator)
    except TypeError as error:
        said = raised_at(error) or f"{place_of(name)}: {error}"
        raise RegistryError(
            f"network: '{name}' cannot be built from (NetworkArgs, Generator): {said}"
        ) from error
    return network


def setup(
    opt: Options, *, device: torch.device | None = None, saved: SavedNetwork | None = None
) -> Setup:
    """Return (env, actions, agent, opt) ready to play. Lua: initenv.lua, setup.

    ``device``: by default that of pick_device. ``saved``: see build_network.

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
    network = build_network(opt, len(env.actions), generator, saved)
    try:
        transitions = _replay_of(opt).from_params(params, generator)
    except (MemoryError, ValueError, OverflowError) as error:
        raise MemoryNeedError(
            "agent_params: replay_memory, bufferSize, hist_len and histSpacing ask for more "
            "memory than the machine has; set smaller ones"
        ) from error
    check_history(opt, transitions.recent_mem_size)
    agent_class = registry.find("agent", opt.agent)
    agent = agent_class(
        {p.name: None for p in agent_class.PARAMS} | params,
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

    ``draft``: filled if given, with sources and warnings. An error carries the warnings as notes.

    Raises:
        ArgsError: see old_arguments.read_options_file, drafts.read_set, drafts.finish.
        LuaExit: the original would stop at the Lua words.
        UsageError, RomError, MemoryNeedError: see resolve.
    """
    draft = Draft() if draft is None else draft
    with warned(draft):
        return resolve(collect(draft, args_file, lua_words, assignments))


def collect(
    draft: Draft, args_file: Path | None, words: Sequence[str], assignments: Sequence[str]
) -> Options:
    """Fill ``draft`` from a file, Lua words and assignments; return its options, not yet resolved.

    Raises:
        ArgsError, LuaExit: see load_options.
    """
    if args_file is not None:
        read_options_file(draft, args_file)
    read_lua_words(draft, words)
    read_set(draft, assignments)
    return finish_draft(draft)


def options_of_snapshot(snapshot: Snapshot, assignments: Sequence[str] = ()) -> Options:
    """Return the options of the run that saved ``snapshot``, with ``assignments`` on top.

    Raises:
        SnapshotError: they are not valid options.
    """
    draft = Draft()
    with warned(draft):
        try:
            read_old_arguments(draft, snapshot.table, str(snapshot.path), keep_paths=True)
            read_set(draft, assignments)
            return resolve(finish_draft(draft))
        except ArgsError as error:
            raise SnapshotError(str(error)) from error


def setup_to_play(
    path: Path,
    *,
    args_file: Path | None = None,
    best: bool = False,
    seed: int = 1,
    assignments: Sequence[str] = (),
    draft: Draft | None = None,
) -> tuple[Setup, SavedNetwork]:
    """Return what is needed to play with a saved network, and the network.

    ``args_file``: options to use in place of the snapshot's; needed if the file holds a network
    alone. The replay memory is minimal, as nothing is stored while testing. ``draft``, if given,
    collects the warnings about ``args_file``.

    Raises:
        T7Error, SnapshotError: the file cannot be read or does not fit the options.
        ArgsError: see load_options.
    """
    changes = [
        f"network={path.absolute()}",
        f"agent_params.best={'true' if best else 'false'}",
        f"seed={seed}",
        "steps=1",
        "agent_params.learn_start=1",
        "agent_params.replay_memory=1",
        "save_freq=1",
    ]
    if args_file is None:
        snapshot = load_snapshot(path)
        saved = network_in(snapshot.table, path, best=best)
        opt = options_of_snapshot(snapshot, [*changes, *assignments])
    else:
        saved = load_network(path, best=best)
        changes += assignments
        opt = load_options(args_file=args_file, assignments=changes, draft=draft)
    return setup(opt, saved=saved), saved
