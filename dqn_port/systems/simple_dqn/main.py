"""The whole program: phases of steps, which can be interrupted at every step.

simple_dqn: main.py, and the loops of agent.py.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

from dqn_port.errors import CheckpointError
from dqn_port.events import EpisodeEnded, Event, Row, Saved, Ticked
from dqn_port.fields import Fields
from dqn_port.interfaces import Array, Files, Ring
from dqn_port.randoms.python2 import Python2Random
from dqn_port.saved_networks import SUFFIX, save_networks
from dqn_port.systems.simple_dqn.agent import Agent, Stepped
from dqn_port.systems.simple_dqn.deepqnetwork import DeepQNetwork
from dqn_port.systems.simple_dqn.environment import Environment
from dqn_port.systems.simple_dqn.neon_files import write_prm
from dqn_port.systems.simple_dqn.options import NAME
from dqn_port.systems.simple_dqn.replay_memory import ReplayMemory
from dqn_port.systems.simple_dqn.statistics import FIELDS, Statistics, csv_line


class Phase(NamedTuple):
    """A sequence of steps that ends with a row."""

    name: str
    """random | train | test | play"""
    epoch: int
    """0-based."""
    steps: int | None
    """None: as many as the games take."""

    @property
    def row_epoch(self) -> int:
        """The epoch as the CSV has it: 1-based, 0 for random and play."""
        return self.epoch + 1 if self.name in ("train", "test") else 0


def phases_of(options: Mapping[str, Any]) -> Iterator[Phase]:
    """Yield the phases of a run in order; one of no steps is left out."""
    if options["play_games"]:
        yield Phase("play", 0, None)
        return
    if options["random_steps"]:
        yield Phase("random", 0, options["random_steps"])
    for epoch in range(options["start_epoch"], options["epochs"]):
        for name in ("train", "test"):
            if options[f"{name}_steps"]:
                yield Phase(name, epoch, options[f"{name}_steps"])


class Training:
    """A run of main.py, one agent step per tick."""

    def __init__(
        self,
        options: Mapping[str, Any],
        files: Files,
        *,
        environment: Environment,
        memory: ReplayMemory,
        network: DeepQNetwork,
        random: Python2Random,
    ) -> None:
        self.options, self._files = options, files
        self.env, self.mem, self.net, self.random = environment, memory, network, random
        self.stats = Statistics(network, memory)
        self.agent = Agent(environment, memory, network, self.stats, options, random)
        self.phases = list(phases_of(options))
        self.step = 0
        """Agent steps of all phases."""
        self.at = 0
        """Which phase it is in."""
        self.i = 0
        """Steps of the phase that are done."""
        self.games_left: int = options["play_games"]
        files.append(self._csv_name(), csv_line(FIELDS))

    @property
    def done(self) -> bool:
        """Whether every phase is at its end."""
        return self.at >= len(self.phases)

    def tick(self) -> list[Event]:
        """Do one agent step, and begin a phase before it or end one after it if due.

        Raises:
            DivergedError: a number of the network is no longer finite.
        """
        phase, frames = self.phases[self.at], self.env.frames
        if self.i == 0:
            self._begin(phase)
        before = self.stats.game_rewards
        stepped = self._step(phase)
        self.i += 1
        self.step += 1
        ends = self.games_left == 0 if phase.steps is None else self.i == phase.steps
        total = "" if phase.steps is None else f"/{phase.steps}"
        epoch = f"epoch {phase.row_epoch}, " if phase.row_epoch else ""
        events: list[Event] = [
            Ticked(
                self.step,
                phase=phase.name,
                text=f"{epoch}{phase.name} step {self.i}{total}",
                frames=self.env.frames - frames,
                all_frames=self.env.frames,
                epsilon=self.stats.last_exploration_rate,
            )
        ]
        if stepped.ended and phase.name in ("random", "train"):
            events.append(EpisodeEnded(self.step, float(before + stepped.reward), stepped.ended))
        if ends:
            events += self._end(phase)
        return events

    def _begin(self, phase: Phase) -> None:
        self.stats.reset()
        self._start_game(phase)

    def _start_game(self, phase: Phase) -> None:
        self.env.set_mode("train" if phase.name in ("random", "train") else "test")
        if phase.name == "random":
            self.env.restart()
        elif phase.name in ("test", "play"):
            self.agent.restart_random()
        # Quirk: training continues with the game and the state buffer as the test left them, and
        # nothing marks that in the replay memory (tests/systems/simple_dqn/test_quirks.py).

    def _step(self, phase: Phase) -> Stepped:
        if phase.name == "random":
            return self.agent.play_random_step()
        if phase.name == "train":
            return self.agent.train_step(self.i, phase.epoch)
        if phase.name == "test":
            return self.agent.test_step()
        stepped = self.agent.play_step()
        self.games_left -= stepped.terminal
        return stepped

    def _end(self, phase: Phase) -> list[Event]:
        """Write the row, and the network after a training phase."""
        row = self.stats.write(phase.row_epoch, phase.name, self.agent.total_train_steps)
        self._files.append(self._csv_name(), csv_line(row))
        cells = {"step": self.step} | self.stats.cells(row)
        events: list[Event] = [Row(self.step, cells)]
        prefix = PurePath(self.options["save_weights_prefix"]).name
        if phase.name == "train" and prefix:
            name = f"{prefix}_{phase.epoch + 1}"
            write = functools.partial(write_prm, net=self.net, options=self.options)
            events.append(Saved(self.step, self._files.write(f"{name}.prm", write)))
            ours = self._files.path(f"{name}{SUFFIX}")
            arguments = {"system": NAME} | dict(self.options)
            save_networks(ours, self.networks(), system=NAME, arguments=arguments, step=self.step)
            events.append(Saved(self.step, ours))
        self.at, self.i = self.at + 1, 0
        return events

    def _csv_name(self) -> str:
        return PurePath(self.options["csv_file"]).name or "statistics.csv"

    def left(self) -> dict[str, int] | None:
        """Return how many steps of every phase are left; None while games are played."""
        left: dict[str, int] = {}
        for phase in self.phases[self.at :]:
            if phase.steps is None:
                return None
            left[phase.name] = left.get(phase.name, 0) + phase.steps
        if left:
            left[self.phases[self.at].name] -= self.i
        return left

    def state_dict(self, *, full: bool = True) -> dict[str, Any]:
        """Return everything needed to resume exactly, except the rings."""
        state = {
            "step": self.step,
            "phase": self.at,
            "i": self.i,
            "games_left": self.games_left,
            "agent": self.agent.state_dict(),
            "statistics": self.stats.state_dict(full=full),
            "network": self.net.state_dict(),
        }
        if full:
            state |= {
                "random": self.random.state_dict(),
                "environment": self.env.state_dict(),
                "memory": self.mem.state_dict(),
                "buffer": self.agent.buf.state_dict(),
            }
        return state

    def load_state_dict(self, state: Mapping[str, Any], *, full: bool = True) -> None:
        """Resume from a ``state_dict``; the rings are filled already.

        Raises:
            CheckpointError: it is not the state of such a training.
        """
        fields = Fields(state, "state", before="")
        at = fields.integer("phase", low=0, high=len(self.phases))
        steps = self.phases[at].steps if at < len(self.phases) else 0
        i = fields.integer("i", low=0, **({} if steps is None else {"high": max(steps - 1, 0)}))
        step = fields.integer("step", low=i)
        games_left = fields.integer("games_left", low=0, high=self.options["play_games"])
        if at < len(self.phases) and steps is None and games_left == 0:
            raise CheckpointError("games_left: expected at least one in a play phase, got 0")
        if full:
            self.random.load_state_dict(fields.raw("random"))
            self.mem.load_state_dict(fields.raw("memory"))
            self.agent.buf.load_state_dict(fields.raw("buffer"))
            self.env.load_state_dict(fields.raw("environment"))
        self.agent.load_state_dict(fields.raw("agent"))
        self.net.load_state_dict(fields.raw("network"))
        self.stats.load_state_dict(fields.raw("statistics"), full=full)
        self.at, self.i, self.step, self.games_left = at, i, step, games_left
        if i and not full:
            # The game that was played is lost.
            self.stats.game_rewards = 0
            self._start_game(self.phases[at])

    def rings(self) -> dict[str, Ring]:
        """Return the replay memory's entries."""
        return {"memory": Ring(arrays=self.mem.rings, added=self.mem.added, held=self.mem.count)}

    def networks(self) -> dict[str, dict[str, Array]]:
        """Return the network; the original keeps no best one."""
        return {"last": self.net.weights()}

    def about(self) -> dict[str, Any]:
        """Return the CPU seconds of the run."""
        return {"cpu_seconds": round(self.stats.state_dict(full=False)["total_time"], 3)}
