"""Folders of runs with made-up numbers, and records of evaluations that belong to them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from dqn_port.records import RunRecord
from dqn_port.runs.evaluations import EvaluationRecord, PlayedEpisode
from dqn_port.systems.lua_dqn.histories import HISTORY as TABLE

SHA256 = "ab" * 32

ROWS: list[dict[str, Any]] = [
    {
        "step": 100 * i,
        "frames": 400 * i,
        "reward": -21 + 1.5 * i,
        "episodes": i,
        "rewards": 7 * i,
        "v": 0.125 * i,
        "td": 0.5 / i,
        "qmax": 1.0,
        "epsilon": 0.05,
        "lr": 0.00025,
        "training_seconds": 0.5 + i,
        "training_rate": 800.0,
        "testing_seconds": 0.25,
        "testing_rate": 1600.0,
        "best": 1,
    }
    for i in range(1, 4)
]


def write_rows(folder: Path, rows: list[dict[str, Any]]) -> None:
    with (folder / "history.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, TABLE.names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_run(
    folder: Path,
    *,
    rows: list[dict[str, Any]] = ROWS,
    finished: bool = True,
    arguments: dict[str, Any] | None = None,
    about: dict[str, Any] | None = None,
) -> Path:
    """Write the folder of a run of Pong without its snapshot and return it."""
    folder.mkdir(parents=True)
    told = {"name": folder.name, "env": "pong", "seed": 3, "agent_params": {"lr": 0.00025}}
    (folder / "args.json").write_text(json.dumps(told | (arguments or {})))
    write_rows(folder, rows)
    if finished:
        record = {
            "arguments_hash": "0123456789",
            "snapshot": f"{folder.name}.t7",
            "sha256": {f"{folder.name}.t7": SHA256},
            "versions": {"python": "3.11.7", "torch": "2.13.0"},
            "created": "2026-02-03T04:05:06+00:00",
            "rom_md5": "60e0ea3cbe0913d39803477945e9e5ec",
        }
        (folder / "run.json").write_text(json.dumps(record | (about or {})))
    return folder


def evaluation_of(
    run: RunRecord, *, folder: Path = Path("evaluation-1"), sha256: str = SHA256
) -> EvaluationRecord:
    """Return the record of two episodes of the last network and one of the best."""
    episodes = (
        ("last", 1, -20.5, 10, False),
        ("last", 2, -19.0, 20, True),
        ("best", 1, 3.0, 30, False),
    )
    return EvaluationRecord(
        folder=folder,
        game=run.game,
        rom_md5=run.rom_md5,
        epsilon=0.05,
        seeds=(1, 2),
        max_frames=18000,
        frames_per_step=4,
        random_starts=30,
        snapshot=f"{run.name}.t7",
        snapshot_sha256=sha256,
        versions={"python": "3.11.7"},
        episodes=tuple(
            PlayedEpisode(network=n, seed=s, reward=r, steps=k, frames=4 * k, cut=c)
            for n, s, r, k, c in episodes
        ),
        clip=None,
        seen=None,
    )
