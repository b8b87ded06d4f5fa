"""The state of a whole training: gathered for a checkpoint, and put back to go on from it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

import numpy as np
import torch

from dqn_port.errors import CheckpointError
from dqn_port.fields import Fields
from dqn_port.systems.lua_dqn.arguments_hash import differences
from dqn_port.systems.lua_dqn.evaluation import Episode, EvaluationState
from dqn_port.systems.lua_dqn.histories import HISTORY_COLUMNS, Histories
from dqn_port.systems.lua_dqn.setup import Setup
from dqn_port.systems.lua_dqn.slots import Network
from dqn_port.systems.lua_dqn.train_agent import TrainState

_WHOLE_NUMBERS: Final = frozenset({"reward_counts", "episode_counts", "steps"})


@dataclass(frozen=True)
class Restored:
    """A training as a checkpoint left it."""

    state: TrainState
    history: int | list[dict[str, Any]]
    """Bytes of history.csv that were written; of an older checkpoint its rows."""
    versions: dict[str, Any]
    """Of Python and the packages that wrote the checkpoint."""


def gather(
    ready: Setup,
    state: TrainState,
    *,
    history_bytes: int,
    versions: dict[str, str],
    full: bool,
) -> dict[str, Any]:
    """Return the tree of a checkpoint; its arrays may be the agent's own memory.

    ``full``: with what going on exactly needs; else networks, optimiser, counters and histories
    alone, without replay memory, environment and random numbers.
    """
    agent = ready.agent
    tree: dict[str, Any] = {
        "arguments": json.dumps(ready.opt.to_json()),
        "versions": json.dumps(versions),
        "history_bytes": history_bytes,
        "agent": agent.state_dict(),
        "train": {
            "step": state.step,
            "save_due": state.save_due,
            "interval_seconds": state.interval_seconds,
            "episode_reward": state.episode_reward,
            "histories": asdict(state.histories),
            "evaluation": None if state.evaluation is None else asdict(state.evaluation),
        },
        "best_network": None if state.best_network is None else _vectors(state.best_network),
    }
    if full:
        tree["replay"] = agent.transitions.state_dict()
        tree["generator"] = agent.generator.get_state()
        tree["environment"] = ready.env.state_dict()
    return tree


def _vectors(network: Network) -> dict[str, Any]:
    return {name: getattr(network, name).detach().cpu().numpy() for name in ("w", "dw")}


def put_back(tree: Mapping[str, Any], ready: Setup, *, full: bool) -> Restored:
    """Put a checkpoint's state into a training that was just set up by the same arguments.

    The transitions are put back by checkpoint.Checkpoints.load. Where ``full`` is not, the replay
    memory begins empty, and learning only once it holds as much as at the start of the run.

    Raises:
        CheckpointError: the state is not that of such a training.
    """
    root, agent = Fields(tree, "checkpoint"), ready.agent
    others, _ = differences(_said(root, "arguments", dict), ready.opt.to_json())
    if others:
        raise CheckpointError(
            f"checkpoint.arguments: expected those of this run, got others: {', '.join(others)}"
        )
    train = root.inner("train")
    histories = _histories(train.inner("histories"))
    history = _history(root, len(histories.steps))
    evaluation = _evaluation(train.inner("evaluation")) if train.has("evaluation") else None
    step = train.integer("step", low=0, high=ready.opt.steps)
    save_due = train.boolean("save_due")
    interval_seconds = train.number("interval_seconds")
    episode_reward = train.number("episode_reward")
    versions = _said(root, "versions", dict)
    best = None
    if root.has("best_network"):
        best = _network(root.inner("best_network"), agent.network)
    agent.load_state_dict(root.raw("agent"))
    if agent.num_steps != step:
        raise CheckpointError(
            f"checkpoint.agent.num_steps: expected {step}, the step of the run, got "
            f"{agent.num_steps}"
        )
    if full:
        agent.transitions.load_state_dict(root.raw("replay"))
        ready.env.load_state_dict(root.raw("environment"))
        _set_generator(agent.generator, root.inner("generator"))
    else:
        agent.learn_from = step + max(agent.learn_start, 1)
        evaluation = None if evaluation is None else EvaluationState()
    return Restored(
        TrainState(
            step=step,
            at=ready.env.get_state(),
            histories=histories,
            best_network=best,
            evaluation=evaluation,
            save_due=save_due,
            interval_seconds=interval_seconds,
            episode_reward=episode_reward,
        ),
        history,
        versions,
    )


def _history(root: Fields, n: int) -> int | list[dict[str, Any]]:
    """Return what is kept of history.csv, which has ``n`` rows: see Restored."""
    if root.has("history_bytes"):
        return root.integer("history_bytes", low=0)
    rows: list[dict[str, Any]] = _said(root, "rows", list)
    if len(rows) != n or not all(map(_is_row, rows)):
        raise CheckpointError(f"checkpoint.rows: expected a row for each of {n} evaluations")
    return rows


def _said(root: Fields, name: str, kind: type[Any]) -> Any:
    """Return what a field says in JSON."""
    try:
        value = json.loads(root.text(name))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"checkpoint.{name}: expected JSON, got a mistake") from error
    if not isinstance(value, kind):
        raise CheckpointError(f"checkpoint.{name}: expected a {kind.__name__}, got another value")
    return value


def _is_row(row: Any) -> bool:
    """Tell whether a value is a row of history.csv: finite numbers by column."""
    return (
        isinstance(row, dict)
        and tuple(row) == HISTORY_COLUMNS
        and all(type(value) in (int, float) and math.isfinite(value) for value in row.values())
    )


def _histories(saved: Fields) -> Histories:
    found = {
        field.name: saved.numbers(field.name, int if field.name in _WHOLE_NUMBERS else float)
        for field in fields(Histories)
    }
    n = len(found["steps"])
    for name, values in found.items():
        if len(values) != n + (name == "time_history"):
            raise CheckpointError(
                f"checkpoint.train.histories.{name}: expected an entry for each of {n} "
                f"evaluations, got {len(values)}"
            )
    return Histories(**found)


def _evaluation(saved: Fields) -> EvaluationState:
    episodes = []
    for entry in saved.entries("episodes"):
        episode = Fields(entry, "checkpoint.train.evaluation.episodes")
        episodes.append(
            Episode(
                reward=episode.number("reward"),
                steps=episode.integer("steps", low=0),
                cut=episode.boolean("cut"),
            )
        )
    return EvaluationState(
        steps=saved.integer("steps", low=0),
        n_rewards=saved.integer("n_rewards", low=0),
        episode_reward=saved.number("episode_reward"),
        episode_steps=saved.integer("episode_steps", low=0),
        episodes=episodes,
        seconds=saved.number("seconds"),
    )


def _network(saved: Fields, like: Network) -> Network:
    """Return a network as ``like`` with the saved parameters and gradients."""
    network = like.clone()
    shape = np.empty(like.w.numel(), dtype=np.float32)
    with torch.no_grad():
        for name in ("w", "dw"):
            # A copy is aligned, which a view of the file need not be.
            vector = torch.from_numpy(np.array(saved.array(name, shape)))
            getattr(network, name).copy_(vector)
    return network


def _set_generator(generator: Any, saved: Fields) -> None:
    state = generator.get_state()
    generator.set_state(
        {
            "key": np.array(saved.array("key", state["key"])),
            "pos": saved.integer("pos", low=0, high=624),
            "skip": saved.integer("skip", low=0, high=2**26),
            "second_normal": saved.number("second_normal") if saved.has("second_normal") else None,
            "n_draws": saved.integer("n_draws", low=0),
        }
    )


def check_transitions(ready: Setup, first: int, end: int) -> None:
    """Check that transitions ``first`` to ``end`` are what the memory counts, with known actions.

    Raises:
        CheckpointError: they are not.
    """
    replay, n_actions = ready.agent.transitions, len(ready.env.actions)
    if replay.added != end or replay.added - replay.num_entries < first:
        raise CheckpointError(
            f"replay: expected transitions {replay.added - replay.num_entries} to {replay.added}, "
            f"got {first} to {end}"
        )
    actions = replay.ring.get("a")
    if actions is not None and int(actions.max()) >= n_actions:
        raise CheckpointError(
            f"replay.a: expected actions of 0 to {n_actions - 1}, got {int(actions.max())}"
        )
