"""DQN 3.0 as a system: the interface to the workshop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from dqn_port.events import Event
from dqn_port.interfaces import Exported, Facts, Files
from dqn_port.options import Compared, Param
from dqn_port.records import Table
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
from dqn_port.systems.lua_dqn.snapshot import SUFFIX, load_network, load_snapshot, network_alone
from dqn_port.systems.lua_dqn.training import LuaTraining
from dqn_port.torch7.t7 import save


class LuaDqn:
    """See interfaces.System."""

    NAME: ClassVar[str] = "lua_dqn"
    OPTIONS: ClassVar[tuple[Param, ...]] = OPTIONS
    HISTORY: ClassVar[tuple[Table, ...]] = (HISTORY,)
    SUFFIX: ClassVar[str] = SUFFIX
    CITED: ClassVar[str] = "DQN 3.0, the program of Mnih et al. (2015), in Lua and Torch7."
    best_assignment: ClassVar[str] = "agent_params.best=true"

    def option_of(self, role: str) -> str:
        """Return the name of the option with a role."""
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
        """Read and check options; see setup.load_options."""
        return load_options(
            args_file=args_file, lua_words=words, assignments=assignments, draft=draft
        )

    show = staticmethod(show_options)
    convert = staticmethod(convert_arguments)
    differences = staticmethod(differences)
    arguments_hash = staticmethod(arguments_hash)
    device_assignments = staticmethod(device_assignment)
    device = staticmethod(pick_device)
    epsilon_curve = staticmethod(epsilon_curve)
    check_networks = staticmethod(check_networks)
    read_alone = staticmethod(read_old_run)

    def facts(self, options: Options) -> Facts:
        """Return what the workshop needs to know."""
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

    def start_network(self, options: Options) -> SavedNetwork | None:
        """Return None: setup reads the network that the options name."""
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
        """Set up a training; here the options name the start network and the parts."""
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

    def compared(self, arguments: Mapping[str, Any], *, told: bool = False) -> Compared:
        """Compare a run's options with the paper's."""
        return Compared(
            "Arguments that are not the paper's",
            "DQN3_0_1, the program of the paper",
            "DQN3_0_1",
            paper_differences(arguments, told=told),
        )

    def networks_in(self, path: Path) -> list[str]:
        """Return last, and best if there was an evaluation."""
        has_best = load_snapshot(path).table.get("best_model") is not None
        return ["last", "best"] if has_best else ["last"]

    def export(self, path: Path, *, best: bool = False) -> Exported:
        """Return a network as torch.nn.Sequential has it."""
        saved = load_network(path, best=best)
        state, layers = state_dict_of(saved)
        arrays = {name: tensor.numpy() for name, tensor in state.items()}
        recipe = f"network = nn.Sequential(nn.{', nn.'.join(layers)})"
        return Exported(saved.which, arrays, (recipe,))

    def save_alone(self, path: Path, output: Path, *, best: bool = False) -> None:
        """Write a snapshot of a snapshot's network alone."""
        save(output, network_alone(path, best=best))

    def times(self, path: Path) -> NDArray[np.float64] | None:
        """Return time_history."""
        return np.array(load_snapshot(path).history(TIME), dtype=np.float64)


SYSTEM = LuaDqn()
