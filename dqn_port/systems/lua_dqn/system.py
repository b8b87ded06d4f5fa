"""DQN 3.0 as a system: what the workshop asks of it, answered by its own parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from dqn_port.devices import Device
from dqn_port.events import Event
from dqn_port.interfaces import Array, Exported, Facts, Files
from dqn_port.options import Compared, Converted, Differences, Param, ShownOptions
from dqn_port.records import RunRecord, Table
from dqn_port.saved_networks import SavedNetwork
from dqn_port.systems.lua_dqn.argument_files import convert_arguments, show_options
from dqn_port.systems.lua_dqn.arguments_hash import arguments_hash, differences
from dqn_port.systems.lua_dqn.checked_snapshot import check_networks
from dqn_port.systems.lua_dqn.device_words import device_assignment
from dqn_port.systems.lua_dqn.devices import pick_device
from dqn_port.systems.lua_dqn.drafts import Draft
from dqn_port.systems.lua_dqn.histories import HISTORY, TIME
from dqn_port.systems.lua_dqn.lines import lines_of
from dqn_port.systems.lua_dqn.old_runs import read_old_run
from dqn_port.systems.lua_dqn.options import OPTIONS, Options
from dqn_port.systems.lua_dqn.paper_arguments import differences as paper_differences
from dqn_port.systems.lua_dqn.player import EVALUATION_EPSILON, MAX_FRAMES, Player
from dqn_port.systems.lua_dqn.schedule import epsilon_curve, soon
from dqn_port.systems.lua_dqn.sequential_weights import state_dict_of
from dqn_port.systems.lua_dqn.setup import (
    game_record,
    load_options,
    names_snapshot,
    network_name,
    replay_size,
    setup,
    setup_to_play,
)
from dqn_port.systems.lua_dqn.snapshot import SUFFIX, load_network, load_snapshot
from dqn_port.systems.lua_dqn.training import LuaTraining


class LuaDqn:
    """See interfaces.System."""

    NAME: ClassVar[str] = "lua_dqn"
    OPTIONS: ClassVar[tuple[Param, ...]] = OPTIONS
    HISTORY: ClassVar[tuple[Table, ...]] = (HISTORY,)
    SUFFIX: ClassVar[str] = SUFFIX
    CITED: ClassVar[str] = "DQN 3.0, the program of Mnih et al. (2015), in Lua and Torch7."
    best_assignment: ClassVar[str] = "agent_params.best=true"

    def option_of(self, role: str) -> str:
        """Return the name of the option that has a role."""
        return next(option.name for option in OPTIONS if option.role == role)

    def new_draft(self) -> Draft:
        """Return an empty draft for ``load``."""
        return Draft()

    def load(
        self,
        *,
        args_file: Path | None = None,
        words: Sequence[str] = (),
        assignments: Sequence[str] = (),
        draft: Draft | None = None,
    ) -> Options:
        """Put options together; see setup.load_options."""
        return load_options(
            args_file=args_file, lua_words=words, assignments=assignments, draft=draft
        )

    def show(
        self,
        draft: Draft,
        args_file: Path | None,
        words: Sequence[str],
        assignments: Sequence[str],
    ) -> ShownOptions:
        """Return every option as it takes effect."""
        return show_options(draft, args_file, words, assignments)

    def convert(
        self, old: Path | None, words: str, new: Path, *, shape: str, as_ascii: bool
    ) -> Converted:
        """Turn arguments of a .t7, or the words of a script, into an argument file, or back."""
        return convert_arguments(old, words, new, shape=shape, as_ascii=as_ascii)

    def facts(self, options: Options) -> Facts:
        """Return what the workshop has to know."""
        name = network_name(options)
        return Facts(
            arguments=options.to_json(),
            name=options.name,
            game=options.env,
            seed=options.seed,
            length=options.steps,
            memory=replay_size(options)[1],
            threads=options.threads,
            gpu=options.gpu >= 0,
            game_path=options.game_path,
            about_game=game_record(options),
            start=Path(name) if names_snapshot(name) else None,
            soon=soon(options),
        )

    def differences(self, there: Mapping[str, Any], here: Mapping[str, Any]) -> Differences:
        """Compare the options of two runs."""
        return differences(there, here)

    def arguments_hash(self, options: Options) -> str:
        """Return the short hash of what makes two runs the same."""
        return arguments_hash(options)

    def device_assignments(self, device: str) -> list[str]:
        """Return the assignment of option gpu that ``--device`` stands for."""
        return device_assignment(device)

    def device(self, options: Options, *, explicit: bool = False) -> Device:
        """Return the device that option gpu names."""
        return pick_device(options, explicit=explicit)

    def start_network(self, options: Options) -> SavedNetwork | None:
        """Return None: setup reads it by its options."""
        del options
        return None

    def training(
        self,
        options: Options,
        files: Files,
        *,
        device: str = "cpu",
        start: SavedNetwork | None = None,
        parts: Mapping[str, Any] | None = None,
    ) -> LuaTraining:
        """Set up a training; the network to start from is an option here, and so are the parts."""
        del start, parts
        return LuaTraining(setup(options, device=torch.device(device)), files)

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
        draft: Draft | None = None,
    ) -> Player:
        """Set up a player of a saved network; see setup.setup_to_play."""
        ready, saved = setup_to_play(
            path,
            args_file=args_file,
            best=best,
            seed=seed,
            assignments=["gpu=-1", *assignments],
            draft=draft,
        )
        return Player(
            ready,
            which=saved.which,
            epsilon=EVALUATION_EPSILON if epsilon is None else epsilon,
            max_frames=MAX_FRAMES if max_frames is None else max_frames,
            random_start=random_start,
        )

    def lines(self, event: Event, options: Options) -> Iterator[str]:
        """Yield what train_agent.lua prints at an event."""
        return lines_of(event, verbose=options.verbose)

    def epsilon_curve(self, arguments: Mapping[str, Any]) -> tuple[Array, Array] | None:
        """Return (frames, ε) as eGreedy anneals it."""
        return epsilon_curve(arguments)

    def compared(self, arguments: Mapping[str, Any], *, told: bool = False) -> Compared:
        """Compare a run's options with the paper's."""
        return Compared(
            "Arguments that are not the paper's",
            "DQN3_0_1, the program of the paper",
            "DQN3_0_1",
            paper_differences(arguments, told=told),
        )

    def networks_in(self, path: Path) -> list[str]:
        """Return last, and best where an evaluation was made."""
        has_best = load_snapshot(path).table.get("best_model") is not None
        return ["last", "best"] if has_best else ["last"]

    def check_networks(self, path: Path, record: RunRecord | None) -> str:
        """Return what a snapshot, or a file of parameters, holds."""
        return check_networks(path, record)

    def export(self, path: Path, *, best: bool = False) -> Exported:
        """Return a network as torch.nn.Sequential has it."""
        saved = load_network(path, best=best)
        state, layers = state_dict_of(saved)
        arrays = {name: tensor.numpy() for name, tensor in state.items()}
        recipe = f"network = nn.Sequential(nn.{', nn.'.join(layers)})"
        return Exported(saved.which, arrays, (recipe,))

    def times(self, path: Path) -> NDArray[np.float64] | None:
        """Return time_history."""
        return np.array(load_snapshot(path).history(TIME), dtype=np.float64)

    def read_alone(self, path: Path) -> RunRecord:
        """Return what a snapshot by itself tells."""
        return read_old_run(path)


SYSTEM = LuaDqn()
