"""The diagnosis of a network: what it valued some games at, and what came of them.

``diagnosis.json`` may lie in an evaluation's folder. A stranger may have written it: nothing is
believed unread.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from dqn_port.errors import EvaluationError
from dqn_port.fields import LARGEST, MOST
from dqn_port.files import read_start
from dqn_port.runs.evaluation_fields import EvaluationFields, picture_size

DIAGNOSIS: Final = "diagnosis.json"
FORMAT: Final = 1

KINDS: Final = (
    "spread_high",
    "spread_low",
    "td_error",
    "miss",
    "first_reward",
    "lost_life",
    "q_high",
    "q_low",
)
"""Of moments, in their order."""
MOST_EPISODES: Final = 30
MOST_STEPS: Final = 20_000
"""Of all episodes together."""
MOST_POINTS: Final = 1_000
MOST_PLANES: Final = 8
MOST_NUMBERS: Final = 64
"""Of a vector that was seen."""

_MAX_BYTES: Final = 4_500_000
_MAX_PICTURE_BYTES: Final = 500_000
_LARGEST_SIDE: Final = 2048
_MOST_ACTIONS: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class Plane:
    """A picture that the agent saw, or one of its network."""

    label: str
    png: bytes
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class Vector:
    """Numbers that the agent saw."""

    label: str
    numbers: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A step of an episode, and why it is shown."""

    kind: str
    """One of KINDS."""
    episode: int
    """From 0."""
    step: int
    """Steps of the episode before it."""
    done: int
    """The action's index."""
    valued: tuple[float, ...]
    """The value of every action."""
    earned: float
    """The game's own reward."""
    returned: float | None
    """The discounted return from it on; None where it is not known."""
    td_error: float | None
    """|r + γ · max Q of the next state − Q of what was done|; None where it is not known."""
    planes: tuple[Plane, ...]
    vectors: tuple[Vector, ...]

    @property
    def value(self) -> float:
        """The state's value, that of the best action."""
        return max(self.valued)

    @property
    def spread(self) -> float:
        """How far the best action's value lies above the worst one's."""
        return max(self.valued) - min(self.valued)


@dataclass(frozen=True, kw_only=True)
class DiagnosedEpisode:
    """An episode that was looked at."""

    reward: float
    """Undiscounted sum of the game's own rewards."""
    steps: int
    ended: bool
    """Whether the game ended it; else it was cut."""


@dataclass(frozen=True, kw_only=True)
class ShownConvolution:
    """A convolution of the network in pictures."""

    name: str
    kernels: Plane
    """A row an input channel, a column a filter; ± ``scale`` is full blue and full red."""
    scale: float
    least: float
    most: float
    mean: float
    std: float
    """Of the kernels."""
    outputs: Plane
    """A square grid of what the filters made of the state, each on a scale of its own."""
    filters: int


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What a network valued some games at, and what came of them."""

    network: str
    """last | best | only"""
    seed: int
    epsilon: float
    discount: float | None
    """None: not told; then there are no returns and no errors."""
    learnt: bool
    """Whether rewards are as they are learnt; else the game's own, for want of them."""
    actions: tuple[str, ...]
    """Their names; none where they are not told."""
    episodes: tuple[DiagnosedEpisode, ...]
    distinct: int
    """How many of the episodes differ in an action or a reward."""
    points: tuple[tuple[float, ...], ...]
    """(return, value, 1 where the return ends in a value of the network) of some steps."""
    compared: int
    """Steps with a return, of which ``points`` are evenly picked."""
    mean_return: float
    mean_value: float
    mean_error: float
    """Mean of |return − value|."""
    correlation: float | None
    """Of returns and values; None where one of them does not vary."""
    moments: tuple[Moment, ...]
    convolutions: tuple[ShownConvolution, ...]
    convolved: tuple[int, int] | None
    """Episode and step of the state that ``convolutions`` show."""

    @property
    def steps(self) -> int:
        """Steps of all episodes."""
        return sum(episode.steps for episode in self.episodes)


def diagnosis_bytes(diagnosis: Diagnosis) -> bytes:
    """Return the content of diagnosis.json; pictures are base64."""

    table = {"format": FORMAT} | asdict(diagnosis)
    return (json.dumps(table, default=_base64, allow_nan=False) + "\n").encode()


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def sha256_of_diagnosis(diagnosis: Diagnosis | None) -> str | None:
    """Return the sha256 of diagnosis.json."""
    if diagnosis is None:
        return None
    return hashlib.sha256(diagnosis_bytes(diagnosis)).hexdigest()


def read_diagnosis(folder: Path, sha256: str) -> Diagnosis:
    """Read the diagnosis that lies in an evaluation's folder.

    Raises:
        EvaluationError: it is missing, damaged, or none.
    """
    path = folder / DIAGNOSIS
    content = read_start(path, _MAX_BYTES + 1, EvaluationError, "record it again")
    if len(content) > _MAX_BYTES:
        raise EvaluationError(f"{path}: expected at most {_MAX_BYTES:,} bytes, got more")
    if hashlib.sha256(content).hexdigest() != sha256:
        raise EvaluationError(
            f"{path}: its sha256 is not the one in evaluation.json; it is damaged, record it again"
        )
    try:
        table = EvaluationFields(json.loads(content), f"{path}: the file", f"{path}: ")
    except (ValueError, RecursionError) as error:
        raise EvaluationError(f"{path}: expected JSON, got {error}; record it again") from error
    table.integer("format", FORMAT, FORMAT)
    episodes = tuple(_episode(entry) for entry in table.tables("episodes"))
    last = len(episodes) - 1
    names = tuple(_text(name, table, "actions") for name in table.entries("actions"))
    points = table.entries("points")
    return Diagnosis(
        network=table.choice("network", ("last", "best", "only")),
        seed=table.integer("seed", -MOST),
        epsilon=table.within("epsilon", 0, 1),
        discount=table.within("discount", 0, 1) if table.has("discount") else None,
        learnt=table.boolean("learnt"),
        actions=names[:_MOST_ACTIONS],
        episodes=episodes,
        distinct=table.integer("distinct", 0, len(episodes)),
        points=table.rows("points", len(points), width=3) if points else (),
        compared=table.integer("compared", 0),
        mean_return=_number(table, "mean_return"),
        mean_value=_number(table, "mean_value"),
        mean_error=_number(table, "mean_error"),
        correlation=table.within("correlation", -1, 1) if table.has("correlation") else None,
        moments=tuple(_moment(each, last) for each in _tables(table, "moments")),
        convolutions=tuple(_convolution(each) for each in _tables(table, "convolutions")),
        convolved=_place(table, last) if table.has("convolved") else None,
    )


def _tables(table: EvaluationFields, name: str) -> list[EvaluationFields]:
    return table.tables(name) if table.entries(name) else []


def _number(table: EvaluationFields, name: str) -> float:
    return table.within(name, -LARGEST, LARGEST)


def _number_or_none(table: EvaluationFields, name: str) -> float | None:
    return _number(table, name) if table.has(name) else None


def _text(value: Any, table: EvaluationFields, name: str) -> str:
    if not isinstance(value, str) or len(value) > 60:
        raise table.fault(name, "short texts", value)
    return value


def _place(table: EvaluationFields, last: int) -> tuple[int, int]:
    place = table.integers("convolved")
    if len(place) != 2 or not 0 <= place[0] <= last or place[1] < 0:
        raise table.fault("convolved", "an episode and a step of it", place)
    return place[0], place[1]


def _episode(table: EvaluationFields) -> DiagnosedEpisode:
    return DiagnosedEpisode(
        reward=_number(table, "reward"),
        steps=table.integer("steps", 1),
        ended=table.boolean("ended"),
    )


def _moment(table: EvaluationFields, last: int) -> Moment:
    valued = _row(table, "valued")
    return Moment(
        kind=table.choice("kind", KINDS),
        episode=table.integer("episode", 0, last),
        step=table.integer("step", 0),
        done=table.integer("done", 0, len(valued) - 1),
        valued=valued,
        earned=_number(table, "earned"),
        returned=_number_or_none(table, "returned"),
        td_error=_number_or_none(table, "td_error"),
        planes=tuple(map(_plane, _tables(table, "planes"))),
        vectors=tuple(map(_vector, _tables(table, "vectors"))),
    )


def _row(table: EvaluationFields, name: str) -> tuple[float, ...]:
    """Return a list of numbers that can be drawn, one at least."""
    values = table.numbers(name, float)
    if not 0 < len(values) <= _MOST_ACTIONS or any(abs(value) > LARGEST for value in values):
        raise table.fault(name, f"1 to {_MOST_ACTIONS} numbers", values[:1])
    return tuple(values)


def _plane(table: EvaluationFields) -> Plane:
    text = table.take("png", "a picture", lambda value: isinstance(value, str))
    try:
        png = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        png = b""
    size = tuple(table.integer(side, 1, _LARGEST_SIDE) for side in ("width", "height"))
    if len(png) > _MAX_PICTURE_BYTES or picture_size(png, ".png") != size:
        raise table.fault("png", f"a PNG of {size[0]} x {size[1]} pixels", text)
    return Plane(label=table.text("label"), png=png, width=size[0], height=size[1])


def _vector(table: EvaluationFields) -> Vector:
    return Vector(label=table.text("label"), numbers=_row(table, "numbers"))


def _convolution(table: EvaluationFields) -> ShownConvolution:
    return ShownConvolution(
        name=table.text("name"),
        kernels=_plane(table.inner("kernels")),
        outputs=_plane(table.inner("outputs")),
        filters=table.integer("filters", 1),
        **{name: _number(table, name) for name in ("scale", "least", "most", "mean", "std")},
    )
