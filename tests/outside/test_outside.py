"""The whole life of a system of others, through the commands that a user types."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.cli.running import run
from tests.comparing import assert_same_runs

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
SMALL = ("--set", "system=small_dqn:System", "--trust", "--seed", "1")
LENGTH = ("--length", "900", "--set", "eval_every=300")


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a finished run."""
    out = tmp_path_factory.mktemp("outside")
    start("train", *SMALL, *LENGTH, "--out", out, "--name", "small").communicate(timeout=120)
    return out / "small"


def start(*words, **more):
    environment = os.environ | {"PYTHONPATH": f"{FOLDER}{os.pathsep}{ROOT}"}
    return subprocess.Popen(
        [sys.executable, "-m", "dqn_port", *map(str, words)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


def test_it_leaves_what_every_run_leaves(trained, capsys):
    names = {path.name for path in trained.iterdir()}
    assert names == {"args.json", "history.csv", "run.json", "small.safetensors", "checkpoint"}
    arguments = json.loads((trained / "args.json").read_text())
    assert (arguments["system"], arguments["steps"]) == ("small_dqn:System", 900)
    checked = run(capsys, "check", trained, "--trust")
    assert checked.code == 0
    assert "small.safetensors  good" in checked.out
    shown = run(capsys, "history", "show", trained, "--trust").out
    assert "small: CartPole-v1, seed 1, finished" in shown


def test_its_run_is_estimated(capsys):
    result = run(capsys, "estimate", *SMALL, "--length", "3000")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("small_dqn, CartPole-v1: 3,000 agent steps, on cpu\n")
    assert re.search(r"^learning  3,000 +[\d.]+ +[\d.]+$", result.out, re.MULTILINE)
    assert "?" not in result.out


@pytest.mark.parametrize(
    "words",
    [("train", "--resume"), ("evaluate",), ("check",), ("history", "show"), ("report",)],
)
def test_code_of_others_is_not_imported_unasked(trained, capsys, tmp_path, words):
    sys.modules.pop("small_dqn", None)
    more = ["-o", tmp_path / "a.html"] if words == ("report",) else []
    refused = run(capsys, *words, trained, *more)
    assert refused.code != 0
    assert refused.error.startswith(
        "system: 'small_dqn:System' is external code, and importing runs it; if you trust it: "
    )
    assert "--trust" in refused.error
    assert "small_dqn" not in sys.modules


def test_killed_and_stopped_it_goes_on_to_the_bit(trained, tmp_path):
    words = (*SMALL, *LENGTH, "--out", tmp_path, "--name", "small", "--checkpoint-every", "0.05")
    rng = np.random.default_rng(0)
    for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM):
        process = start("train", *words)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            if len(list((tmp_path / "small").glob("checkpoint/*.json"))) > 0:
                break
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.2))
        process.send_signal(number)
        process.communicate(timeout=60)
    last = start("train", "--resume", tmp_path / "small", "--trust")
    _, error = last.communicate(timeout=120)
    assert last.returncode == 0, error
    assert_same_runs(trained, tmp_path / "small")


def test_more_steps_give_what_a_longer_run_gives(trained, tmp_path, capsys):
    words = (*SMALL, "--set", "eval_every=300", "--out", tmp_path, "--quiet")
    assert run(capsys, "train", *words, "--length", "600", "--name", "small").code == 0
    longer = ("train", "--resume", tmp_path / "small", "--length", "900", "--trust", "--quiet")
    assert run(capsys, *longer).code == 0
    assert_same_runs(trained, tmp_path / "small")


def test_its_networks_are_played_recorded_and_exported(trained, capsys, tmp_path):
    played = run(capsys, "evaluate", trained, "--trust", "--episodes", "2", "--best")
    assert "CartPole-v1: the best network of" in played.out
    record, page = tmp_path / "evaluation-small", tmp_path / "small.html"
    assert run(capsys, "record", trained, "-o", record, "--episodes", "2", "--trust").code == 0
    told = json.loads((record / "evaluation.json").read_text())
    assert len(told["vectors"]["seen"]) == told["episodes"][told["vectors"]["episode"]]["steps"]
    assert len(told["vectors"]["seen"][0]) == 4
    words = ("--evaluation", record, "-o", page, "--trust")
    assert run(capsys, "report", trained, *words).code == 0
    assert "What the agent saw, one line per number" in page.read_text()
    words = ("-o", page, "--episodes", "3", "--trust")
    assert run(capsys, "diagnose", trained, *words).code == 0
    text = page.read_text()
    assert "The system does not tell its discount, so there are no returns" in text
    assert "The system does not name its actions" in text
    words = ("--evaluation", record, "-o", tmp_path / "small.h5", "--trust")
    assert run(capsys, "history", "export", trained, *words).code == 0
    # A file of histories describes itself: nothing of others is imported to read it.
    sys.modules.pop("small_dqn", None)
    shown = run(capsys, "history", "show", tmp_path / "small.h5").out
    assert "evaluated, best network:" in shown
    assert "small_dqn" not in sys.modules
    refused = run(capsys, "play", trained, "--gif", tmp_path / "a.gif", "--trust")
    assert refused.error == (
        "--gif: expected a game with pictures, got CartPole-v1 without; `dqn-port record` keeps "
        "what is seen as numbers"
    )
    weights = ("export-weights", trained, "-o", tmp_path / "a.pt", "--trust")
    assert run(capsys, *weights).code == 0
    new = ("--network", trained, "--best", "--trust", "--out", tmp_path, "--quiet", "--name", "two")
    assert run(capsys, "train", *new, "--length", "40").code == 0
    arguments = json.loads((tmp_path / "two" / "args.json").read_text())
    assert arguments["network"] == str(trained / "small.safetensors")


def test_it_runs_as_a_pipeline(tmp_path):
    args = tmp_path / "small.json"
    args.write_text(json.dumps({"system": "small_dqn:System", "steps": 300, "eval_every": 100}))
    words = ("--args", args, "--out", tmp_path / "out", "--episodes", "2", "--seed", "1")
    process = start("pipeline", "run", *words, "--trust")
    _, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    (page,) = (tmp_path / "out" / "small").glob("latest/report-*.html")
    assert "CartPole-v1" in page.read_text()
    refused = start("pipeline", "run", *words)
    _, error = refused.communicate(timeout=120)
    assert "is external code" in error


def test_the_page_shows_the_whole_file_and_commands_that_work(tmp_path):
    page = (ROOT / "docs" / "systems.md").read_text()
    assert (FOLDER / "small_dqn.py").read_text() in page
    block = page.split("which no file can grant:\n\n```\n")[1].split("```")[0]
    assert block.startswith("dqn-port train")
    for line in block.splitlines():
        words = shlex.split(line)[1:]
        # Fewer steps than shown: the tests have little time.
        words = [word.replace("steps=4000", "steps=2100") for word in words]
        process = start(*words, cwd=tmp_path)
        _, error = process.communicate(timeout=300)
        assert process.returncode == 0, (line, error)
