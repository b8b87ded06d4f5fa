"""The system: its options, its facts for the workshop, its players and trainings."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.arguments.declared import Declared
from dqn_port.arguments.flat_options import FlatDraft
from dqn_port.devices import use_threads
from dqn_port.errors import ArgsError, SnapshotError
from dqn_port.events import Event, Started, Stopped
from dqn_port.files import reading
from dqn_port.games.ale.roms import check_rom
from dqn_port.games.toy import GAMES
from dqn_port.interfaces import Exported, Facts, Files
from dqn_port.memory import check_memory
from dqn_port.options import Param, Words
from dqn_port.records import Table
from dqn_port.saved_networks import SavedNetwork
from dqn_port.systems.hvass16.environment import game_of
from dqn_port.systems.hvass16.lines import lines_of, statistics
from dqn_port.systems.hvass16.logs import LogReward, read_log
from dqn_port.systems.hvass16.neural_network import OUTPUT, SLOT
from dqn_port.systems.hvass16.options import (
    EVALUATION,
    OPTIONS,
    Q_VALUES,
    REWARD,
    positive_integers,
)
from dqn_port.systems.hvass16.player import Player
from dqn_port.systems.hvass16.setup import Options, count_in, layers_of, state_shape
from dqn_port.systems.hvass16.training import Training
from dqn_port.systems.hvass16.words import read_words

_LISTS: Final = {"frame_skip": 30, "filters": 8, "strides": 8, "dense": 8}
"""Option → how many numbers it may have."""
_MOST_UNPACKED: Final = 1100
"""Times a file's size: zlib packs no more, and no file of weights needs it."""
_ACTIONS: Final = 18
"""The largest number that a game has."""


class Hvass16(Declared):
    """Hvass Labs' TensorFlow tutorial 16; see interfaces.System."""

    NAME: ClassVar[str] = "hvass16"
    CITED: ClassVar[str] = "Magnus Erik Hvass Pedersen's TensorFlow tutorial 16 (2017)."
    AFRESH: ClassVar[str] = "the replay memory is empty"
    OPTIONS: ClassVar[tuple[Param, ...]] = OPTIONS
    HISTORY: ClassVar[tuple[Table, ...]] = (EVALUATION, REWARD, Q_VALUES)

    def words(self, words: Sequence[str]) -> Words:
        """Read the words of the original's command line; see words.read_words."""
        return read_words(words)

    def _gather(
        self,
        draft: FlatDraft,
        args_file: Path | None,
        words: Sequence[str],
        assignments: Sequence[str],
    ) -> None:
        """Add to a draft; the words' episodes come after those of the network to start from."""
        super()._gather(draft, args_file, words, assignments)
        start = draft.values.get("network")
        if draft.sources.get("episodes") == "words" and start and isinstance(start, str):
            saved = self.load_network(Path(start), best=draft.values.get("best") is True)
            draft.values["episodes"] += count_in(saved, "count_episodes")

    def asked_again(self, draft: FlatDraft, words: Sequence[str], folder: Path) -> dict[str, Any]:
        """Add the words' episodes, which come after those of the run in the folder."""
        taken = super().asked_again(draft, words, folder)
        log = folder / LogReward.NAME
        if not words or draft.sources.get("episodes", "words") != "words" or not log.is_file():
            return taken
        more = self.words(words).options.get("episodes")
        if more is not None and log.stat().st_size:
            more += int(read_log(log, LogReward.COLUMNS)["episodes"][-1])
        return taken | {"episodes": more}

    def check(self, options: dict[str, Any]) -> dict[str, Any]:
        """Check options as a whole.

        Raises:
            ArgsError: a list is none, or the game cannot be sticky.
            RomError, UnknownGameError: the game's ROM is not there.
            MemoryNeedError: the memory does not fit into the machine.
        """
        for name, most in _LISTS.items():
            value = options[name]
            if not positive_integers(value) or len(value) > most:
                raise ArgsError(
                    f"{name}: expected a list of 1 to {most} whole numbers of 1 to {2**20}, "
                    f"got {value!r:.60}"
                )
        if len(options["filters"]) != len(options["strides"]):
            raise ArgsError(
                f"strides: expected as many as filters, {len(options['filters'])}, "
                f"got {len(options['strides'])}"
            )
        game = game_of(options["env"])
        if game.name not in GAMES and ":" not in game.name:
            check_rom(game.name, options["game_path"])
        elif options["sticky"]:
            raise ArgsError(f"sticky: expected 0 for {game.name}, got {options['sticky']}")
        check_memory(
            "replay_size",
            options["replay_size"],
            "states and the network",
            each=_bytes_of_a_state(options),
            beside=_bytes_of_weights(options),
        )
        return options

    def frames_of(
        self, arguments: Mapping[str, Any], history: Mapping[str, Any]
    ) -> NDArray[np.float64] | None:
        """Return the emulator frames of training at every row, on the average of drawn skips.

        None if not known.
        """
        skips: Any = arguments.get("frame_skip")
        return history["states"] * float(np.mean(skips)) if positive_integers(skips) else None

    def facts(self, options: Options) -> Facts:
        """Return what the workshop must know; ``Event.step`` counts states."""
        game, about = game_of(options["env"]), {}
        if game.name not in GAMES and ":" not in game.name:
            about["rom_md5"] = check_rom(game.name, options["game_path"])[1]
        return self.facts_of(
            options,
            game=game.name,
            length=None,
            longer=f"episodes={2 * options['episodes']}" if options["episodes"] else "",
            unit="states",
            memory=_bytes_of(options),
            about_game=about,
            has_pictures=":" not in game.name,
            soon=(
                f"replay_size={min(options['replay_size'], options['batch_size'] + 2)}",
                "replay_fraction_start_value=1",
                *(f"{name}_num_iterations=1" for name in ("epsilon", "loss_limit", "max_epochs")),
                "as_original=false",
            ),
        )

    def training(
        self,
        options: Options,
        files: Files,
        *,
        device: str = "cpu",
        start: SavedNetwork | None = None,
        parts: Mapping[str, Any] | None = None,
    ) -> Training:
        """Set up a new training; ``parts``: environment, network.

        Raises:
            SnapshotError: the network to start from cannot be read, or is of another game.
        """
        if start is None and options["network"]:
            start = self.load_network(Path(options["network"]), best=options["best"])
        return Training(options, files, device=device, start=start, parts=parts)

    def player(
        self,
        options: Options,
        network: SavedNetwork,
        *,
        seed: int,
        epsilon: float | None = None,
        max_frames: int | None = None,
    ) -> Player:
        """Set up a player; ε is epsilon_testing by default."""
        use_threads(options["threads"])
        return Player(options, network, seed=[seed], epsilon=epsilon, max_frames=max_frames)

    def load_network(self, path: Path, *, best: bool = False) -> SavedNetwork:
        """Read a saved network, or an .npz with an old checkpoint's variables by name.

        Raises:
            SnapshotError: it cannot be read, is damaged, or is TensorFlow's own.
        """
        if path.suffix == ".npz":
            return _load_npz(path)
        if ".ckpt" in path.name or path.name.startswith("checkpoint"):
            raise SnapshotError(
                f"{path}: expected NAME.safetensors or an .npz, got TensorFlow's checkpoint; "
                "docs/hvass16.md has the lines that turn it into an .npz"
            )
        return super().load_network(path, best=best)

    def export(self, path: Path, *, best: bool = False) -> Exported:
        """Return a network's weights, without its mean squares and counters."""
        saved = self.load_network(path, best=best)
        options = {param.name: param.default for param in OPTIONS} | dict(saved.arguments)
        weights = {n: w for n, w in saved.weights.items() if "/" in n and not n.endswith(SLOT)}
        actions = len(weights[f"{OUTPUT}/bias"])
        recipe = (
            "from dqn_port.systems.hvass16.neural_network import Layers, NeuralNetwork",
            f"layers = {layers_of(options)!r}",
            f"network = NeuralNetwork({actions}, {state_shape(options)}, layers=layers)",
        )
        return Exported(saved.which, weights, recipe)

    def lines(self, event: Event, options: Options) -> Iterator[str]:
        """Yield what the original prints at an event."""
        if isinstance(event, Started) and options["network"] and not event.resumed:
            agent = event.training.agent
            yield f"Restored checkpoint from: {options['network']}"
            yield (
                f"It goes on after {agent.count_episodes} episodes and {agent.count_states} "
                "states, with an empty memory; the logs beside it are continued."
            )
        if isinstance(event, Started) and event.training.agent.game_lost:
            yield (
                "The environment is not deterministic, so its game begins anew; with state_dict "
                "and load_state_dict it would go on."
            )
        if isinstance(event, Stopped) and (rewards := event.training.agent.episode_rewards):
            yield from statistics(rewards)
        yield from lines_of(event)


def _load_npz(path: Path) -> SavedNetwork:
    with reading(path, SnapshotError):
        size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > _MOST_UNPACKED * (size + 1):
            raise ValueError(f"{unpacked} bytes in {size}")
        with np.load(path, allow_pickle=False) as file:
            weights = {name.removesuffix(":0"): np.asarray(file[name]) for name in file.files}
    except Exception as error:
        # For damaged bytes zipfile, zlib and NumPy raise many kinds of errors.
        raise SnapshotError(f"{path}: expected arrays by name, got a damaged file") from error
    states: Any = weights.get("count_states", np.zeros(()))
    step = int(states) if states.ndim == 0 and states.dtype.kind in "iu" else 0
    return SavedNetwork(path=path, which="last", arguments={}, weights=weights, step=step)


def _bytes_of(options: Options) -> int:
    """Return the bytes that a run will need."""
    return options["replay_size"] * _bytes_of_a_state(options) + _bytes_of_weights(options)


def _bytes_of_a_state(options: Options) -> int:
    """Return the bytes of a row of the memory; see ReplayMemory."""
    return int(np.prod(state_shape(options))) + 8 * (2 * _ACTIONS + 3) + 2


def _bytes_of_weights(options: Options) -> int:
    """Return the bytes of weights, gradients and mean squares."""
    height, width, channels = state_shape(options)
    n, kernel = 0, options["kernel_size"] ** 2
    for out, stride in zip(options["filters"], options["strides"], strict=True):
        height, width = -(-height // stride), -(-width // stride)
        n, channels = n + kernel * channels * out, out
    fan_in = height * width * channels
    for out in (*options["dense"], _ACTIONS):
        n, fan_in = n + fan_in * out, out
    return 3 * 4 * n


SYSTEM: Final = Hvass16()
