"""Evaluate a snapshot's networks and keep a record: scores, a clip, what the agent sees."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from dqn_port.errors import RunFolderError, SnapshotError
from dqn_port.files import UNHARMED, reading, sha256_of, sync_folder, writing
from dqn_port.games.ale.roms import game_of
from dqn_port.interfaces import Picture, Step, System
from dqn_port.runs.diagnosis import DIAGNOSIS, diagnosis_bytes
from dqn_port.runs.evaluations import (
    EVALUATION,
    MAX_CLIP_BYTES,
    MAX_VECTORS,
    NETWORKS,
    Clip,
    EvaluationRecord,
    Image,
    PlayedEpisode,
    Seen,
    Vectors,
    read_evaluation,
    to_json,
)
from dqn_port.runs.playing import Episode, system_of
from dqn_port.runs.playing import episodes as played_by
from dqn_port.runs.run import versions
from dqn_port.tools.clips import Film, pillow, png_of
from dqn_port.tools.diagnosis import Diagnosing

EPISODES: Final = 10
_JUDGED_EPISODES: Final = 3
_JUDGED_STEPS: Final = 2_000
"""Limits of the diagnosis, so that it takes a few seconds at most."""
_STEPS_BEFORE: Final = 4
"""The state is kept this many steps before the first point, when the ball is in play."""

_CLIP, _SCREEN, _SEEN = "clip.webp", "screen.png", "seen.png"


@dataclass
class _Watched:
    """Data kept from an episode while it is played."""

    film: Film
    diagnosing: Diagnosing | None
    vectors: list[Step] = field(default_factory=list)
    """The first steps, if the agent sees vectors."""
    sees_vectors: bool = False
    n_steps: int = 0
    moments: deque[Step] = field(default_factory=lambda: deque(maxlen=_STEPS_BEFORE))
    """The last steps, up to the first point."""
    scored: bool = False
    index: int = -1
    """Number of the episode in the record."""

    @property
    def sees(self) -> bool:
        """Whether there are pictures of a moment: what was shown, and what the agent saw."""
        return not self.vectors and bool(self.moments[0].shown)

    def take(self, step: Step) -> None:
        """Add the next step."""
        self.n_steps += 1
        if self.diagnosing is not None:
            self.diagnosing.take(step)
        if not self.n_steps > 1:
            self.sees_vectors = any(seen.ndim != 2 for seen in step.seen.values())
        if self.sees_vectors and len(self.vectors) < MAX_VECTORS:
            self.vectors.append(step)
        if step.shown:
            self.film.add(step.shown[0])
        if not self.scored:
            self.moments.append(step)
            self.scored = step.earned != 0


def record_evaluation(
    snapshot: Path,
    folder: Path,
    *,
    networks: Sequence[str] = NETWORKS,
    episodes: int = EPISODES,
    seeds: Sequence[int] = (1,),
    epsilon: float | None = None,
    max_frames: int | None = None,
    clip: bool = True,
    threads: int = 1,
    assignments: Sequence[str] = (),
    replace: bool = False,
    show: Callable[[int, int], None] | None = None,
    tell: Callable[[PlayedEpisode], None] | None = None,
) -> EvaluationRecord:
    """Play ``episodes`` episodes per seed with each network, and write the record to ``folder``.

    For a snapshot without a best network only the last one plays. The scores are those of
    ``dqn-port evaluate``, seed by seed. The clip is the episode with the highest return of the best
    network, or else of the last; it and the state are recorded while the episode is played.

    ``epsilon``, ``max_frames``: None for the values of the system's own evaluations; ``max_frames``
    is a limit in emulator frames, 0 for none. ``replace``: replace an existing evaluation in
    ``folder``. After every episode ``show`` is called with (episodes done, of how many), and
    ``tell`` with the episode.

    Raises:
        RunFolderError: the folder exists already, or cannot be written.
        MissingLibraryError: see clips.pillow; raised before playing.
        SnapshotError, T7Error, ArgsError: see System.open_player; or there is no best network, and
            only that was requested.
    """
    _check_place(folder, replace=replace)
    if clip:
        pillow()
    system = system_of(snapshot)
    chosen = _networks(system, snapshot, networks)
    with reading(snapshot, SnapshotError):
        digest = sha256_of(snapshot)
    many = len(chosen) * len(seeds) * episodes
    filmed = chosen[-1] if clip else None
    played: list[PlayedEpisode] = []
    kept: _Watched | None = None
    diagnosing: Diagnosing | None = None
    with _beside(folder) as beside:
        for network, seed in itertools.product(chosen, seeds):
            player = system.open_player(
                snapshot,
                best=network == "best",
                seed=seed,
                epsilon=epsilon,
                max_frames=max_frames,
                assignments=[f"threads={threads}", *assignments],
            )
            if network == filmed and diagnosing is None:
                diagnosing = Diagnosing(player, episodes=_JUDGED_EPISODES, steps=_JUDGED_STEPS)
            for _ in range(episodes):
                watched = None
                if network == filmed:
                    first = diagnosing if seed == seeds[0] else None
                    watched = _Watched(Film(player.frames_per_step), first)
                episode = next(played_by(player, watch=watched.take if watched else None))
                if watched and (kept is None or episode.reward > played[kept.index].reward):
                    kept, watched.index = watched, len(played)
                played.append(_played(episode, network, seed))
                if tell is not None:
                    tell(played[-1])
                if show is not None:
                    show(len(played), many)
        diagnosis = None if diagnosing is None else diagnosing.diagnosis(seed=seeds[0])
        with writing(folder, UNHARMED):
            if diagnosis is not None:
                _write(beside / DIAGNOSIS, diagnosis_bytes(diagnosis))
            record = EvaluationRecord(
                folder=folder,
                game=game_of(player.game),
                rom_md5=player.about_game.get("rom_md5"),
                epsilon=float(player.epsilon),
                seeds=tuple(seeds),
                max_frames=player.max_frames,
                frames_per_step=player.frames_per_step,
                random_starts=player.random_starts,
                sticky=getattr(player, "sticky", None),
                snapshot=snapshot.name,
                snapshot_sha256=digest,
                versions=versions(),
                episodes=tuple(played),
                clip=_write_clip(beside, kept) if kept is not None and kept.film else None,
                seen=_write_seen(beside, kept) if kept is not None and kept.sees else None,
                vectors=_vectors(kept) if kept is not None and kept.vectors else None,
                diagnosis=diagnosis,
            )
            text = json.dumps(to_json(record), indent=2) + "\n"
            _write(beside / EVALUATION, text.encode())
    return read_evaluation(folder)


def _networks(system: System, snapshot: Path, networks: Sequence[str]) -> list[str]:
    """Return the networks to play: those that were requested and exist."""
    there = system.networks_in(snapshot)
    chosen: list[str] = [
        network for network in NETWORKS if network in networks and network in there
    ]
    if not chosen:
        raise SnapshotError(
            f"{snapshot}: expected a best network, got none: no evaluation was made in training; "
            "record the last one"
        )
    return chosen


def _played(episode: Episode, network: str, seed: int) -> PlayedEpisode:
    return PlayedEpisode(
        network=network,
        seed=seed,
        reward=episode.reward,
        steps=episode.steps,
        frames=episode.frames,
        cut=episode.cut,
    )


def _vectors(kept: _Watched) -> Vectors:
    steps = [step for step in kept.vectors if step.done is not None]
    vectors = [np.concatenate([np.ravel(v) for v in step.seen.values()]) for step in steps]
    return Vectors(
        episode=kept.index,
        seen=tuple(tuple(map(float, vector)) for vector in vectors),
        done=tuple(int(step.done or 0) for step in steps),
        valued=tuple(tuple(map(float, step.valued)) for step in steps),
        earned=tuple(step.earned for step in steps),
        whole=kept.n_steps == len(kept.vectors),
    )


def _write_clip(folder: Path, kept: _Watched) -> Clip:
    content, n = kept.film.webp(MAX_CLIP_BYTES)
    return Clip(
        video=_image(folder / _CLIP, content, kept.film.picture(0)),
        pictures=n,
        seconds=round(kept.film.seconds(n), 3),
        episode=kept.index,
        whole=kept.film.shows_all(n),
    )


def _write_seen(folder: Path, kept: _Watched) -> Seen:
    moment = kept.moments[0]
    screen, planes = moment.shown[0], moment.seen.values()
    strip = np.concatenate(list(planes), axis=1)
    return Seen(
        screen=_image(folder / _SCREEN, png_of(screen), screen),
        strip=_image(folder / _SEEN, png_of(strip), strip),
        frames=len(planes),
        episode=kept.index,
        step=moment.number,
        labels=tuple(moment.seen),
    )


def _image(path: Path, content: bytes, picture: Picture) -> Image:
    """Write a picture's file, and return its entry in the record."""
    _write(path, content)
    height, width = picture.shape[:2]
    digest = hashlib.sha256(content).hexdigest()
    return Image(file=path.name, sha256=digest, width=width, height=height, content=content)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _check_place(folder: Path, *, replace: bool) -> None:
    if not folder.absolute().parent.is_dir():
        raise RunFolderError(
            f"{folder}: cannot be written: its folder does not exist; make it first"
        )
    if not folder.exists() and not folder.is_symlink():
        return
    if not (folder / EVALUATION).is_file():
        raise RunFolderError(f"{folder}: expected an evaluation or nothing, got something else")
    if not replace:
        raise RunFolderError(
            f"{folder}: holds an evaluation already; give another folder, or replace it"
        )


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder, which is renamed to ``folder`` at the end if there was no error.

    Raises:
        RunFolderError: it cannot be written; an existing folder is unharmed.
    """
    target = folder.resolve()
    with writing(folder, UNHARMED):
        made = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part"))
    try:
        yield made
        with writing(folder, UNHARMED):
            made.chmod(0o755)
            sync_folder(made)
            if target.exists():
                # A folder cannot be renamed over one that holds something.
                old = made.with_suffix(".old")
                target.rename(old)
                made.rename(target)
                shutil.rmtree(old)
            else:
                made.rename(target)
            sync_folder(target.parent)
    finally:
        shutil.rmtree(made, ignore_errors=True)
