"""The score by which the homework is passed.

Practical_RL: the last cells of homework_pytorch_main.ipynb and homework_pytorch_debug.ipynb
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from dqn_port.systems.practical_rl.dqn_agent import DQNAgent
from dqn_port.systems.practical_rl.evaluate import Evaluation
from dqn_port.systems.practical_rl.make_env import make_env

_GAMES: Final = 30
"""Lives, or episodes of a game without lives."""
_SEED: Final = 9
_PASS: Final = 15.0
_PASS_PER_LIFE: Final = 3.0
"""Of the course of 2023 and later."""
_PASS_DEBUG: Final = 300.0


class FinalScore(NamedTuple):
    """What 30 greedy lives, or episodes, earned by the game's own rewards."""

    per_life: float
    n_lives: int
    """1 where a game has no lives."""
    cut: int
    """Number of the 30 that t_max ended."""
    by_lives: bool

    @property
    def score(self) -> float:
        """The mean of a life times the lives of a game."""
        return self.per_life * self.n_lives

    @property
    def passed(self) -> bool:
        """Whether the homework is passed: ≥ 15 by lives, else > 300."""
        return self.score >= _PASS if self.by_lives else self.score > _PASS_DEBUG

    def lines(self) -> Iterator[str]:
        """Yield the score as the notebook prints it, and what it means."""
        yield f"final score: {self.score}"
        if not self.by_lives:
            yield (
                f"mean of {_GAMES} episodes, {self.cut} cut by t_max; passed (above "
                f"{_PASS_DEBUG:g}): {_told(self.passed)}"
            )
            return
        yield (
            f"mean of {_GAMES} lives {self.per_life:g}, unclipped, {self.cut} cut by t_max, times "
            f"{self.n_lives} lives; passed (at least {_PASS:g}): {_told(self.passed)}; by 2023's "
            f"rule (a life at least {_PASS_PER_LIFE:g}): {_told(self.per_life >= _PASS_PER_LIFE)}"
        )


def _told(passed: bool) -> str:
    return "yes" if passed else "no"


def final_score(options: Mapping[str, Any], agent: DQNAgent, *, seed: int = _SEED) -> FinalScore:
    """Play 30 greedy lives, or episodes, of at most t_max steps, and return their rewards."""
    env = make_env(options, clip_rewards=False)
    evaluation = Evaluation(env, agent, n_games=_GAMES, t_max=options["t_max"], seed=seed)
    while not evaluation.done:
        evaluation.step()
    env.close()
    by_lives = bool(options["episodic_life"])
    per_life = evaluation.results()["mean_reward_per_life"]
    return FinalScore(per_life, options["n_lives"] if by_lives else 1, evaluation.cut, by_lives)
