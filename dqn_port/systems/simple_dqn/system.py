"""simple_dqn as a system of the workshop."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from dqn_port.arguments.declared import Declared
from dqn_port.arguments.flat_options import FlatDraft
from dqn_port.devices import use_threads
from dqn_port.errors import ArgsError, DeviceError
from dqn_port.events import Event, Row
from dqn_port.fields import number
from dqn_port.games.ale.roms import check_rom, expected_md5s, rom_of_id, title_of
from dqn_port.games.picture_games import open_game
from dqn_port.games.toy import GAMES
from dqn_port.interfaces import Array, Exported, Facts, Files
from dqn_port.options import Param, Words
from dqn_port.randoms.python2 import Python2Random
from dqn_port.records import RunRecord, Table
from dqn_port.saved_networks import SavedNetwork
from dqn_port.systems.simple_dqn.deepqnetwork import DeepQNetwork
from dqn_port.systems.simple_dqn.emulator import ArcadeEmulator
from dqn_port.systems.simple_dqn.environment import ALEEnvironment, Environment, GymEnvironment
from dqn_port.systems.simple_dqn.filters import filters_of_game
from dqn_port.systems.simple_dqn.layers import as_sequential, from_sequential, screens_fit
from dqn_port.systems.simple_dqn.main import Training
from dqn_port.systems.simple_dqn.memory import check_size, memory_needed
from dqn_port.systems.simple_dqn.neon_files import SUFFIXES, name_of, read_neon
from dqn_port.systems.simple_dqn.options import (
    HISTORY,
    NAME,
    ORIGINAL,
    OURS,
    PLOTS,
    STATISTICS,
)
from dqn_port.systems.simple_dqn.player import Player
from dqn_port.systems.simple_dqn.recording import Recorder
from dqn_port.systems.simple_dqn.replay_memory import ReplayMemory
from dqn_port.systems.simple_dqn.words import read_words


class SimpleDqn(Declared):
    """The program."""

    NAME: ClassVar[str] = NAME
    CITED: ClassVar[str] = "simple_dqn: Tambet Matiisen's DQN in Python 2 on Neon (2015–2017)."
    OPTIONS: ClassVar[tuple[Param, ...]] = (*ORIGINAL, *OURS)
    HISTORY: ClassVar[tuple[Table, ...]] = (HISTORY,)
    OLD_TABLES: ClassVar[tuple[Table, ...]] = (STATISTICS,)
    PLOTS: ClassVar[tuple[str, ...]] = PLOTS

    def words(self, words: Sequence[str]) -> Words:
        """Read the words of main.py, or of a script and its name.

        Raises:
            UsageError: see words.read_words.
        """
        return read_words(words)

    def remarks(self, given: Mapping[str, Any], options: Mapping[str, Any]) -> Iterator[str]:
        """Yield what acts otherwise here than the options say."""
        return _remarks(given, options)

    def check(self, options: dict[str, Any]) -> dict[str, Any]:
        """Check options as a whole; fill in the seed, the game and the device.

        Raises:
            ArgsError, RomError, DeviceError, MemoryNeedError: they cannot be run.
        """
        # Quirk: the original takes seed 0 for none (tests/systems/simple_dqn/test_system.py).
        drawn = options["random_seed"] or int.from_bytes(os.urandom(4), "little")
        options["random_seed"] = drawn % 2**31 or 1
        options["game"], options["game_path"] = _game(options)
        options["device"] = _device(options)
        if not screens_fit(options["screen_height"], options["screen_width"]):
            size = f"{options['screen_width']} x {options['screen_height']}"
            raise ArgsError(
                f"screen_width, screen_height: expected at least 36 x 36, which the convolutions "
                f"need, got {size}"
            )
        for low, high in (("min_reward", "max_reward"), ("history_length", "random_starts")):
            if options[low] > options[high]:
                raise ArgsError(
                    f"{high}: expected at least {low} ({options[low]}), got {options[high]}"
                )
        if options["batch_size"] >= options["replay_size"] and not options["play_games"]:
            raise ArgsError(
                f"batch_size: expected below replay_size ({options['replay_size']}), got "
                f"{options['batch_size']}: with fewer screens nothing is ever learnt"
            )
        if options["datatype"] == "float16" or options["stochastic_round"]:
            name = "datatype" if options["datatype"] == "float16" else "stochastic_round"
            raise ArgsError(
                f"{name}: expected float32 or float64 without stochastic_round, got "
                f"{options[name]!r}: only Neon's GPU kernels had it"
            )
        if not self._phases(options):
            raise ArgsError(
                f"epochs: expected above start_epoch ({options['start_epoch']}) and steps to do, "
                f"got {options['epochs']} and none"
            )
        check_size(options)
        return options

    @staticmethod
    def _phases(options: Mapping[str, Any]) -> bool:
        epochs = options["epochs"] > options["start_epoch"]
        steps = options["train_steps"] or options["test_steps"]
        return bool(options["play_games"] or options["random_steps"] or (epochs and steps))

    def facts(self, options: Mapping[str, Any]) -> Facts:
        """Return what the workshop must know."""
        epochs = max(options["epochs"] - options["start_epoch"], 0)
        length = options["random_steps"] + epochs * (options["train_steps"] + options["test_steps"])
        longer = max(2 * options["epochs"], options["start_epoch"] + 1)
        return self.facts_of(
            options,
            game=options["game"],
            length=None if options["play_games"] else length,
            longer="" if options["play_games"] else f"epochs={longer}",
            memory=memory_needed(options),
            about_game=_about_game(options),
            soon=_soon(options),
        )

    def environment(self, options: Mapping[str, Any], *, sound: bool = False) -> Environment:
        """Open the game.

        Raises:
            UsageError, RomError: see games.ale.roms.check_rom, GymEnvironment.
        """
        size = {name: options[name] for name in ("screen_width", "screen_height")}
        if options["environment"] == "gym":
            return GymEnvironment(options["game"], seed=options["random_seed"], **size)
        if options["game"] in GAMES:
            return ALEEnvironment(
                open_game(options["game"]), frame_skip=options["frame_skip"], **size
            )
        emulator = ArcadeEmulator(
            options["game"],
            options["game_path"],
            seed=options["random_seed"],
            repeat_action_probability=options["repeat_action_probability"],
            color_averaging=options["color_averaging"],
            minimal_action_set=options["minimal_action_set"],
            sound=sound,
        )
        sticky = options["repeat_action_probability"] > 0
        return ALEEnvironment(emulator, frame_skip=options["frame_skip"], sticky=sticky, **size)

    def training(
        self,
        options: Mapping[str, Any],
        files: Files,
        *,
        device: str = "cpu",
        start: SavedNetwork | None = None,
        parts: Mapping[str, Any] | None = None,
    ) -> Training:
        """Set up a new training; ``parts`` may hold an ``environment``.

        Raises:
            UsageError, RomError, ReplayError: the game or the memory is not available.
            ArgsError: a file would take the place of one of the run's own.
            SnapshotError: the network to start from does not fit.
        """
        _check_names(options)
        use_threads(options["threads"])
        random = Python2Random(options["random_seed"])
        screens, sound = options["record_screen_path"], options["record_sound_filename"]
        environment = (parts or {}).get("environment") or self.environment(
            options, sound=bool(sound)
        )
        if (screens or sound) and isinstance(environment, ALEEnvironment):
            Recorder(environment, screens=screens, sound=sound)
        memory = ReplayMemory(
            options["replay_size"],
            screen_height=options["screen_height"],
            screen_width=options["screen_width"],
            history_length=options["history_length"],
            batch_size=options["batch_size"],
            random=random,
        )
        network = DeepQNetwork(options, environment.num_actions, device=torch.device(device))
        training = Training(
            options, files, environment=environment, memory=memory, network=network, random=random
        )
        if start is None and options["load_weights"]:
            start = self.load_network(Path(options["load_weights"]), best=options["best"])
        if start is not None:
            network.load_weights(start.weights)
        return training

    def player(
        self,
        options: Mapping[str, Any],
        network: SavedNetwork,
        *,
        seed: int,
        epsilon: float | None = None,
        max_frames: int | None = None,
    ) -> Player:
        """Set up a player; None: ε is exploration_rate_test, and only the game ends a game.

        Raises:
            UsageError, RomError: see environment.
            SnapshotError: the network does not fit.
        """
        use_threads(options["threads"])
        options = dict(options) | {"random_seed": seed}
        environment = self.environment(options)
        net = DeepQNetwork(options, environment.num_actions)
        net.load_weights(network.weights)
        rate = options["exploration_rate_test"] if epsilon is None else epsilon
        return Player(
            options,
            environment,
            net,
            epsilon=rate,
            max_frames=max_frames or 0,
            seed=seed,
            which=network.which,
            about_game=_about_game(options),
        )

    def frames_of(
        self, arguments: Mapping[str, Any], history: Mapping[str, Any]
    ) -> NDArray[np.float64] | None:
        """Return the emulator frames of training at every row, without tests; None if not known."""
        skip = number(arguments.get("frame_skip"))
        each = 1.0 if arguments.get("environment") == "gym" else skip
        steps = np.where(history["phase"] == "test", 0, history["steps"])
        return None if each is None else np.cumsum(steps) * each

    def filters_page(self, path: Path, **how: Any) -> tuple[str, str]:
        """Return a page about what a network's filters respond to, and a line about it.

        ``how``: see open_player, whose player plays the game.

        Raises:
            UsageError, RomError, SnapshotError: see open_player.
        """
        player = self.open_player(path, **how)
        assert isinstance(player, Player)
        return filters_of_game(player, path.name)

    # Networks in Neon's own files.

    def load_network(self, path: Path, *, best: bool = False) -> SavedNetwork:
        """Read one of our networks, or one of the original's; nothing in it is run.

        Raises:
            SnapshotError: it cannot be read, is damaged, or is something else.
        """
        return read_neon(path) if path.suffix in SUFFIXES else super().load_network(path, best=best)

    def put_told(self, draft: FlatDraft, path: Path) -> None:
        """Set the options that a saved network tells, and the epoch in the name of an original's.

        Raises:
            SnapshotError: see load_network.
        """
        super().put_told(draft, path)
        if path.suffix in SUFFIXES and (epoch := name_of(path).epoch) is not None:
            draft.put({"start_epoch": epoch}, str(path))

    def networks_in(self, path: Path) -> list[str]:
        """Return which networks a file holds; the original's files hold one.

        Raises:
            SnapshotError: see load_network.
        """
        if path.suffix not in SUFFIXES:
            return super().networks_in(path)
        return [read_neon(path).which]

    def check_networks(self, path: Path, record: RunRecord | None) -> str:
        """Return what a file of networks holds.

        Raises:
            SnapshotError: it is damaged.
            ValueError: it holds NaN or infinity, or is of another game.
        """
        if path.suffix not in SUFFIXES:
            return super().check_networks(path, record)
        return f"{len(read_neon(path).weights)} arrays, finite"

    def export(self, path: Path, *, best: bool = False) -> Exported:
        """Return a network's weights for PyTorch.

        Raises:
            SnapshotError: see load_network.
        """
        saved = self.load_network(path, best=best)
        state, recipe = as_sequential(saved.weights)
        return Exported(saved.which, state, (recipe,))

    def from_export(self, state: Mapping[str, Array]) -> Mapping[str, Array]:
        """Return the weights by Neon's names, from the Sequential's."""
        return from_sequential(state)

    def lines(self, event: Event, options: Mapping[str, Any]) -> Iterator[str]:
        """Yield what the original logs at the end of a phase."""
        if not isinstance(event, Row) or options["log_level"] not in ("DEBUG", "INFO"):
            return
        cells = event.cells
        low, high = cells["min_game_reward"], cells["max_game_reward"]
        low, high = 2**63 - 1 if low is None else low, -(2**63) if high is None else high
        yield (
            f"  num_games: {cells['nr_games']}, average_reward: {cells['average_reward']:f}, "
            f"min_game_reward: {int(low)}, max_game_reward: {int(high)}"
        )
        yield (
            f"  last_exploration_rate: {cells['last_exploration_rate']:f}, "
            f"epoch_time: {int(cells['epoch_time'])}s, "
            f"steps_per_second: {int(cells['steps_per_second'])}"
        )


def _soon(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the assignments of Facts.soon: an epoch of short phases."""
    filled = options["batch_size"] + options["history_length"]
    steps = {"random_steps": max(300, filled), "train_steps": max(240, filled), "test_steps": 240}
    return (
        *(f"{name}={min(options[name], most)}" for name, most in steps.items()),
        f"epochs={min(options['epochs'], options['start_epoch'] + 1)}",
        "exploration_decay_steps=1",
        "record_screen_path=",
        "record_sound_filename=",
    )


def _about_game(options: Mapping[str, Any]) -> dict[str, str]:
    """Return what a run records of its game."""
    if options["game"] not in expected_md5s():
        return {}
    return {"rom_md5": check_rom(options["game"], options["game_path"])[1]}


def _game(options: Mapping[str, Any]) -> tuple[str, str]:
    """Return the game's name, and the folder of its ROM.

    Raises:
        RomError, UsageError: there is no such game, or its file is a different one.
    """
    game, folder = options["game"], options["game_path"]
    if options["environment"] == "gym":
        if game in expected_md5s():
            game = f"ALE/{title_of(game)}-v5"
        return game, ""
    if game.endswith(".bin"):
        if Path(game).expanduser().is_file():
            folder = str(Path(game).parent)
        game = PurePath(game).stem
    if game in GAMES:
        if options["repeat_action_probability"]:
            raise ArgsError(
                f"repeat_action_probability: expected 0 in {game}, not an Atari game, got "
                f"{options['repeat_action_probability']}"
            )
        return game, ""
    if game not in expected_md5s():
        game = rom_of_id(game) or game
    check_rom(game, folder, option="game")
    return game, folder


def _check_names(options: Mapping[str, Any]) -> None:
    """Refuse files by the names of those that every run's folder has.

    Raises:
        ArgsError: csv_file or save_weights_prefix would write such a file.
    """
    name, own = re.escape(options["name"]), "files that every run's folder has"
    csv_file, prefix = (PurePath(options[key]).name for key in ("csv_file", "save_weights_prefix"))
    taken = rf"(args|run)\.json|history.*\.csv|checkpoint|tensorboard|\..*|{name}\.safetensors"
    if re.fullmatch(taken, csv_file):
        raise ArgsError(f"csv_file: expected a name that is none of the {own}, got '{csv_file}'")
    if prefix and re.fullmatch(rf"{re.escape(prefix)}_\d+", options["name"]):
        raise ArgsError(
            f"save_weights_prefix: expected names that are none of the {own}, got '{prefix}' in a "
            f"run named '{options['name']}'; give one of them another name"
        )


def _device(options: Mapping[str, Any]) -> str:
    """Return the device that device, or backend and device_id, name.

    Raises:
        DeviceError: that GPU does not exist, but others do.
    """
    if options["device"] is not None:
        return str(options["device"])
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if options["backend"] == "cpu" or count == 0:
        return "cpu"
    if options["device_id"] >= count:
        raise DeviceError(
            f"device_id: expected 0 to {count - 1}, the GPUs of this machine, got "
            f"{options['device_id']}"
        )
    return f"cuda:{options['device_id']}"


def _remarks(given: Mapping[str, Any], options: Mapping[str, Any]) -> Iterator[str]:
    """Yield what acts otherwise here than the options say."""
    if given.get("device") is None and options["backend"] == "gpu" and options["device"] == "cpu":
        yield "backend gpu: this machine has no CUDA device, so this runs on the CPU"
    if options["display_screen"]:
        yield "display_screen: nothing is shown here; dqn-port play shows a game"
    if options["environment"] == "gym" and (
        options["record_screen_path"] or options["record_sound_filename"]
    ):
        yield "record_screen_path, record_sound_filename: only environment ale is recorded"
    elif options["record_sound_filename"] and options["game"] in GAMES:
        yield f"record_sound_filename: {options['game']} has no sound, so nothing is written"
    if options["start_epoch"] and options["start_epoch"] >= options["epochs"]:
        yield (
            f"epochs: {options['epochs']} is not above start_epoch ({options['start_epoch']}), so "
            "nothing is learnt"
        )
    if given.get("game") is None:
        yield f"game: none is named, so {options['game']} is taken"
    game = str(given.get("game", ""))
    if game.endswith(".bin") and not options["game_path"] and options["game"] not in GAMES:
        yield f"game: no file {game}; ale-py's ROM of {options['game']} is taken"


SYSTEM = SimpleDqn()
