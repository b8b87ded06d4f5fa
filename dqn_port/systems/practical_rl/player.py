"""Play whole games with a trained network, one step at a time, without learning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from dqn_port.games.gymnasium.making import Env, frames_of, meanings
from dqn_port.interfaces import Picture, Step
from dqn_port.systems.practical_rl.atari_wrappers import EpisodicLifeEnv
from dqn_port.systems.practical_rl.dqn_agent import DQNAgent
from dqn_port.systems.practical_rl.final_score import final_score
from dqn_port.systems.practical_rl.make_env import chain, clips_rewards, make_env, record_of

_BEFORE: Final = "{} before"


class Player:
    """Games as the homework's environment shows them, by the game's own rewards.

    Hidden frames, those of resets and lost lives, count into the step after them.
    """

    random_starts = 0

    def __init__(
        self,
        opt: Mapping[str, Any],
        agent: DQNAgent,
        *,
        seed: int,
        epsilon: float,
        max_frames: int | None = None,
        pictures: bool = True,
    ) -> None:
        """``max_frames``: emulator frames after which a game is cut; 0: never; None: n_lives times
        t_max steps."""
        self.game: str = opt["environment"]
        self.which = "last"
        self.about_game: dict[str, str] = {}
        self.epsilon = epsilon
        self._opt, self._agent, self._seed = opt, agent, seed
        agent.epsilon = epsilon
        self._generator = np.random.RandomState(seed)
        self.env: Env = make_env(opt, clip_rewards=False, pictures=pictures)
        self.frames_per_step: int = opt["frame_skip"] * frames_of(self.env)[-1]
        if max_frames is None:
            max_frames = opt["n_lives"] * opt["t_max"] * self.frames_per_step
        self.max_frames = max_frames
        self.discount: float = opt["gamma"]
        self.actions = meanings(self.env)
        self._clips = clips_rewards(opt)
        self._ale = getattr(self.env.unwrapped, "ale", None)
        self._record = record_of(self.env)
        self._s: NDArray[Any] | None = None
        """What is seen; None before an episode."""
        self._number = 0
        self._first_frame = 0
        """Frames before this game."""
        self._last: Picture | None = None
        """The last that was shown."""

    def homework(self) -> Iterator[str]:
        """Yield what the player's games are, and the score by which the homework is passed; the
        games of the score are played apart."""
        yield f"the mean above: whole games, unclipped, ε {self.epsilon:g}"
        yield from final_score(self._opt, self._agent).lines()

    def step(self, action: int | None = None, *, show: bool = False) -> Step:
        """Play one agent step: ``action``, or else what the agent chooses."""
        record = self._record
        record.shown = [] if show else None
        frames, earned = record.frames, record.earned
        if self._s is None:
            first = self._number == 0 and record.frames == 0
            self._s, _ = self.env.reset(seed=self._seed if first else None)
            if record.games:
                # A hidden step has ended the game, and the reset went on to the next.
                record.games.clear()
                return self._told(None, "game", frames, earned, self._s)
        assert self._s is not None
        s = self._s
        if action is None:
            q = self._agent.get_qvalues(s[None])
            action = int(self._agent.sample_actions(q, self._generator)[0])
        if record.shown == [] and self._last is not None:
            # What was met is the last frame of the step before.
            record.shown.append(self._last)
        self._s, reward, terminated, truncated, _ = self.env.step(action)
        ended: Literal["life", "game", "limit"] | None = None
        if record.games:
            ended = "limit" if record.games[-1].cut else "game"
            record.games.clear()
        elif terminated or truncated:
            ended = "life"
        if ended in (None, "life") and 0 < self.max_frames <= record.frames - self._first_frame:
            ended = "limit"
            for part in chain(self.env):
                if isinstance(part, EpisodicLifeEnv):
                    part.was_real_done = True
        if ended:
            self._s = None
        learnt = float(np.sign(float(reward)) if self._clips else reward)
        return self._told(action, ended, frames, earned, s, learnt, terminated)

    def _told(
        self,
        action: int | None,
        ended: Literal["life", "game", "limit"] | None,
        frames: int,
        earned: float,
        seen: NDArray[Any],
        learnt: float = 0.0,
        terminated: bool = True,
    ) -> Step:
        record, number = self._record, self._number
        self._number += 1
        if ended in ("game", "limit"):
            self._number, self._first_frame = 0, record.frames
        shown = tuple(record.shown or ())
        self._last = shown[-1] if shown else None
        return Step(
            number=number,
            done=action,
            earned=record.earned - earned,
            ended=ended,
            learnt=learnt,
            terminal=terminated,
            lives=None if self._ale is None else self._ale.lives(),
            frames=record.frames - frames,
            shown=shown,
            look=lambda: self._planes(seen),
            value=lambda: self._agent.get_qvalues(seen[None])[0].tolist(),
            convolve=lambda: self._agent.convolutions_of(seen),
        )

    def _planes(self, s: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return a state's frames by label, the newest first: uint8 [height, width]."""
        if s.ndim == 1:
            return {"state": s}
        planes = s if s.dtype == np.uint8 else np.rint(s * 255).astype(np.uint8)
        if self._opt["oldest_first"]:
            planes = planes[::-1]
        labels = ["newest frame", *(_BEFORE.format(i) for i in range(1, len(planes)))]
        return dict(zip(labels, planes, strict=True))
