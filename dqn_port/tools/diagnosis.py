"""Diagnose a network: play some games, and compare what it values them at with what comes."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import DivergedError
from dqn_port.interfaces import Array, Player, Step
from dqn_port.runs.diagnosis import (
    MOST_EPISODES,
    MOST_NUMBERS,
    MOST_PLANES,
    MOST_POINTS,
    MOST_STEPS,
    DiagnosedEpisode,
    Diagnosis,
    Moment,
    Plane,
    Vector,
)
from dqn_port.tools.clips import png_of
from dqn_port.tools.layers import show_convolutions
from dqn_port.tools.pictures import resize

EPISODES: Final = 10
_OF_EACH: Final = 3
"""Moments of a kind."""
_APART: Final = 30
"""Steps between two moments of a kind, where there are too few episodes to take each from one."""
_LARGEST_SIDE: Final = 160
"""Pixels of a plane as it is shown."""
_FIRST_REWARD: Final = (-4, -2, 0, 2)
_LOST_LIFE: Final = (-9, -6, -3, 0)
"""Steps around what is shown."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Packed:
    """An array, kept small."""

    shape: tuple[int, ...]
    dtype: str
    content: bytes

    @classmethod
    def of(cls, array: Array) -> _Packed:
        """Pack an array."""
        whole = np.ascontiguousarray(array)
        return cls(whole.shape, whole.dtype.str, zlib.compress(whole.tobytes(), 1))

    def array(self) -> Array:
        """Return the array."""
        return np.frombuffer(zlib.decompress(self.content), self.dtype).reshape(self.shape)


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """What is kept of a step."""

    number: int
    seen: Mapping[str, _Packed]
    valued: tuple[float, ...]
    done: int
    earned: float
    reward: float
    """As it is learnt."""
    terminal: bool
    lost_life: bool
    limit: bool
    """Whether the limit of its length cut the episode here."""


@dataclass
class _Judged:
    """The numbers of an episode, float64 [T] each; NaN where one is not known."""

    returned: Floats
    open: NDArray[np.bool_]
    """Whether the return ends in a value of the network's."""
    td_error: Floats
    value: Floats
    spread: Floats


class Diagnosing:
    """Takes the steps of games as they are played, and judges them afterwards."""

    def __init__(
        self, player: Player, *, episodes: int = EPISODES, steps: int = MOST_STEPS
    ) -> None:
        """``episodes``, ``steps``: after which no more is taken in; of all episodes together."""
        self.player = player
        self.discount: float | None = getattr(player, "discount", None)
        self._most_episodes, self._most_steps = min(episodes, MOST_EPISODES), min(steps, MOST_STEPS)
        self._episodes: list[list[_Kept]] = [[]]
        self._over: list[bool] = []
        self._n = 0
        self._lives: int | None = None
        self._learnt = True
        self._highest: tuple[float, Step, tuple[int, int]] | None = None
        self.fault: DivergedError | None = None
        """Why the network cannot be judged."""

    @property
    def full(self) -> bool:
        """Whether no more is taken in."""
        enough = self._n >= self._most_steps or len(self._over) >= self._most_episodes
        return enough or self.fault is not None

    def take(self, step: Step) -> None:
        """Take in the next step."""
        if self.full:
            return
        if step.done is not None:
            self._keep(step, step.done)
        if step.ended in ("game", "limit"):
            if self._episodes[-1]:
                self._over.append(step.ended == "game")
                self._episodes.append([])
            self._lives = None

    def _keep(self, step: Step, done: int) -> None:
        valued = tuple(map(float, step.valued))
        if not all(map(math.isfinite, valued)):
            self.fault = DivergedError(
                f"network: expected finite action values, got {list(valued)} at step "
                f"{step.number} of a game; train with a smaller learning rate"
            )
            return
        ends = step.ended in ("game", "life")
        lost = step.ended == "life"
        if step.lives is not None and self._lives is not None:
            lost = lost or step.lives < self._lives
        self._lives = step.lives
        self._learnt = self._learnt and step.learnt is not None
        kept = _Kept(
            number=step.number,
            seen={label: _Packed.of(array) for label, array in step.seen.items()},
            valued=valued,
            done=done,
            earned=step.earned,
            reward=step.earned if step.learnt is None else step.learnt,
            terminal=ends if step.terminal is None else step.terminal,
            lost_life=lost,
            limit=step.ended == "limit",
        )
        if self._highest is None or max(valued) > self._highest[0]:
            self._highest = max(valued), step, (len(self._over), step.number)
        self._episodes[-1].append(kept)
        self._n += 1

    def diagnosis(self, *, seed: int) -> Diagnosis | None:
        """Return what comes of it; None where no step was taken in, or the network diverged."""
        episodes = [steps for steps in self._episodes if steps]
        if self._highest is None or self.fault is not None:
            return None
        over = [*self._over, False][: len(episodes)]
        judged = [
            _judge(steps, ended, self.discount) for steps, ended in zip(episodes, over, strict=True)
        ]
        returned, value, is_open = (
            np.concatenate([getattr(each, name) for each in judged])
            for name in ("returned", "value", "open")
        )
        known = ~np.isnan(returned)
        x, y, is_open = returned[known], value[known], is_open[known]
        picked = np.unique(np.linspace(0, max(len(x) - 1, 0), min(len(x), MOST_POINTS)).astype(int))
        _, highest, place = self._highest
        convolutions = show_convolutions(highest.convolve())
        return Diagnosis(
            network=self.player.which,
            seed=seed,
            epsilon=float(self.player.epsilon),
            discount=self.discount,
            learnt=self._learnt,
            actions=tuple(name[:60] for name in getattr(self.player, "actions", ())),
            episodes=tuple(
                DiagnosedEpisode(
                    reward=sum(step.earned for step in steps),
                    steps=steps[-1].number + 1,
                    ended=ended,
                )
                for steps, ended in zip(episodes, over, strict=True)
            ),
            distinct=len(set(map(_signature, episodes))),
            points=tuple((float(x[i]), float(y[i]), float(is_open[i])) for i in picked),
            compared=len(x),
            mean_return=float(x.mean()) if len(x) else 0.0,
            mean_value=float(y.mean()) if len(x) else float(value.mean()),
            mean_error=float(np.abs(x - y).mean()) if len(x) else 0.0,
            correlation=_correlation(x, y),
            moments=tuple(_moments(episodes, judged)),
            convolutions=convolutions,
            convolved=place if convolutions else None,
        )


def _signature(steps: Iterable[_Kept]) -> tuple[tuple[int, float], ...]:
    return tuple((step.done, step.earned) for step in steps)


def _correlation(x: Floats, y: Floats) -> float | None:
    if len(x) < 2 or not x.std() or not y.std():
        return None
    return float(np.clip(np.corrcoef(x, y)[0, 1], -1, 1))


def _judge(steps: Sequence[_Kept], ended: bool, discount: float | None) -> _Judged:
    """Return the numbers of an episode.

    returned[t] = r_t + γ · returned[t + 1]; only r_t where training takes the step for an end.
    Where the episode was cut, the last state's value stands for what would have come of it.
    """
    n = len(steps)
    valued = [step.valued for step in steps]
    value = np.array([max(q) for q in valued])
    judged = _Judged(
        returned=np.full(n, np.nan),
        open=np.zeros(n, dtype=bool),
        td_error=np.full(n, np.nan),
        value=value,
        spread=value - np.array([min(q) for q in valued]),
    )
    if discount is None:
        return judged
    follows, is_open = 0.0, False
    for t in reversed(range(n)):
        step = steps[t]
        last = t == n - 1
        if last and not ended and (step.limit or not step.terminal):
            follows, is_open = float(value[t]), True
            continue
        if step.terminal or (last and ended):
            follows, is_open, next_value = 0.0, False, 0.0
        else:
            next_value = float(value[t + 1])
        follows = step.reward + discount * follows
        judged.returned[t], judged.open[t] = follows, is_open
        judged.td_error[t] = abs(step.reward + discount * next_value - step.valued[step.done])
    return judged


def _moments(episodes: Sequence[Sequence[_Kept]], judged: Sequence[_Judged]) -> Iterator[Moment]:
    """Yield the moments, kind after kind."""
    at = [(e, t) for e, steps in enumerate(episodes) for t in range(len(steps))]
    spread, td_error, returned, value = (
        np.concatenate([getattr(each, name) for each in judged])
        for name in ("spread", "td_error", "returned", "value")
    )
    games = {signature: e for e, signature in reversed([*enumerate(map(_signature, episodes))])}
    different = sorted(games.values())
    ranked = {
        "spread_high": -spread,
        "spread_low": spread,
        "td_error": -td_error,
        "miss": -np.abs(returned - value),
    }
    for kind, measure in ranked.items():
        for e, t in _apart([at[i] for i in _order(measure)], different):
            yield _moment(kind, e, t, episodes, judged)
    for kind, name, offsets in (
        ("first_reward", "earned", _FIRST_REWARD),
        ("lost_life", "lost_life", _LOST_LIFE),
    ):
        first = next(((e, t) for e, t in at if getattr(episodes[e][t], name)), None)
        if first is not None:
            e, t = first
            for i in offsets:
                if 0 <= t + i < len(episodes[e]):
                    yield _moment(kind, e, t + i, episodes, judged)
    every = [step.valued for steps in episodes for step in steps]
    for kind, i in (
        ("q_high", max(range(len(at)), key=lambda i: max(every[i]))),
        ("q_low", min(range(len(at)), key=lambda i: min(every[i]))),
    ):
        yield _moment(kind, *at[i], episodes, judged)


def _order(measure: Floats) -> list[int]:
    """Return the places of the known numbers, the smallest first."""
    return [int(i) for i in np.argsort(measure, kind="stable") if not np.isnan(measure[i])]


def _apart(places: Iterable[tuple[int, int]], games: Sequence[int]) -> list[tuple[int, int]]:
    """Return the first places, each of another game, or some way apart where there are too few.

    ``games``: of episodes that are the same step by step, the first one's index.
    """
    found: list[tuple[int, int]] = []
    for e, t in places:
        if e not in games:
            continue
        if len(games) >= _OF_EACH:
            near = any(other == e for other, _ in found)
        else:
            near = any(other == e and abs(at - t) < _APART for other, at in found)
        if not near:
            found.append((e, t))
        if len(found) == _OF_EACH:
            break
    return found


def _moment(
    kind: str,
    episode: int,
    t: int,
    episodes: Sequence[Sequence[_Kept]],
    judged: Sequence[_Judged],
) -> Moment:
    step, numbers = episodes[episode][t], judged[episode]
    planes, vectors = list[Plane](), list[Vector]()
    for label, packed in step.seen.items():
        array = packed.array()
        if array.ndim == 2 and array.size:
            planes.append(_plane(label, array))
        else:
            seen = np.ravel(array)[:MOST_NUMBERS]
            vectors.append(Vector(label=label, numbers=tuple(map(float, seen))))
    return Moment(
        kind=kind,
        episode=episode,
        step=step.number,
        done=step.done,
        valued=step.valued,
        earned=step.earned,
        returned=_known(numbers.returned[t]),
        td_error=_known(numbers.td_error[t]),
        planes=tuple(planes[:MOST_PLANES]),
        vectors=tuple(vectors),
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _plane(label: str, array: Array) -> Plane:
    """Return a picture; what is not of bytes is stretched to 0..255."""
    if array.dtype != np.uint8:
        low, high = float(array.min()), float(array.max())
        array = np.rint((array - low) * (255 / (high - low or 1))).astype(np.uint8)
    height, width = array.shape
    if max(height, width) > _LARGEST_SIDE:
        share = _LARGEST_SIDE / max(height, width)
        height, width = (max(1, round(side * share)) for side in (height, width))
        array = resize(array, height, width)
    return Plane(label=label, png=png_of(np.ascontiguousarray(array)), width=width, height=height)


def diagnose(player: Player, *, seed: int, episodes: int = EPISODES) -> Diagnosis:
    """Play ``episodes`` games, at most MOST_EPISODES and MOST_STEPS steps, and judge them.

    Raises:
        DivergedError: a value is not finite.
        MissingLibraryError: see clips.pillow.
    """
    diagnosing = Diagnosing(player, episodes=episodes)
    while not diagnosing.full:
        diagnosing.take(player.step())
    if diagnosing.fault is not None:
        raise diagnosing.fault
    diagnosis = diagnosing.diagnosis(seed=seed)
    assert diagnosis is not None, "a game has a step at least"
    return diagnosis
