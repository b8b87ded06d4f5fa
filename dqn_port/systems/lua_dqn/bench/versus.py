"""Whole loops beside Stable-Baselines3's, in one run and in turns."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dqn_port.bench.figures import Figures, table
from dqn_port.bench.machine import cores_for
from dqn_port.bench.races import spread, take_turns
from dqn_port.bench.workers import Worker
from dqn_port.errors import BenchError
from dqn_port.systems.lua_dqn.bench.loops import NEVER, soon_learning, uninterrupted, with_params
from dqn_port.systems.lua_dqn.bench.peers import SB3, derived
from dqn_port.systems.lua_dqn.bench.worker import start_training
from dqn_port.systems.lua_dqn.options import Options

REPLAY_MEMORY: Final = 100_000
"""Both replays' size: what Stable-Baselines3 can hold on most machines."""

EPSILON: Final = 0.1
"""Both programs' ε while timed: acting at random costs less than acting greedily."""


@dataclass(frozen=True)
class Race:
    """One game on some cores."""

    game: str
    threads: int
    cores: list[int]
    steps: int
    figures: Figures
    """ours, sb3, ratio; and derived_NAME."""
    versions: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "game": self.game,
            "threads": self.threads,
            "cores": self.cores,
            "steps": self.steps,
            "figures": {name: figure.to_json() for name, figure in self.figures.items()},
            "versions": self.versions,
        }


def our_options(opt: Options, *, threads: int, random_steps: int) -> Options:
    """Return ``opt`` as it is measured: on the CPU, 100,000 transitions, ε 0.1."""
    params = opt.agent_params
    opt = with_params(
        dataclasses.replace(opt, gpu=-1),
        replay_memory=min(params["replay_memory"], REPLAY_MEMORY),
        ep_end=EPSILON,
    )
    return uninterrupted(soon_learning(opt, random_steps=random_steps), threads=threads)


def settings_of_sb3(ours: Options, cores: list[int]) -> dict[str, Any]:
    """Return the settings of sb3_worker.py equivalent to our options."""
    params = ours.agent_params
    return {
        "game": "".join(word.capitalize() for word in ours.env.split("_")),
        "cores": cores,
        "threads": ours.threads,
        "learning_starts": params["learn_start"],
        "epsilon": params["ep_end"],
        "buffer_size": params["replay_memory"],
        "batch_size": params["minibatch_size"],
        "train_freq": params["update_freq"],
        "target_update_interval": params.get("target_q", NEVER),
        "seed": ours.seed,
    }


def start_sb3(python: Path, settings: dict[str, Any]) -> Worker:
    """Start Stable-Baselines3 with the python of its environment.

    Raises:
        BenchError: there is none, or it cannot train.
    """
    if not python.exists():
        raise BenchError(
            f"{python}: does not exist; run `make bench` to make the environment of {SB3}, or "
            "--only parts, which needs none"
        )
    # -P: the modules beside the script are not its own.
    script = Path(__file__).with_name("sb3_worker.py")
    return Worker(SB3, [str(python), "-P", str(script)], settings)


def race(
    opt: Options, python: Path, *, threads: int, rounds: int, steps: int, random_steps: int
) -> Race:
    """Train with both, each waiting while the other is timed.

    Raises:
        BenchError: one of them cannot be run.
    """
    cores = cores_for(threads)
    ours = our_options(opt, threads=threads, random_steps=random_steps)
    with ExitStack() as stack:
        sb3 = stack.enter_context(start_sb3(python, settings_of_sb3(ours, cores)))
        workers = {"ours": stack.enter_context(start_training(ours, cores)), "sb3": sb3}
        figures = take_turns(workers, rounds=rounds, steps=steps)
        versions = sb3.about.get("versions", {})
    if opt.env == "pong":
        others = derived(figures["ratio"], threads)
        figures |= {f"derived_{name}": figure for name, figure in others.items()}
    return Race(opt.env, threads, cores, steps, figures, versions)


def table_of_races(races: list[Race]) -> list[str]:
    """Return the table of measured figures, and the one derived from it."""
    rows = [
        (
            f"{one.game}, {one.threads} core{'s' if one.threads > 1 else ''}",
            *(spread(one.figures[name]) for name in ("ours", "sb3", "ratio")),
        )
        for one in races
    ]
    version = next((one.versions.get("stable_baselines3", "") for one in races), "")
    lines = table(("training, steps/s", "dqn-port", f"{SB3} {version}".strip(), "ratio"), rows)
    others = [
        (f"{one.game}, {one.threads} core{'s' if one.threads > 1 else ''}", figure.what,
         spread(figure))
        for one in races
        for name, figure in one.figures.items()
        if name.startswith("derived_")
    ]  # fmt: skip
    if others:
        lines += ["", *table(("derived through that row", "", "ratio"), others, left=2)]
    return lines
