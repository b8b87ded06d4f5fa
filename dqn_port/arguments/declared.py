"""Shared by systems whose options are one flat table and whose networks are safetensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dqn_port.arguments.flat_options import FlatDraft, FlatOptions
from dqn_port.errors import (
    SnapshotError,
)
from dqn_port.events import Event
from dqn_port.interfaces import Array, Exported, Facts, Player
from dqn_port.records import RunRecord
from dqn_port.saved_networks import SUFFIX, SavedNetwork, load_saved, networks_in
from dqn_port.state_dicts import is_pytorch, read_weights


class Declared(FlatOptions):
    """A system whose options are declared by OPTIONS, and whose networks the workshop keeps."""

    SUFFIX: ClassVar[str] = SUFFIX

    def facts_of(self, options: Mapping[str, Any], **own: Any) -> Facts:
        """Return the facts that follow from the options' roles, and ``own``."""
        roles = ("name", "seed", "threads", "start", "device")
        name, seed, threads, start, device = (options[self.option_of(role)] for role in roles)
        return Facts(
            arguments=dict(options),
            name=name,
            seed=seed,
            threads=threads,
            start=Path(start) if start else None,
            gpu=device != "cpu",
            game_path=options.get("game_path", ""),
            **own,
        )

    def start_network(self, options: Mapping[str, Any]) -> SavedNetwork | None:
        """Return the network that a run starts from; None without one.

        Raises:
            SnapshotError: see load_network.
        """
        name, best = (options[self.option_of(role)] for role in ("start", "best"))
        return self.load_network(Path(name), best=best) if name else None

    def player(
        self,
        options: Mapping[str, Any],
        network: SavedNetwork,
        *,
        seed: int,
        epsilon: float | None = None,
        max_frames: int | None = None,
    ) -> Player:
        """Set up a player of a network; None: as the system's own evaluations are played."""
        raise NotImplementedError

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
        draft: FlatDraft | None = None,
    ) -> Player:
        """Set up a player of a saved network; see interfaces.System."""
        del random_start
        saved = self.load_network(path, best=best)
        draft = self.new_draft() if draft is None else draft
        if args_file is None:
            draft.put(self._declared_in(saved), str(path))
        options = self.load(args_file=args_file, assignments=assignments, draft=draft)
        return self.player(options, saved, seed=seed, epsilon=epsilon, max_frames=max_frames)

    def put_told(self, draft: FlatDraft, path: Path) -> None:
        """Set the options that a saved network tells of itself, for a training from it.

        Raises:
            SnapshotError: see load_network.
        """
        draft.put(self._declared_in(self.load_network(path)), str(path))

    def _declared_in(self, saved: SavedNetwork) -> dict[str, Any]:
        """Return the options that a network tells, but those that are not of its numbers."""
        own = {self.option_of(role) for role in ("device", "threads", "start", "best")}
        return {n: v for n, v in saved.arguments.items() if n not in own and n != "system"}

    def load_network(self, path: Path, *, best: bool = False) -> SavedNetwork:
        """Read a saved network, or what export-weights wrote; some have files of their own, too.

        Raises:
            SnapshotError: see saved_networks.load_saved, state_dicts.read_weights.
        """
        if is_pytorch(path):
            weights = self.from_export(read_weights(path))
            return SavedNetwork(path=path, which="only", arguments={}, weights=weights)
        return load_saved(path, best=best)

    def from_export(self, state: Mapping[str, Array]) -> Mapping[str, Array]:
        """Return a network's weights by its own names, from the state that ``export`` gave."""
        return state

    def lines(self, event: Event, options: Mapping[str, Any]) -> Iterator[str]:
        """Yield nothing: what the original prints is its system's own affair."""
        del event, options
        return iter(())

    def epsilon_curve(self, arguments: Mapping[str, Any]) -> tuple[Array, Array] | None:
        """Return None: no ε is planned by the arguments."""
        del arguments
        return None

    def networks_in(self, path: Path) -> list[str]:
        """Return which networks a file holds."""
        return networks_in(path)

    def check_networks(self, path: Path, record: RunRecord | None) -> str:
        """Return what a file of networks holds.

        Raises:
            SnapshotError: it is damaged.
            ValueError: it holds NaN or infinity, or is of another game.
        """
        for which in networks_in(path):
            saved = load_saved(path, best=which == "best")
            for name, values in saved.weights.items():
                if not np.isfinite(values).all():
                    raise ValueError(f"{which}/{name}: NaN or infinity")
        if record is not None and "game" in {param.role for param in self.OPTIONS}:
            found = saved.arguments.get(self.option_of("game"))
            if found != record.game:
                raise ValueError(f"arguments: expected {record.game}, as args.json has it")
        return f"step {saved.step:,}, networks finite"

    def export(self, path: Path, *, best: bool = False) -> Exported:
        """Return a network's weights for PyTorch."""
        saved = load_saved(path, best=best)
        recipe = f"network = ...  # the module that {self.NAME} builds"
        return Exported(saved.which, saved.weights, (recipe,))

    def times(self, path: Path) -> NDArray[np.float64] | None:
        """Return None: the file does not hold them."""
        del path
        return None

    def read_alone(self, path: Path) -> RunRecord:
        """Refuse a file of networks alone, which says nothing about its training.

        Raises:
            SnapshotError: always.
        """
        raise SnapshotError(f"{path}: expected a run's folder, got networks alone; name its folder")
