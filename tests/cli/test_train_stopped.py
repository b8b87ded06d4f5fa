"""``dqn-port train``, stopped by signals."""

from __future__ import annotations

import re
import signal

import click
import pytest

from dqn_port.events import EpisodeEnded
from dqn_port.runs.run import Run
from tests.cli.running import run, start, write_toy


def test_stopped_before_anything_was_saved(capsys, monkeypatch, tmp_path):
    def interrupted(self, device, *, anew):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(Run, "train", interrupted)
    result = run(capsys, "train", "--args", write_toy(tmp_path), "--out", tmp_path)
    assert (result.code, result.out) == (130, "")
    assert result.err == "dqn-port: stopped at step 0 of 200; no snapshot was saved yet\n"
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


def test_a_second_sigterm_while_stopping_changes_nothing(capsys, monkeypatch, tmp_path):
    echo = click.echo

    def terminated(self, device, *, anew):
        signal.raise_signal(signal.SIGTERM)
        yield EpisodeEnded(0, 0.0)
        pytest.fail("went on")

    def echo_while_terminated(*args, **more):
        signal.raise_signal(signal.SIGTERM)
        echo(*args, **more)

    monkeypatch.setattr(Run, "train", terminated)
    monkeypatch.setattr(click, "echo", echo_while_terminated)
    previous = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        result = run(capsys, "train", "--args", write_toy(tmp_path), "--out", tmp_path)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert result.code == 143
    assert result.err == "dqn-port: stopped at step 0 of 200; no snapshot was saved yet\n"


@pytest.mark.parametrize(
    ("number", "code", "versions"),
    [(signal.SIGINT, 130, 0), (signal.SIGTERM, 143, 100)],
    ids=["SIGINT", "SIGTERM"],
)
def test_a_signal_stops_with_the_step_and_the_last_snapshot(tmp_path, number, code, versions):
    steps = 10_000_000
    args = write_toy(
        tmp_path, steps=steps, eval_freq=steps + 1, prog_freq=steps, save_versions=versions
    )
    process = start("train", "--args", args, "--out", tmp_path / "out")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Saved:"):
            break
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    match = re.fullmatch(
        r"dqn-port: stopped at step ([\d,]+) of 10,000,000; to go on: .* train --resume (.*)\n", err
    )
    assert match, err
    step = int(match[1].replace(",", ""))
    assert step >= 100
    name = "toy.t7" if versions == 0 else f"toy_{step // 100}.t7"
    assert match[2] == str(tmp_path / "out" / "toy")
    assert (tmp_path / "out" / "toy" / name).is_file()
    assert not list((tmp_path / "out").rglob("*.part"))
    assert not (tmp_path / "out" / "toy" / "run.json").exists()
