"""What the workshop and the systems promise each other: System, Training, Player.

A system is one DQN program as it was: its loop, its parts, its options. The workshop (runs,
exports, tools, cli, pipelines) keeps, resumes, shows and compares what any system does, and knows
none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from dqn_port.events import Event
from dqn_port.options import Compared, Converted, Differences, Draft, Param, ShownOptions
from dqn_port.records import RunRecord, Table
from dqn_port.saved_networks import SavedNetwork

if TYPE_CHECKING:
    # Only named here: what needs no network need not wait for PyTorch.
    from dqn_port.devices import Device

Array = NDArray[Any]
Picture = NDArray[np.uint8]
"""uint8 [height, width, 3], RGB; of gray ones uint8 [height, width]."""
Options = Any
"""A system's options, checked and complete; only the system looks inside."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the workshop has to know of a run's options."""

    arguments: dict[str, Any]
    """What args.json holds; as an argument file it gives the same options."""
    name: str
    """Of the run's folder and files."""
    game: str
    seed: int
    length: int | None
    """Where ``Event.step`` ends; None: never."""
    unit: str = "agent steps"
    """What ``Event.step`` counts."""
    memory: int = 0
    """Bytes that the run comes to need, as far as they grow with its options."""
    threads: int = 1
    longer: str = ""
    """The ``key=value`` that makes the run twice as long, where that is not ``length`` doubled."""
    has_pictures: bool = True
    """Whether the game can be shown."""
    gpu: bool = False
    """Whether the network runs on a CUDA device."""
    game_path: str = ""
    """Folder of the ROMs; empty: those of ale-py."""
    about_game: dict[str, str] = field(default_factory=dict)
    """What a run records of its game, such as rom_md5."""
    start: Path | None = None
    """The file of the network that the run starts from."""
    soon: tuple[str, ...] = ()
    """The ``key=value`` by which every phase comes within seconds, with ε at its end, and a tick
    costs what it costs in the run; ``dqn-port estimate`` measures by them."""


@dataclass(frozen=True, kw_only=True)
class Ring:
    """Rows that are kept while newer ones take their places, such as a replay memory.

    Checkpoints write a row once, when it is new, in segments.
    """

    arrays: Mapping[str, Array]
    """Of one length; none changes after its row was written. What changes is part of the state."""
    added: int
    """How many rows were ever written."""
    held: int
    """How many of the last ones are still needed."""
    slots: Callable[[Array], Array] | None = None
    """From rows' numbers, counted from the first ever, to their places; None: modulo the length."""


class Files(Protocol):
    """A run's folder, as a system may write to it."""

    def path(self, name: str) -> Path:
        """Return where a file of that name goes, to be written whole at once.

        Raises:
            LockedError: another process has taken the folder over.
        """

    def append(self, name: str, text: str) -> None:
        """Append to a text file; resuming from a checkpoint cuts it to its length there.

        Every such file is begun, if only with its header, when System.training sets up.
        """

    def write(self, name: str, write: Callable[[BinaryIO], object]) -> Path:
        """Write a file whole, or not at all, and return where it is."""


class Training(Protocol):
    """A training that can be stopped, and resumed exactly, between any two ticks."""

    @property
    def step(self) -> int:
        """The current step, as in ``Event.step``."""

    @property
    def done(self) -> bool:
        """Whether it is at its end."""

    def tick(self) -> list[Event]:
        """Do the smallest piece of work, seconds at most, and return what happened.

        Rows of the tables are events, too.

        Raises:
            DivergedError: a number is no longer finite.
        """

    def left(self) -> dict[str, int] | None:
        """Return how many ticks of every phase (``Ticked.phase``) are left; None: without end."""

    def state_dict(self, *, full: bool = True) -> dict[str, Any]:
        """Return everything needed to resume exactly, except the rings.

        It is a tree of dicts with str keys, lists, None, bool, int below 2^53, float, str, bytes
        and NumPy arrays, which may be the training's own memory. ``full``: see System.training;
        without it networks, optimiser and counters are enough.
        """

    def load_state_dict(self, state: Mapping[str, Any], *, full: bool = True) -> None:
        """Restore what ``state_dict`` returned; the rings are filled already.

        Raises:
            CheckpointError: the state, which a stranger may have written, is not of such a
                training.
        """

    def rings(self) -> dict[str, Ring]:
        """Return the rows that checkpoints store separately, by name."""

    def networks(self) -> dict[str, dict[str, Array]]:
        """Return the networks to keep, last and best: parameter's name → values.

        They are written to NAME.safetensors at the end and with every checkpoint. A system that
        writes its networks itself returns none, and its training has ``save_networks() -> Path``.
        """

    def about(self) -> dict[str, Any]:
        """Return what run.json is to say of it at its end, such as training_seconds."""


class Convolution(NamedTuple):
    """A convolution of a network, and what it made of one state."""

    name: str
    kernels: Array
    """float32 [out, in, height, width]"""
    outputs: Array
    """float32 [out, height, width], after what makes them positive."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One agent step that was played: what was seen, shown, done, valued and earned."""

    number: int
    """Agent steps of the game before it."""
    done: int | None
    """The action's index; None where a random start ended the game."""
    earned: float
    """The game's own reward."""
    ended: Literal["life", "game", "limit"] | None
    """What the step ended; a life only where the agent takes it for an end."""
    learnt: float | None = None
    """The reward as training takes it, clipped for example; None: not told."""
    terminal: bool | None = None
    """Whether training takes it for an end, such as a lost life; None: ``ended`` tells."""
    lives: int | None = None
    """Left after it, in a game that has some."""
    frames: int = 1
    """Emulator frames that it took."""
    shown: Sequence[Picture] = ()
    """Where asked for, and where there are pictures: what was met, every frame where the system can
    tell, and, if the step ends the game, what came last."""
    look: Callable[[], Mapping[str, Array]]
    """See ``seen``."""
    value: Callable[[], Sequence[float]]
    """See ``valued``."""
    convolve: Callable[[], Sequence[Convolution]] = tuple
    """Returns what the network's convolutions make of what was seen, the first one first."""

    @property
    def seen(self) -> Mapping[str, Array]:
        """What the agent chose by: pictures by label, uint8 [height, width], or vectors."""
        return self.look()

    @property
    def valued(self) -> Sequence[float]:
        """The value of every action in what was seen."""
        return self.value()


class Player(Protocol):
    """Plays game after game with a trained network; nothing is learnt."""

    game: str
    which: str
    """Which network plays: last | best | only (the file does not say)."""
    about_game: dict[str, str]
    """See Facts."""
    random_starts: int
    """Null actions at most at an episode's start. What may be absent: ``sticky``, the
    probability with which the emulator repeats the action before; ``discount``, that of a step
    in training; ``actions``, their names by index."""
    frames_per_step: int
    """Emulator frames that an agent step usually takes."""
    epsilon: float
    """Probability of a random action."""
    max_frames: int
    """Emulator frames after which a game ends; 0: only the game ends it."""

    def step(self, action: int | None = None, *, show: bool = False) -> Step:
        """Play one agent step: ``action`` (an index), or else what the agent chooses.

        After a game's end the next step begins another.
        """


class Exported(NamedTuple):
    """A network's weights for PyTorch."""

    which: str
    """last | best | only"""
    state: Mapping[str, Array]
    recipe: tuple[str, ...]
    """Lines of Python that make a module to load them into, ``network``."""


class System(Protocol):
    """One program. arguments/declared.py has what systems of plain options share."""

    NAME: ClassVar[str]
    OPTIONS: ClassVar[tuple[Param, ...]]
    """Of the original, by its names, and ours."""
    HISTORY: ClassVar[tuple[Table, ...]]
    """The first is history.csv."""

    def load(
        self,
        *,
        args_file: Path | None = None,
        words: Sequence[str] = (),
        assignments: Sequence[str] = (),
        draft: Any = None,
    ) -> Options:
        """Put options together, check them as a whole, and fill in the defaults.

        Order: defaults < argument file < the original's words < ``key=value`` assignments.
        ``draft``, a Draft that ``new_draft`` gave, is filled.

        Raises:
            UsageError, RomError, MemoryNeedError: they cannot be run.
        """

    best_assignment: ClassVar[str]
    """The ``key=value`` by which a run starts from the best network of ``Facts.start``."""

    def option_of(self, role: str) -> str:
        """Return the name of the option that has a role; see Param.

        Raises:
            UsageError: none has it.
        """

    def new_draft(self) -> Draft:
        """Return an empty draft for ``load``."""

    def differences(self, there: Mapping[str, Any], here: Mapping[str, Any]) -> Differences:
        """Compare the options of two runs, both as ``Facts.arguments`` has them."""

    def arguments_hash(self, options: Options) -> str:
        """Return ten hexadecimal digits that are equal exactly where the runs are."""

    def show(
        self,
        draft: Any,
        args_file: Path | None,
        words: Sequence[str],
        assignments: Sequence[str],
    ) -> ShownOptions:
        """Return every option as it takes effect, also where they cannot be run.

        Raises:
            UsageError: see load.
        """

    def convert(
        self, old: Path | None, words: str, new: Path, *, shape: str, as_ascii: bool
    ) -> Converted:
        """Turn old arguments into an argument file, or back.

        ``old``: None: ``words`` of a script. ``shape``: of an original's file, where it had some.

        Raises:
            UsageError: they cannot be read, or there never were any.
        """

    def facts(self, options: Options) -> Facts:
        """Return what the workshop has to know."""

    def device_assignments(self, device: str) -> list[str]:
        """Return the assignments that ``--device`` stands for: auto, cpu, cuda or cuda:N.

        Raises:
            ArgsError: it is none of these.
        """

    def device(self, options: Options, *, explicit: bool = False) -> Device:
        """Return where the network is computed.

        ``explicit``: the user asked for CUDA by ``--device``, so that its absence is an error.

        Raises:
            DeviceError: it is not there.
        """

    def start_network(self, options: Options) -> SavedNetwork | None:
        """Return the network of ``Facts.start``; None where training reads it by the options.

        Raises:
            SnapshotError: it cannot be read.
        """

    def training(
        self,
        options: Options,
        files: Files,
        *,
        device: str = "cpu",
        start: SavedNetwork | None = None,
        parts: Mapping[str, Any] | None = None,
    ) -> Training:
        """Set up a training at its beginning.

        ``device``: cpu or cuda:N. ``start``: the network to start from. ``parts``: what to take in
        place of the system's own, by name, as traces do.
        """

    def open_player(
        self,
        path: Path,
        *,
        args_file: Path | None = None,
        best: bool = False,
        seed: int = 1,
        epsilon: float | None = None,
        max_frames: int | None = None,
        random_start: bool = True,
        assignments: Sequence[str] = (),
        draft: Any = None,
    ) -> Player:
        """Set up a player of a saved network.

        ``args_file``: whose options to play by, rather than the file's own. ``epsilon``,
        ``max_frames``: None: as the system's own evaluations are played. ``random_start``: whether
        the first game has one, where the original's games have.

        Raises:
            SnapshotError, T7Error: the file cannot be read or does not fit the options.
            UsageError: see load.
        """

    def lines(self, event: Event, options: Options) -> Iterator[str]:
        """Yield what the original prints at an event, without line ends."""

    def epsilon_curve(self, arguments: Mapping[str, Any]) -> tuple[Array, Array] | None:
        """Return (frames, ε in training) as the arguments plan it; None if unknown."""

    def compared(self, arguments: Mapping[str, Any], *, told: bool = False) -> Compared:
        """Compare a run's options with the original's.

        ``told``: only those that ``arguments`` name.
        """

    SUFFIX: ClassVar[str]
    """Of its networks' files."""

    def networks_in(self, path: Path) -> list[str]:
        """Return which networks a file holds: last, or last and best.

        Raises:
            SnapshotError, T7Error: it cannot be read, is damaged, or something else.
        """

    def check_networks(self, path: Path, record: RunRecord | None) -> str:
        """Return what a file of a run holds, once all of it was found to be good.

        ``record``: what the rest of the folder says; None if that is damaged.

        Raises:
            DqnPortError, ValueError: it is damaged, or contradicts ``record``.
        """

    def export(self, path: Path, *, best: bool = False) -> Exported:
        """Return a network's weights for PyTorch.

        Raises:
            SnapshotError, T7Error: see networks_in.
        """

    def times(self, path: Path) -> NDArray[np.float64] | None:
        """Return seconds of training so far, [n + 1], 0 first; None if the file holds none."""

    def read_alone(self, path: Path) -> RunRecord:
        """Return the record of a training from a file of networks alone.

        Raises:
            SnapshotError, T7Error: it holds none.
        """
