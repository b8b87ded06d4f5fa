"""The record of an evaluation: a folder with what was played, a clip, and what the agent saw.

``evaluation.json`` is written last: with it the folder is whole. Beside it may lie ``clip.webp``,
the screens of one episode, and of one moment in it ``screen.png`` and ``seen.png``, the frames of
the agent's state side by side; and ``diagnosis.json`` (diagnosis.py). Strangers may have written it
all: nothing is believed unread.
"""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from dqn_port.errors import EvaluationError, RunFolderError
from dqn_port.fields import MOST
from dqn_port.files import read_start, reading, sha256_of
from dqn_port.records import RunRecord
from dqn_port.registry import old_name
from dqn_port.runs.diagnosis import Diagnosis, read_diagnosis, sha256_of_diagnosis
from dqn_port.runs.evaluation_fields import EvaluationFields, picture_size

EVALUATION: Final = "evaluation.json"
FORMAT: Final = 2
"""Of evaluation.json; 1 is still read."""

NETWORKS: Final = ("last", "best")

MAX_VECTORS: Final = 2_000
"""Steps of an episode that are kept as vectors."""
MAX_CLIP_BYTES: Final = 1_500_000
"""A page that holds it still opens at once."""
_MAX_PICTURE_BYTES: Final = 1_000_000
_MAX_JSON_BYTES: Final = 16_000_000
_LARGEST_SIDE: Final = 4096
"""Pixels."""


@dataclass(frozen=True, kw_only=True)
class PlayedEpisode:
    """One episode of an evaluation."""

    network: str
    """last | best"""
    seed: int
    reward: float
    """Undiscounted sum of the game's own rewards, in points."""
    steps: int
    """Agent steps."""
    frames: int
    """Emulator frames, as the system counts them."""
    cut: bool
    """Whether it was ended by the limit of its length rather than by the game."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """A file of pixels in the record's folder, read whole."""

    file: str
    sha256: str
    width: int
    height: int
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Clip:
    """The screens of an episode as they were evaluated, in the game's own time."""

    video: Image
    """An animated WebP without loss."""
    pictures: int
    seconds: float
    episode: int
    """Its index in the record's episodes."""
    whole: bool
    """Whether it shows the episode to its end; otherwise its beginning."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One moment: the game's screen, and the state that the agent makes of it."""

    screen: Image
    """A PNG of what was on the screen."""
    strip: Image
    """A PNG of the state's planes side by side, gray: of frames the oldest on the left, where
    ``labels`` do not say otherwise."""
    frames: int
    """How many planes they are."""
    episode: int
    """Its index in the record's episodes."""
    step: int
    """Agent steps of the episode played before it, 0 at its first screen."""
    labels: tuple[str, ...] = ()
    """What the system calls the planes; empty in records that do not tell."""


@dataclass(frozen=True, kw_only=True)
class Vectors:
    """An episode of an agent that sees vectors: what was seen, done, valued and earned."""

    episode: int
    """Its index in the record's episodes."""
    seen: tuple[tuple[float, ...], ...]
    """What the agent chose by, a vector a step."""
    done: tuple[int, ...]
    """Indices of actions."""
    valued: tuple[tuple[float, ...], ...]
    """The value of every action."""
    earned: tuple[float, ...]
    whole: bool
    """Whether it is the episode to its end; otherwise its beginning."""


@dataclass(frozen=True, kw_only=True)
class EvaluationRecord:
    """What was evaluated, how, and what came of it."""

    folder: Path
    game: str
    rom_md5: str | None
    epsilon: float
    seeds: tuple[int, ...]
    max_frames: int
    """Emulator frames after which an episode is cut; 0: never."""
    frames_per_step: int
    """Emulator frames that an agent step usually takes."""
    random_starts: int
    """Null actions at most at an episode's start."""
    snapshot: str
    """Name of the file."""
    snapshot_sha256: str
    versions: dict[str, str]
    episodes: tuple[PlayedEpisode, ...]
    """By network, seed and time."""
    clip: Clip | None
    seen: Seen | None
    sticky: float | None = 0.0
    """Probability with which the emulator repeats the action before; None: unknown."""
    vectors: Vectors | None = None
    """In place of ``seen``, where the agent sees vectors."""
    diagnosis: Diagnosis | None = None
    """Of diagnosis.json."""

    def of(self, network: str) -> tuple[PlayedEpisode, ...]:
        """Return the episodes that a network played."""
        return tuple(episode for episode in self.episodes if episode.network == network)


def mean_and_std(rewards: Sequence[float]) -> tuple[float, float]:
    """Return mean and standard deviation (of a sample, n − 1; 0 for one) of some returns."""
    return statistics.fmean(rewards), statistics.stdev(rewards) if len(rewards) > 1 else 0.0


def to_json(record: EvaluationRecord) -> dict[str, Any]:
    """Return what evaluation.json holds of a record."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(entry) for key, entry in value.items() if key != "content"}
        return [plain(entry) for entry in value] if isinstance(value, list | tuple) else value

    table = asdict(replace(record, diagnosis=None))
    del table["folder"], table["diagnosis"]
    table["diagnosis_sha256"] = sha256_of_diagnosis(record.diagnosis)
    if record.vectors is not None:
        table["vectors"]["earned"] = [[points] for points in record.vectors.earned]
    return {"format": FORMAT} | plain(table)


def read_evaluation(folder: Path) -> EvaluationRecord:
    """Read the record of an evaluation, its clip and pictures included.

    Raises:
        EvaluationError: it is missing, damaged, or no such record.
    """
    path = folder / EVALUATION
    content = _read(path, _MAX_JSON_BYTES)
    try:
        table = EvaluationFields(json.loads(content), f"{path}: the file", f"{path}: ")
    except (ValueError, RecursionError) as error:
        raise EvaluationError(f"{path}: expected JSON, got {error}; record it again") from error
    if (found := table.integer("format", 0)) not in (1, FORMAT):
        raise table.fault("format", f"1 or {FORMAT}", found)
    per_step = old_name("frames_per_step") if found == 1 else "frames_per_step"
    rom = table.raw("rom_md5")
    record = EvaluationRecord(
        folder=folder,
        game=table.text("game"),
        rom_md5=None if rom is None else table.digest("rom_md5", 32),
        epsilon=table.within("epsilon", 0, 1),
        seeds=tuple(table.integers("seeds")),
        max_frames=table.integer("max_frames", 0),
        frames_per_step=table.integer(per_step, 1),
        random_starts=table.integer("random_starts", 0),
        snapshot=table.name("snapshot"),
        snapshot_sha256=table.digest("snapshot_sha256", 64),
        versions=table.texts("versions"),
        episodes=tuple(_episode(entry) for entry in table.tables("episodes")),
        clip=None,
        seen=None,
        sticky=table.within("sticky", 0, 1) if table.has("sticky") else _sticky(table),
        vectors=_vectors(table, len(table.entries("episodes")) - 1),
    )
    for i, episode in enumerate(record.episodes):
        if episode.seed not in record.seeds:
            raise table.fault(f"episodes[{i}].seed", f"one of {record.seeds}", episode.seed)
    last = len(record.episodes) - 1
    clip, seen = table.inner_or_none("clip"), table.inner_or_none("seen")
    judged = table.digest("diagnosis_sha256", 64) if table.has("diagnosis_sha256") else None
    # What is read first names a fault first, so the files come when all else is well.
    return replace(
        record,
        clip=None if clip is None else _clip(folder, clip, last),
        seen=None if seen is None else _seen(folder, seen, last),
        diagnosis=None if judged is None else read_diagnosis(folder, judged),
    )


def find_evaluations(run: RunRecord) -> list[EvaluationRecord]:
    """Return the evaluations of a run's snapshot that lie beside its folder as ``evaluation-*``.

    Raises:
        EvaluationError: one of them is damaged.
        RunFolderError: the run's snapshot cannot be read.
    """
    folders = sorted(run.folder.absolute().parent.glob("evaluation-*"))
    found = [read_evaluation(folder) for folder in folders if (folder / EVALUATION).is_file()]
    # The original's snapshots have gigabytes, which are read only where it is asked for.
    known = snapshots_of(run) if found else frozenset()
    return [record for record in found if record.snapshot_sha256 in known]


def with_evaluations(
    runs: Sequence[RunRecord], folders: Sequence[Path] = ()
) -> list[tuple[RunRecord, list[EvaluationRecord]]]:
    """Return runs, each with its evaluations: those of ``folders``, or else those found beside it.

    Raises:
        EvaluationError: one is damaged, or is not of a snapshot of these runs.
        RunFolderError: see snapshots_of.
    """
    if not folders:
        return [(run, find_evaluations(run)) for run in runs]
    of: list[list[EvaluationRecord]] = [[] for _ in runs]
    known = [snapshots_of(run) for run in runs]
    for record in map(read_evaluation, folders):
        belongs = [i for i, digests in enumerate(known) if record.snapshot_sha256 in digests]
        if not belongs:
            raise stranger(runs, record)
        of[belongs[0]].append(record)
    return list(zip(runs, of, strict=True))


def stranger(runs: Sequence[RunRecord], record: EvaluationRecord) -> EvaluationError:
    """Return the error that an evaluation is of another snapshot than those of the runs."""
    names = ", ".join(str(run.folder) for run in runs[:3]) + (", …" if len(runs) > 3 else "")
    return EvaluationError(
        f"{record.folder}: expected the evaluation of a snapshot of {names}; got that of "
        f"{record.snapshot} with sha256 {record.snapshot_sha256[:12]}…; evaluate the run again"
    )


def snapshots_of(run: RunRecord) -> frozenset[str]:
    """Return the sha256 of the snapshots of a run; while it is unfinished, of the newest.

    Raises:
        RunFolderError: it cannot be read.
    """
    if run.finished or run.snapshot is None:
        return run.snapshot_sha256s
    with reading(run.snapshot, RunFolderError):
        return frozenset([sha256_of(run.snapshot)])


def _episode(table: EvaluationFields) -> PlayedEpisode:
    return PlayedEpisode(
        network=table.choice("network", NETWORKS),
        seed=table.integer("seed", -MOST),
        reward=table.within("reward", -MOST, MOST),
        steps=table.integer("steps", 1),
        frames=table.integer("frames", 1),
        cut=table.boolean("cut"),
    )


def _clip(folder: Path, table: EvaluationFields, last: int) -> Clip:
    return Clip(
        video=_image(folder, table.inner("video"), ".webp", MAX_CLIP_BYTES),
        pictures=table.integer("pictures", 1),
        seconds=table.within("seconds", 0, 3600),
        episode=table.integer("episode", 0, last),
        whole=table.boolean("whole"),
    )


def _seen(folder: Path, table: EvaluationFields, last: int) -> Seen:
    seen = Seen(
        screen=_image(folder, table.inner("screen"), ".png", _MAX_PICTURE_BYTES),
        strip=_image(folder, table.inner("strip"), ".png", _MAX_PICTURE_BYTES),
        frames=table.integer("frames", 1, 64),
        episode=table.integer("episode", 0, last),
        step=table.integer("step", 0),
        labels=tuple(table.listed_texts("labels")) if table.has("labels") else (),
    )
    if seen.labels and len(seen.labels) != seen.frames:
        raise table.fault("labels", f"{seen.frames} of them", list(seen.labels))
    if seen.strip.width % seen.frames:
        expected = f"a divisor of the width, {seen.strip.width} pixels"
        raise table.fault("frames", expected, seen.frames)
    return seen


def _sticky(table: EvaluationFields) -> float | None:
    """Return what a record means that has no number: an older one was of a game without any."""
    return 0.0 if table.integer("format", 1) == 1 else None


def _vectors(table: EvaluationFields, last: int) -> Vectors | None:
    if not table.has("vectors"):
        return None
    inner = table.inner("vectors")
    done = tuple(inner.integers("done"))
    seen, valued = inner.rows("seen", len(done)), inner.rows("valued", len(done))
    (earned,) = zip(*inner.rows("earned", len(done), width=1), strict=True)
    return Vectors(
        episode=inner.integer("episode", 0, last),
        seen=seen,
        done=done,
        valued=valued,
        earned=earned,
        whole=inner.boolean("whole"),
    )


def _read(path: Path, most: int) -> bytes:
    """Return a file's bytes, ``most`` of them at most.

    Raises:
        EvaluationError: it cannot be read, or is longer.
    """
    hint = "name an evaluation's folder, or record it again"
    content = read_start(path, most + 1, EvaluationError, hint)
    if len(content) > most:
        raise EvaluationError(f"{path}: expected at most {most:,} bytes, got more")
    return content


def _image(folder: Path, table: EvaluationFields, ending: str, most: int) -> Image:
    """Return a picture's file, checked against the record."""
    name = table.name("file")
    if not name.endswith(ending) or not name.isascii():
        raise table.fault("file", f"a name ending in {ending}", name)
    digest = table.digest("sha256", 64)
    path = folder / name
    content = _read(path, most)
    if hashlib.sha256(content).hexdigest() != digest:
        raise EvaluationError(
            f"{path}: its sha256 is not the one in {EVALUATION}; it is damaged, record it again"
        )
    size = tuple(table.integer(side, 1, _LARGEST_SIDE) for side in ("width", "height"))
    if (found := picture_size(content, ending)) != size:
        expected = f"a {ending} file of {size[0]} x {size[1]} pixels"
        got = "something else" if found is None else f"{found[0]} x {found[1]}"
        raise EvaluationError(f"{path}: expected {expected}, got {got}; record it again")
    return Image(file=name, sha256=digest, content=content, width=size[0], height=size[1])
