"""Runs and evaluations with made-up numbers, for pages."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dqn_port.records import RunRecord
from dqn_port.runs.evaluations import (
    Clip,
    EvaluationRecord,
    Image,
    PlayedEpisode,
    Seen,
)
from dqn_port.systems.lua_dqn.histories import HISTORY as TABLE
from dqn_port.systems.lua_dqn.paper_arguments import dqn3_0_1
from dqn_port.tools.clips import Film, png_of

SHA256 = "ab" * 32
ROM_MD5 = "60e0ea3cbe0913d39803477945e9e5ec"


def arguments_of(**changes: Any) -> dict[str, Any]:
    """Return the paper's arguments, nested as args.json has them, with changes by path."""
    table: dict[str, Any] = {}
    for path, value in (dqn3_0_1() | {k.replace("__", "."): v for k, v in changes.items()}).items():
        *keys, last = path.split(".")
        inner = table
        for key in keys:
            inner = inner.setdefault(key, {})
        inner[last] = value
    return json.loads(json.dumps(table))


def run_of(n: int = 4, *, game: str = "pong", name: str = "mine", **changes: Any) -> RunRecord:
    """Return a finished run of ``n`` evaluations, 250,000 steps apart."""
    i = np.arange(1, n + 1)
    history = {
        "step": 250_000 * i,
        "frames": 1_000_000 * i,
        "reward": -21.0 + 8 * i,
        "episodes": 10 + i,
        "rewards": 7 * i,
        "v": 0.125 * i,
        "td": 0.5 / i,
        "qmax": np.ones(n),
        "epsilon": np.full(n, 0.05),
        "lr": np.full(n, 0.00025),
        "training_seconds": np.full(n, 900.0),
        "training_rate": np.full(n, 1100.0),
        "testing_seconds": np.full(n, 100.0),
        "testing_rate": np.full(n, 4800.0),
        "best": np.ones(n, dtype=np.int64),
    }
    about = {
        "steps": 250_000 * n,
        "training_seconds": 900.0 * n,
        "sha256": {f"{name}.t7": SHA256},
        "versions": {"python": "3.11.7", "torch": "2.13.0", "zlib": "1"},
        "device": "cpu",
        "threads": 4,
        "platform": "Linux x86_64",
        "created": "2026-02-03T04:05:06+00:00",
        "rom_md5": ROM_MD5,
    }
    run = RunRecord(
        folder=Path("artifacts") / name,
        system="lua_dqn",
        table=TABLE,
        name=name,
        game=game,
        arguments=arguments_of(env=game, name=name, steps=250_000 * n),
        arguments_hash="0123456789",
        seed=1,
        about=about,
        finished=True,
        history=history,
        time=np.arange(n + 1, dtype=np.float64) * 900,
        snapshot=None,
    )
    return replace(run, **changes)


def unfinished(run: RunRecord) -> RunRecord:
    return replace(run, about={}, arguments_hash="", finished=False)


def episodes_of(network: str, rewards: list[float], *, cut: int = 0) -> list[PlayedEpisode]:
    return [
        PlayedEpisode(network=network, seed=1, reward=r, steps=500, frames=2000, cut=i < cut)
        for i, r in enumerate(rewards)
    ]


def image_of(file: str, content: bytes, width: int, height: int) -> Image:
    return Image(file=file, sha256="cd" * 32, width=width, height=height, content=content)


def clip_of(*, episode: int = 0, whole: bool = True) -> Clip:
    film = Film(4)
    for i in range(3):
        film.add(np.full((21, 16, 3), 40 * i, dtype=np.uint8))
    content, n = film.webp(10**6)
    return Clip(
        video=image_of("clip.webp", content, 16, 21),
        pictures=n,
        seconds=film.seconds(n),
        episode=episode,
        whole=whole,
    )


def seen_of(*, frames: int = 4) -> Seen:
    screen, strip = np.zeros((21, 16, 3), np.uint8), np.zeros((84, 84 * frames), np.uint8)
    return Seen(
        screen=image_of("screen.png", png_of(screen), 16, 21),
        strip=image_of("seen.png", png_of(strip), 84 * frames, 84),
        frames=frames,
        episode=0,
        step=58,
    )


def evaluation_of(run: RunRecord, **changes: Any) -> EvaluationRecord:
    """Return an evaluation of a run's last and best network."""
    record = EvaluationRecord(
        folder=run.folder.parent / "evaluation-1",
        game=run.game,
        rom_md5=ROM_MD5,
        epsilon=0.05,
        seeds=(1,),
        max_frames=18_000,
        frames_per_step=4,
        random_starts=30,
        snapshot=f"{run.name}.t7",
        snapshot_sha256=SHA256,
        versions=dict(run.versions),
        episodes=(*episodes_of("last", [3.0, 5.0, 10.0]), *episodes_of("best", [12.0, 15.0, 18.0])),
        clip=None,
        seen=None,
    )
    return replace(record, **changes)
