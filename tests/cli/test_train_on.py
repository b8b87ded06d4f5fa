"""``dqn-port train`` stopped, and ``--resume``: a run goes on, or becomes longer, on Pong."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess

import click
import pytest

from dqn_port.cli.main import program
from dqn_port.events import EpisodeEnded
from dqn_port.runs.run import Run
from tests.cli.running import run, start, write_pong, write_toy
from tests.comparing import assert_same_runs, contents


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with pong.json and t, its finished run."""
    folder = tmp_path_factory.mktemp("finished")
    process = start("train", "--args", write_pong(folder), "--out", folder)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    return folder, out


@pytest.fixture
def there(finished, tmp_path):
    """A copy of the run that may be changed."""
    return shutil.copytree(finished[0] / "t", tmp_path / "t")


def resume(capsys, folder, *words):
    return run(capsys, "train", "--quiet", "--resume", folder, *words)


@pytest.fixture(scope="module")
def longer(tmp_path_factory):
    """A folder with t, a run that takes long enough to be stopped in the middle."""
    folder = tmp_path_factory.mktemp("longer")
    process = start("train", "--args", write_pong(folder, steps=2000), "--out", folder, "--quiet")
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    return folder


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


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_goes_on_by_the_words_that_are_printed(longer, tmp_path, number, code):
    args = write_pong(tmp_path, steps=2000)
    process = start("train", "--args", args, "--out", tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Saved:"):
            break
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    stopped = re.fullmatch(
        r"dqn-port: stopped at step ([\d,]+) of 2,000; to go on: (.* train --resume .*)\n", err
    )
    assert stopped, err
    assert 100 <= int(stopped[1].replace(",", "")) < 2000
    assert (tmp_path / "t" / "t.t7").is_file()
    assert not (tmp_path / "t" / "run.json").exists()
    assert not list(tmp_path.rglob("*.part"))
    went_on = subprocess.run(shlex.split(stopped[2]), capture_output=True, text=True, check=False)
    assert (went_on.returncode, went_on.stderr) == (0, "")
    assert went_on.stdout.startswith(f"{tmp_path}/t goes on from step {stopped[1]}.\n")
    assert_same_runs(longer / "t", tmp_path / "t")


def test_a_lengthened_run_is_the_one_that_was_begun_longer(capsys, there, tmp_path):
    args = write_pong(tmp_path, steps=500)
    assert run(capsys, "train", "--quiet", "--args", args, "--out", tmp_path / "long").code == 0
    result = resume(capsys, there, "--set", "steps=500")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert_same_runs(tmp_path / "long" / "t", there)
    assert (there / "args.json").read_bytes() == (tmp_path / "long/t/args.json").read_bytes()
    # And once more, by its snapshot's name, from checkpoints that its new end has left.
    assert run(capsys, "train", "--resume", there / "t.t7", "--set", "steps=510").code == 0
    assert json.loads((there / "run.json").read_text())["steps"] == 510


def test_a_run_killed_while_it_is_lengthened_is_never_taken_for_finished(capsys, there):
    process = start("train", "--resume", there, "--set", "steps=100000")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Iteration"):
            break
    process.kill()
    process.communicate()
    assert not (there / "run.json").exists()
    result = run(capsys, "train", "--resume", there, "--set", "steps=300")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"{there} goes on from step 260.\n")
    assert json.loads((there / "run.json").read_text())["steps"] == 300


def test_a_run_goes_on_in_its_own_folder_alone(capsys, there, tmp_path):
    result = resume(capsys, there, "--out", tmp_path / "other")
    assert (result.code, result.error) == (
        2,
        f"--resume {there}, --out {tmp_path}/other: expected one of them: the run goes on in its "
        "own folder",
    )


def test_a_damaged_args_json_is_said(capsys, there):
    (there / "args.json").write_text('{"system": ')
    for words in (("evaluate", there), ("train", "--network", there)):
        result = run(capsys, *words)
        assert result.code == 1
        assert result.error == (
            f"{there}/args.json: cannot be read: Expecting value: line 1 column 12 (char 11); "
            "--overwrite replaces the run"
        )


def test_what_changes_no_number_goes_with_resume(capsys, there):
    words = ("threads=2", "verbose=0", "prog_freq=50", "save_freq=70", "steps=270")
    result = resume(capsys, there, *(word for text in words for word in ("--set", text)))
    assert (result.code, result.out, result.err) == (0, "", "")
    found = json.loads((there / "args.json").read_text())
    assert [f"{key}={found[key]}" for key in (text.partition("=")[0] for text in words)] == [*words]
    result = run(capsys, "train", "--resume", there, "--threads", "1")
    assert result.out.startswith(f"{there} is finished: nothing to do.\n")


def test_what_changes_a_number_is_refused_with_words_that_begin_another_run(capsys, there):
    before = contents(there)
    result = resume(capsys, there, "--set", "agent_params.lr=0.01", "--set", "steps=270")
    words = f"train --network {there} --set name=t_2 --set agent_params.lr=0.01 --set steps=270"
    assert (result.code, result.error) == (
        2,
        f"--resume {there}: expected steps and what changes no number, got agent_params.lr; "
        f"another run from its network: {program()} {words}",
    )
    assert contents(there) == before
    result = run(capsys, *shlex.split(words), "--out", there.parent)
    assert result.code == 0
    assert result.err == (
        f"dqn-port: starts from the network of {there}/t.t7; the replay memory is "
        "empty, and exploration and counters begin as the options say (--resume RUN --set steps=… "
        "trains a run longer)\n"
    )
    found = json.loads((there.parent / "t_2" / "args.json").read_text())
    assert (found["steps"], found["agent_params"]["lr"], found["env"]) == (270, 0.01, "pong")


def test_a_pipelines_run_is_lengthened_as_a_copy(capsys, monkeypatch, there):
    folder = there.parent / "0123456789" / "t"
    shutil.copytree(there, folder)
    result = resume(capsys, folder, "--set", "steps=300")
    said, _, copy = result.error.partition(", after: ")
    assert (result.code, said) == (
        2,
        f"--resume {folder}: a pipeline's run cannot change, its folder's name stands for its "
        "steps; go on with a copy, longer/t",
    )
    monkeypatch.chdir(there.parent)
    subprocess.run(copy, shell=True, check=True)
    assert resume(capsys, "longer/t", "--set", "steps=300").code == 0
    assert resume(capsys, folder).code == 0
    shutil.rmtree(folder / "checkpoint")
    result = resume(capsys, folder, "--set", "steps=300")
    assert result.error.endswith(
        "its steps; and its checkpoint is gone, which `pipeline run --keep-checkpoint` keeps"
    )


@pytest.mark.parametrize(
    ("words", "code", "fault"),
    [
        (
            ["--set", "steps=100"],
            2,
            "steps: expected at least 260 agent steps, already trained, got 100",
        ),
        (
            ["--set", "name=u"],
            2,
            "--resume {0}: expected a folder named 'u', as its run is; rename it",
        ),
        (
            ["--set", "steps=300"],
            2,
            "{0}: the run is finished and its checkpoint is gone, so it cannot be lengthened; "
            "--network starts another run from its network",
        ),
    ],
)
def test_faults_of_lengthening(capsys, there, words, code, fault):
    if "gone" in fault:
        # As an older version left it.
        shutil.rmtree(there / "checkpoint")
    before = contents(there)
    result = resume(capsys, there, *words)
    assert (result.code, result.out, result.error) == (code, "", fault.format(there))
    assert contents(there) == before


def test_what_a_finished_run_prints_to_try_next_works(finished, tmp_path):
    folder, out = finished
    there = shutil.copytree(folder / "t", tmp_path / "t")
    lines = out.partition("Try next:\n")[2].replace(str(folder / "t"), str(there)).splitlines()
    commands = [line.strip() for line in lines if line.startswith("  ")]
    assert len(commands) == 4
    for command in commands:
        limit = ["--max-frames", "400"] if " evaluate " in command or " play " in command else []
        words = [*shlex.split(command), *limit]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), command
    assert (there / "episode.gif").is_file()
    assert json.loads((there / "run.json").read_text())["steps"] == 520
    assert not (there / "checkpoint").exists()
