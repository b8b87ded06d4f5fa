"""A training of the Lua program for the workshop: its loop, its state, its files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dqn_port.errors import CheckpointError, PartError
from dqn_port.interfaces import Array, Files, Ring
from dqn_port.systems.lua_dqn.old_arguments import to_options_table
from dqn_port.systems.lua_dqn.setup import Setup
from dqn_port.systems.lua_dqn.snapshot import (
    SUFFIX,
    save_parameters,
    snapshot_table,
)
from dqn_port.systems.lua_dqn.train_agent import Training, TrainState
from dqn_port.systems.lua_dqn.training_state import gather, put_back
from dqn_port.torch7.t7 import save

_REPLAY = "replay"


class LuaTraining(Training):
    """The loop of train_agent.lua with its snapshots; see interfaces.Training."""

    def __init__(self, ready: Setup, files: Files) -> None:
        """``ready``: from setup, nothing played yet."""
        super().__init__(ready.env, ready.agent, ready.opt, save=self._save_snapshot)
        self.ready, self._files = ready, files

    def state_dict(self, *, full: bool = True) -> dict[str, Any]:
        """Return the state, as training_state.gather gives it.

        Raises:
            PartError: a part from another package has no state.
        """
        agent, env = self.ready.agent, self.ready.env
        for part in (agent, env, agent.transitions)[: None if full else 1]:
            if not hasattr(part, "state_dict"):
                raise PartError(
                    f"--checkpoint {'full' if full else 'weights'}: expected parts with "
                    f"state_dict, got {type(part).__name__} without; docs/systems.md says more, or "
                    "use --checkpoint none"
                )
        return gather(self.ready, self.state, full=full)

    def load_state_dict(self, state: Mapping[str, Any], *, full: bool = True) -> None:
        """Restore a state; see training_state.put_back."""
        self.state = put_back(state, self.ready, full=full)
        if not full:
            return
        actions = self.ready.agent.transitions.ring.get("a")
        n_actions = len(self.ready.env.actions)
        if actions is not None and int(actions.max()) >= n_actions:
            raise CheckpointError(
                f"replay.a: expected actions of 0 to {n_actions - 1}, got {int(actions.max())}"
            )

    def rings(self) -> dict[str, Ring]:
        """Return the replay memory."""
        replay = self.ready.agent.transitions
        return {_REPLAY: Ring(arrays=replay.ring, added=replay.added, held=replay.num_entries)}

    def networks(self) -> dict[str, dict[str, Array]]:
        """Return no networks: they are in the snapshots."""
        return {}

    def save_networks(self) -> Path:
        """Write the snapshot of now and return where."""
        return self._save_snapshot(self.state)

    def about(self) -> dict[str, Any]:
        """Return the seconds of training, without evaluations, and its frames."""
        state = self.state
        seconds = state.histories.time_history[-1] + state.interval_seconds
        frames = state.step * self.ready.opt.actrep
        return {"training_seconds": round(seconds, 3), "frames": frames}

    def _save_snapshot(self, state: TrainState) -> Path:
        """Write a snapshot and return its path. Lua: NAME.t7 or NAME_floor(step/v).t7."""
        opt, agent = self.ready.opt, self.ready.agent
        version = f"_{state.step // opt.save_versions}" if opt.save_versions > 0 else ""
        path = self._files.path(f"{opt.name}{version}{SUFFIX}")
        table = snapshot_table(
            agent,
            state.best_network,
            state.histories,
            arguments=to_options_table(opt),
            actions=self.ready.actions,
        )
        save(path, table)
        if opt.saveNetworkParams:
            params = self._files.path(f"{opt.name}{version}.params{SUFFIX}")
            save_parameters(params, agent.network)
        return path
