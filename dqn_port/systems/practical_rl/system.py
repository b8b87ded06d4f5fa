"""Practical_RL's homework as a system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

import numpy as np

from dqn_port.arguments.declared import Declared
from dqn_port.devices import use_threads
from dqn_port.errors import CheckpointError, SnapshotError
from dqn_port.events import Event, Row, Started
from dqn_port.fields import Fields
from dqn_port.games.ale.roms import check_rom
from dqn_port.games.gymnasium.making import told
from dqn_port.games.gymnasium.replayed import ReplayedEnv
from dqn_port.games.toy import GAMES
from dqn_port.interfaces import Array, Facts, Files
from dqn_port.memory import check_memory
from dqn_port.options import Param
from dqn_port.records import Table
from dqn_port.saved_networks import SavedNetwork
from dqn_port.systems.practical_rl.dqn_agent import DQNAgent, initialise
from dqn_port.systems.practical_rl.histories import HISTORY, PLOTS
from dqn_port.systems.practical_rl.linear_decay import linear_decay
from dqn_port.systems.practical_rl.main_loop import Training
from dqn_port.systems.practical_rl.make_env import fill_in, raw_game_of, spaces
from dqn_port.systems.practical_rl.options import OPTIONS
from dqn_port.systems.practical_rl.player import Player
from dqn_port.systems.practical_rl.training_state import load_arrays

_MORE_FRAMES: Final = 1.1
"""Frames for each transition kept: resets bring some, too."""


class PracticalRL(Declared):
    """The homework; see docs/practical_rl.md."""

    NAME: ClassVar[str] = "practical_rl"
    CITED: ClassVar[str] = "The DQN homework of Practical_RL, a course, as of May 2020."
    OPTIONS: ClassVar[tuple[Param, ...]] = OPTIONS
    HISTORY: ClassVar[tuple[Table, ...]] = HISTORY
    PLOTS: ClassVar[tuple[str, ...]] = PLOTS

    def check(self, options: dict[str, Any]) -> dict[str, Any]:
        """Fill in the options that depend on the environment.

        Raises:
            UsageError, RomError, MissingLibraryError: see make_env.fill_in.
            MemoryNeedError: the replay does not fit into the machine.
        """
        fill_in(options)
        each = self._bytes_of_a_transition(options)
        check_memory("buffer_size", options["buffer_size"], "transitions", each=each)
        return options

    def facts(self, options: Mapping[str, Any]) -> Facts:
        """Return what the workshop must know."""
        game = raw_game_of(options["environment"])
        about = {}
        if game is not None and game not in GAMES:
            about["rom_md5"] = check_rom(game, options["game_path"])[1]
        return self.facts_of(
            options,
            game=options["environment"],
            length=options["total_steps"],
            unit="updates",
            memory=int(options["buffer_size"] * self._bytes_of_a_transition(options)),
            about_game=about,
            soon=_soon(options),
        )

    def _bytes_of_a_transition(self, options: Mapping[str, Any]) -> float:
        """Return the bytes of a frame, and those of numbers."""
        seen = spaces(options)
        frame = int(np.prod(seen.shape)) // options["n_frames"] * seen.dtype.itemsize
        return _MORE_FRAMES * frame + 24 * options["n_frames"] + 18

    def training(
        self,
        options: Mapping[str, Any],
        files: Files | None = None,
        *,
        device: str = "cpu",
        start: SavedNetwork | None = None,
        parts: Mapping[str, Any] | None = None,
    ) -> Training:
        """Set up a new run; it writes no files of its own.

        ``parts``: ``networks``, an agent and its target network.

        Raises:
            SnapshotError: ``start`` does not fit.
        """
        del files
        use_threads(options["threads"])
        if parts and "networks" in parts:
            agent, target_network = parts["networks"]
        else:
            agent, target_network = self.agent(options), self.agent(options)
            initialise(agent, options["seed"])
            if start is not None:
                _fill(agent, start)
            target_network.load_state_dict(agent.state_dict())
        return Training(options, agent.to(device), target_network.to(device))

    def agent(self, options: Mapping[str, Any]) -> DQNAgent:
        """Return the network of a run, empty."""
        seen = spaces(options)
        return DQNAgent(
            seen.shape,
            len(seen.actions),
            architecture=options["architecture"],
            dueling=options["dueling"],
            of_bytes=seen.dtype == np.uint8,
        )

    def player(
        self,
        options: Mapping[str, Any],
        network: SavedNetwork,
        *,
        seed: int,
        epsilon: float | None = None,
        max_frames: int | None = None,
    ) -> Player:
        """Set up a player; by default it is greedy, and a game has n_lives times t_max steps.

        Raises:
            SnapshotError: the network is not of these options.
        """
        use_threads(options["threads"])
        agent = self.agent(options)
        _fill(agent, network)
        player = Player(
            options,
            agent,
            seed=seed,
            epsilon=0.0 if epsilon is None else epsilon,
            max_frames=max_frames,
        )
        player.which = network.which
        player.about_game = self.facts(options).about_game
        return player

    def epsilon_curve(self, arguments: Mapping[str, Any]) -> tuple[Array, Array] | None:
        """Return (frames, ε in training) from the arguments; hidden frames do not count."""
        names = ("fill_calls", "n_steps", "buffer_size", "frame_skip", "timesteps_per_epoch")
        calls, n_steps, size, skip, played = (arguments[name] for name in names)
        fill = min(calls, -(-size // n_steps)) * n_steps
        steps = np.array([0, 0, arguments["decay_steps"], arguments["total_steps"]])
        steps = np.minimum(steps, arguments["total_steps"])
        frames = skip * (fill + played * steps)
        frames[0] = 0
        values = [
            linear_decay(
                arguments["init_epsilon"], arguments["final_epsilon"], int(step),
                arguments["decay_steps"],
            )
            for step in steps
        ]  # fmt: skip
        return frames, np.array([1.0, *values[1:]])

    def lines(self, event: Event, options: Mapping[str, Any]) -> Iterator[str]:
        """Yield the environment at the start, and what the notebook prints at an evaluation."""
        if isinstance(event, Started):
            limit = options["max_game_frames"] if raw_game_of(options["environment"]) else 0
            env = event.training.record.env
            played = env.env if isinstance(env, ReplayedEnv) else env
            yield told(played, options["environment"], options["frame_skip"], max_frames=limit)
            if not event.resumed:
                n = options["buffer_size"]
                megabytes = n * self._bytes_of_a_transition(options) / 1e6
                yield f"replay memory: {megabytes:,.1f} MB once it holds {n:,} transitions"
            if isinstance(env, ReplayedEnv) and not env.exact:
                yield (
                    "its games cannot be replayed: a checkpoint holds all but the game, which "
                    "starts over"
                )
            if options["clip_rewards"] and options["seed_clips_rewards"] and not options["seed"]:
                yield (
                    "seed 0: training is on unclipped rewards, since the original hands its seed "
                    "to clip_rewards; seed_clips_rewards=false mends that"
                )
        if isinstance(event, Row) and not event.table:
            cells = event.cells
            yield f"buffer size = {cells['buffer_size']}, epsilon = {cells['epsilon']:.5f}"


def _soon(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the assignments of Facts.soon: a short fill, one evaluation, some updates."""
    n_steps = min(options["n_steps"], 300)
    return (
        f"n_steps={n_steps}",
        f"fill_calls={min(options['fill_calls'], -(-300 // n_steps))}",
        "decay_steps=1",
        f"total_steps={min(options['total_steps'], 200)}",
        f"eval_freq={options['total_steps'] + 1}",
        f"t_max={min(options['t_max'], 200)}",
    )


def _fill(agent: DQNAgent, network: SavedNetwork) -> None:
    """Fill a network from a file.

    Raises:
        SnapshotError: it does not fit.
    """
    try:
        load_arrays(agent, Fields(network.weights, "network"))
    except CheckpointError as error:
        raise SnapshotError(f"{network.path}: {error}; name a network of these options") from error


SYSTEM: Final = PracticalRL()
