"""labml's annotated DQN as a system of the workshop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import torch

from dqn_port.arguments.declared import Declared
from dqn_port.errors import MemoryNeedError, SnapshotError
from dqn_port.events import Event
from dqn_port.games.ale.roms import rom_of_id
from dqn_port.games.picture_games import open_game
from dqn_port.games.toy import GAMES
from dqn_port.interfaces import Column, Facts, Files, Param, SavedNetwork, Table
from dqn_port.systems.labml_dqn.experiment import UPDATES, Tracked, Trainer
from dqn_port.systems.labml_dqn.model import empty_model
from dqn_port.systems.labml_dqn.no_frameskip import NoFrameskip
from dqn_port.systems.labml_dqn.options import ALL_ACTIONS, OPTIONS, check_options
from dqn_port.systems.labml_dqn.picture import SIZE
from dqn_port.systems.labml_dqn.player import Player

_LINE: int = 1000
"""Updates after which the screen begins a new line."""
_ATARI_MEMORY: int = 12_000_000
"""Bytes of an emulator, measured."""


def _int(name: str, meaning: str, unit: str = "") -> Column:
    return Column(name=name, meaning=meaning, dtype="int64", unit=unit)


def _mean(name: str, meaning: str, unit: str = "") -> Column:
    return Column(name=name, meaning=meaning, unit=unit, may_be_empty=True)


class LabmlDqn(Declared):
    """Prioritised, double, dueling, eight games at once."""

    NAME = "labml_dqn"
    OPTIONS: ClassVar[tuple[Param, ...]] = OPTIONS
    HISTORY: ClassVar[tuple[Table, ...]] = (
        Table(
            clock="update",
            score="reward",
            score_means="whole games with eval_epsilon, of eval_frames at most, apart from those "
            "of the training",
            columns=(
                _int("update", "updates that were done", "updates"),
                _int("frames", "emulator frames of training", "frames"),
                Column(name="reward", meaning="mean raw return of the games", unit="points"),
                _int("games", "games that were played"),
                Column(name="lowest", meaning="smallest return", unit="points"),
                Column(name="highest", meaning="largest return", unit="points"),
                _int("steps", "agent steps of the games", "agent steps"),
                Column(name="epsilon", meaning="ε of the training"),
                _int("best", "1: no evaluation before came to more"),
                Column(name="training_seconds", meaning="of training since the last evaluation",
                       unit="s", measured=True),
                Column(name="evaluation_seconds", meaning="of this evaluation", unit="s",
                       measured=True),
            ),
        ),
        Table(
            name=UPDATES,
            clock="update",
            columns=(
                _int("update", "its number, from 0", "updates"),
                _int("frames", "emulator frames of training", "frames"),
                Column(name="exploration", meaning="ε"),
                Column(name="beta", meaning="β"),
                _mean("reward", "raw, of the last 100 episodes; empty where none ended", "points"),
                _mean("length", "of the last 100 episodes; empty where none ended", "agent steps"),
                _mean("q_sampled_action", "value of the actions taken; empty without training"),
                _mean("q_update", "target of these values"),
                _mean("td_error", "value minus target"),
                _mean("loss", "mean of the minibatches"),
            ),
        ),
    )  # fmt: skip

    def check(self, options: dict[str, Any]) -> dict[str, Any]:
        """Check options as a whole, and take a gym's id for the game it stands for.

        Raises:
            ArgsError, RomError, UnknownGameError: they cannot be run.
        """
        if options["game"] not in GAMES:
            options["game"] = rom_of_id(options["game"]) or options["game"]
        check_options(options)
        self._open(options)
        return options

    def _open(self, options: Mapping[str, Any]) -> NoFrameskip:
        n_actions = options["n_actions"]
        return NoFrameskip(
            open_game(options["game"], game_path=options["game_path"]),
            n_actions=0 if n_actions == ALL_ACTIONS else n_actions,
        )

    def facts(self, options: dict[str, Any]) -> Facts:
        """Return what the workshop has to know."""
        emulator, capacity = self._open(options).emulator, options["capacity"]
        md5 = getattr(emulator, "rom_md5", None)
        n_workers = options["n_workers"]
        # A frame, its action, reward, end and age; four leaves and nodes of the trees.
        memory = (capacity + 4 * n_workers) * SIZE * SIZE + capacity * (10 + 4 * 8)
        return Facts(
            arguments={"system": self.NAME} | options,
            name=options["name"],
            game=options["game"],
            seed=options["seed"],
            length=options["updates"],
            unit="updates",
            memory=memory + (n_workers + 1) * (_ATARI_MEMORY if md5 else 0),
            threads=options["threads"],
            about_game={} if md5 is None else {"rom_md5": md5},
        )

    def training(
        self,
        options: dict[str, Any],
        files: Files,
        *,
        device: str = "cpu",
        start: SavedNetwork | None = None,
        parts: Mapping[str, Any] | None = None,
    ) -> Trainer:
        """Set up a training at its beginning; of ``parts`` storage is taken.

        Raises:
            MemoryNeedError: the replay buffer does not fit.
            SnapshotError: the network to start from does not fit.
        """
        opened = [self._open(options)]
        try:
            return Trainer(
                options,
                open_environment=lambda: opened.pop() if opened else self._open(options),
                n_actions=len(opened[0].actions),
                device=torch.device(device),
                start=start,
                storage=(parts or {}).get("storage"),
            )
        except MemoryError as error:
            raise MemoryNeedError(
                f"capacity: {options['capacity']} transitions take more memory than there is; "
                "set a smaller one"
            ) from error

    def player(
        self,
        options: dict[str, Any],
        network: SavedNetwork,
        *,
        seed: int,
        epsilon: float | None = None,
        max_frames: int | None = None,
    ) -> Player:
        """Set up a player of whole games; None: as evaluations are played.

        Raises:
            SnapshotError: the network does not fit.
        """
        env = self._open(options)
        model = empty_model(len(env.actions), dueling=options["dueling"])
        model.put_weights(network.weights, str(network.path), SnapshotError)
        return Player(
            env,
            model,
            game=options["game"],
            n_actions=len(env.actions),
            seed=seed,
            epsilon=options["eval_epsilon"] if epsilon is None else epsilon,
            max_frames=options["eval_frames"] if max_frames is None else max_frames,
        )

    def lines(self, event: Event, options: dict[str, Any]) -> Iterator[str]:
        """Yield what stays on the screen: the line of every 1000th update, without its times."""
        if isinstance(event, Tracked) and event.step % _LINE == 0:
            yield f"{event.step - 1:8,}: {event.printed}"


SYSTEM = LabmlDqn()
