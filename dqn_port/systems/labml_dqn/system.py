"""labml's annotated DQN as a system of the workshop."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import torch

from dqn_port.arguments.declared import Declared
from dqn_port.devices import use_threads
from dqn_port.errors import SnapshotError
from dqn_port.events import Event
from dqn_port.games.ale.emulator import AleEmulator
from dqn_port.games.ale.roms import check_rom, rom_of_id
from dqn_port.games.picture_games import Emulator, action_names, open_game
from dqn_port.games.toy import GAMES
from dqn_port.interfaces import Exported, Facts, Files
from dqn_port.memory import check_memory
from dqn_port.options import Differences, Param
from dqn_port.records import Table
from dqn_port.saved_networks import SavedNetwork
from dqn_port.systems.labml_dqn.experiment import Tracked, Trainer
from dqn_port.systems.labml_dqn.histories import HISTORY
from dqn_port.systems.labml_dqn.model import empty_model
from dqn_port.systems.labml_dqn.no_frameskip import NoFrameskip
from dqn_port.systems.labml_dqn.options import ALL_ACTIONS, OPTIONS, SCHEDULES, check_options
from dqn_port.systems.labml_dqn.picture import SIZE
from dqn_port.systems.labml_dqn.player import Player

_LINE: Final = 1000
"""Number of updates after which the screen starts a new line."""
_ATARI_MEMORY: Final = 12_000_000
"""Bytes of an emulator, measured."""


def _about(emulator: Emulator) -> dict[str, str]:
    """Return what is recorded of a game: its ROM's md5, if it has one."""
    return {"rom_md5": emulator.rom_md5} if isinstance(emulator, AleEmulator) else {}


def _soon(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the assignments of Facts.soon: a small buffer, some minibatches, and one game."""
    capacity = min(options["capacity"], max(1024, options["mini_batch_size"]))
    filling = -(-capacity // (options["n_workers"] * options["worker_steps"]))
    updates = min(options["updates"], filling + -(-80 // options["train_epochs"]))
    exploration = {"points": [], "outside": options["exploration"]["outside"]}
    return (
        f"capacity={capacity}",
        f"updates={updates}",
        f"exploration={json.dumps(exploration)}",
        f"eval_updates={updates}",
        "eval_games=1",
    )


class LabmlDqn(Declared):
    """Prioritised, double, dueling, eight games at once."""

    NAME = "labml_dqn"
    CITED: ClassVar[str] = "The annotated PyTorch DQN of labml-nn 0.4.103 (2020–21)."
    OPTIONS: ClassVar[tuple[Param, ...]] = OPTIONS
    HISTORY: ClassVar[tuple[Table, ...]] = HISTORY

    def check(self, options: dict[str, Any]) -> dict[str, Any]:
        """Check options as a whole, and replace a gym id by the game that it stands for.

        Raises:
            ArgsError, RomError, UnknownGameError, MemoryNeedError: they cannot be run.
        """
        if options["game"] not in GAMES:
            options["game"] = rom_of_id(options["game"]) or options["game"]
            check_rom(options["game"], options["game_path"], option="game")
        check_options(options)
        self._open(options)
        each, beside = self._memory(options)
        what = f"transitions of {options['n_workers']} games"
        check_memory("capacity", options["capacity"], what, each=each, beside=beside)
        return options

    def differences(self, there: Mapping[str, Any], here: Mapping[str, Any]) -> Differences:
        """Compare the options of two runs; more updates only lengthen one whose schedules do not
        depend on them.
        """
        found = super().differences(there, here)
        schedules = [there.get(name, default) for name, default in SCHEDULES.items()]
        if "updates" in found.numbers and '"updates' not in json.dumps(schedules):
            found.length["updates"] = found.numbers.pop("updates")
        return found

    def _open(self, options: Mapping[str, Any]) -> NoFrameskip:
        n_actions = options["n_actions"]
        return NoFrameskip(
            open_game(options["game"], game_path=options["game_path"]),
            n_actions=0 if n_actions == ALL_ACTIONS else n_actions,
        )

    def facts(self, options: dict[str, Any]) -> Facts:
        """Return what the workshop must know."""
        emulator = self._open(options).emulator
        each, beside = self._memory(options)
        return self.facts_of(
            options,
            game=options["game"],
            length=options["updates"],
            unit="updates",
            memory=options["capacity"] * each + beside,
            about_game=_about(emulator),
            soon=_soon(options),
        )

    @staticmethod
    def _memory(options: Mapping[str, Any]) -> tuple[int, int]:
        """Return the bytes of a transition, and of everything that does not depend on their
        number."""
        # A frame, its action, reward, end and age; four leaves and nodes of the trees.
        each = SIZE * SIZE + 10 + 4 * 8
        n, emulator = options["n_workers"], 0 if options["game"] in GAMES else _ATARI_MEMORY
        return each, 4 * n * SIZE * SIZE + (n + 1) * emulator

    def training(
        self,
        options: dict[str, Any],
        files: Files,
        *,
        device: str = "cpu",
        start: SavedNetwork | None = None,
        parts: Mapping[str, Any] | None = None,
    ) -> Trainer:
        """Set up a new training; ``parts`` may have a storage.

        Raises:
            SnapshotError: the network to start from does not fit.
        """
        use_threads(options["threads"])
        opened = [self._open(options)]
        return Trainer(
            options,
            open_environment=lambda: opened.pop() if opened else self._open(options),
            n_actions=len(opened[0].actions),
            device=torch.device(device),
            start=start,
            storage=(parts or {}).get("storage"),
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
        """Set up a player of whole games; None: the values of evaluations.

        Raises:
            SnapshotError: the network does not fit.
        """
        use_threads(options["threads"])
        env = self._open(options)
        model = empty_model(len(env.actions), dueling=options["dueling"])
        model.put_weights(network.weights, str(network.path), SnapshotError)
        return Player(
            env,
            model,
            game=options["game"],
            about_game=_about(env.emulator),
            which=network.which,
            n_actions=len(env.actions),
            seed=seed,
            epsilon=options["eval_epsilon"] if epsilon is None else epsilon,
            max_frames=options["eval_frames"] if max_frames is None else max_frames,
            discount=options["gamma"],
            actions=action_names(env.actions),
        )

    def export(self, path: Path, *, best: bool = False) -> Exported:
        """Return a network's weights for PyTorch."""
        saved = self.load_network(path, best=best)
        n_actions = len(saved.weights["action_value.2.bias"])
        recipe = (
            "from dqn_port.systems.labml_dqn.model import Model",
            f"network = Model({n_actions}, dueling={'state_value.0.bias' in saved.weights})",
        )
        return Exported(saved.which, saved.weights, recipe)

    def lines(self, event: Event, options: Mapping[str, Any]) -> Iterator[str]:
        """Yield what stays on the screen: the line of every 1000th update, without its times."""
        if isinstance(event, Tracked) and event.step % _LINE == 0:
            yield f"{event.step - 1:8,}: {event.printed}"


SYSTEM = LabmlDqn()
