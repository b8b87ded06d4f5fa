"""How faults are shown: one line, an exit code, and a traceback only when asked for."""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import os
import signal
import subprocess
import sys

import click
import pytest

from dqn_port.arguments.trust import is_trusted, trusting
from dqn_port.cli import main as main_module
from dqn_port.errors import DqnPortError
from tests.cli.running import run
from tests.tools.running import TOY_B, make_snapshot


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["trian"], "no such command 'trian'; did you mean 'train'?; see `dqn-port --help`"),
        (["zzz"], "no such command 'zzz'; see `dqn-port --help`"),
        (["args", "zzz"], "no such command 'zzz'; see `dqn-port args --help`"),
        (["--zzz"], "no such option '--zzz'; see `dqn-port --help`"),
        (
            ["train", "--sed"],
            "no such option '--sed'; did you mean '--seed', '--set', '--steps'?; see `dqn-port "
            "train --help`",
        ),
        (
            ["train", "--overwritee"],
            "no such option '--overwritee'; did you mean '--overwrite'?; see `dqn-port train "
            "--help`",
        ),
        (["train", "--args"], "option '--args' requires an argument; see `dqn-port --help`"),
        (
            ["train", "--threads", "0"],
            "invalid value for '--threads': 0 is not in the range x>=1; "
            "see `dqn-port train --help`",
        ),
        (
            ["evaluate", "a.t7", "--epsilon", "nan"],
            "invalid value for '--epsilon': 'nan' is not a number; see `dqn-port evaluate --help`",
        ),
        (
            ["play", "a.t7", "--seed", "4294967296"],
            "invalid value for '--seed': 4294967296 is not in the range 0<=x<=4294967295; "
            "see `dqn-port play --help`",
        ),
        (
            ["evaluate", "a.t7", "--epsilon", "1.5"],
            "invalid value for '--epsilon': 1.5 is not in the range 0<=x<=1; "
            "see `dqn-port evaluate --help`",
        ),
        (
            ["evaluate", "a.t7", "--seed", "x"],
            "invalid value for '--seed': 'x' is not a valid integer range; "
            "see `dqn-port evaluate --help`",
        ),
    ],
)
def test_words_that_cannot_be_used(capsys, words, fault):
    result = run(capsys, *words)
    assert (result.code, result.out, result.error) == (2, "", fault)


@pytest.mark.parametrize("words", [["check"], ["train", "--threads", "0"]])
def test_words_that_do_not_parse_leave_trust_as_it_was(words, capsys):
    assert run(capsys, words[0], "--trust", *words[1:]).code == 2
    assert not is_trusted()
    with trusting(True):
        assert run(capsys, *words).code == 2
        assert is_trusted()


def raising(monkeypatch, error):
    """Let every command end with ``error``, with no external code in use."""
    monkeypatch.setattr("dqn_port.external._places", {})

    def raise_it(*args, **more):
        raise error

    monkeypatch.setattr(main_module.dqn_port, "invoke", raise_it)


@pytest.mark.parametrize(
    ("error", "code", "fault"),
    [
        (DqnPortError("one\ntwo\r\nthree"), 1, "one two three"),
        (click.ClickException("bad\nthing"), 1, "bad thing"),
        (click.FileError("a.json", "gone"), 1, "Could not open file 'a.json': gone"),
        (
            MemoryError(),
            1,
            "the machine has no memory left; set a smaller replay memory",
        ),
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
            1,
            "the output: No space left on device",
        ),
        (OSError(errno.EIO, "Input/output error", "a"), 1, "a: Input/output error"),
    ],
)
def test_every_fault_is_one_line(capsys, monkeypatch, error, code, fault):
    raising(monkeypatch, error)
    result = run(capsys, "roms")
    assert (result.code, result.out, result.error) == (code, "", fault)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interruption_ends_with_130(capsys, monkeypatch, error):
    raising(monkeypatch, error)
    result = run(capsys, "roms")
    assert (result.code, result.err.strip()) == (130, "dqn-port: interrupted")


def test_a_fault_of_ours_is_not_hidden(monkeypatch):
    raising(monkeypatch, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main_module.main(["roms"])


def test_debug_shows_the_traceback_before_the_line(capsys):
    result = run(capsys, "--debug", "train", "--set", "zzz=1")
    lines = result.err.splitlines()
    assert result.code == 2
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == ("dqn-port: error: --set: zzz: no such key; `dqn-port args show` lists all")


def test_debug_among_the_lua_words_is_not_ours(capsys):
    assert run(capsys, "train", "--", "--debug").error == (
        "Lua words: invalid argument: --debug; `dqn-port train -- -help` lists the options, "
        "`dqn-port args convert --words '…' NEW.json` leaves unknown ones out"
    )


def output_to(monkeypatch, raw, **more):
    """Let stdout be a text stream onto ``raw``."""
    stream = io.TextIOWrapper(raw, **more)
    monkeypatch.setattr(sys, "stdout", stream)
    return stream


def ended(words):
    with pytest.raises(SystemExit) as stop:
        main_module.main(words)
    return stop.value.code


def test_a_full_disk_behind_the_output_is_one_line(capsys, monkeypatch):
    with monkeypatch.context() as patch:
        raw = io.BufferedWriter(io.FileIO("/dev/full", "w"))
        stream = output_to(patch, raw)
        assert ended(["args", "show"]) == 1
        with contextlib.suppress(OSError):
            stream.close()
    assert capsys.readouterr().err == "dqn-port: error: the output: No space left on device\n"


def test_a_reader_that_goes_away_is_no_fault_to_tell(capsys, monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    with monkeypatch.context() as patch:
        raw = io.BufferedWriter(io.FileIO(writing, "w"))
        stream = output_to(patch, raw)
        patch.setattr(sys, "stderr", sys.stderr)
        assert ended(["args", "show"]) == 1
        with contextlib.suppress(OSError):
            stream.close()
    assert capsys.readouterr().err == ""


def test_an_output_that_cannot_hold_every_sign_is_no_fault(capsys, monkeypatch):
    raw = io.BytesIO()
    with monkeypatch.context() as patch:
        output_to(patch, raw, encoding="latin-1")
        assert ended(["args", "show"]) == 0
        text = raw.getvalue().decode("latin-1")
    assert capsys.readouterr().err == ""
    assert "\\u03b5 at the start" in text


def test_the_program_is_named_as_it_can_be_typed(monkeypatch):
    monkeypatch.setattr(main_module.shutil, "which", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["my folder/.venv/bin/dqn-port", "train"])
    assert main_module.program() == "'my folder/.venv/bin/dqn-port'"
    monkeypatch.setattr(sys, "argv", ["/x/dqn_port/__main__.py"])
    assert main_module.program() == f"{sys.executable} -m dqn_port"
    monkeypatch.setattr(main_module.shutil, "which", lambda name: "/usr/bin/dqn-port")
    assert main_module.program() == "dqn-port"


def test_sigterm_ends_any_command_in_one_line_and_leaves_no_part_of_a_file(tmp_path):
    code = (
        "import signal, sys; from dqn_port.cli import main\n"
        "from dqn_port.systems.lua_dqn.player import Player\n"
        "Player.step = lambda *a, **k: signal.raise_signal(signal.SIGTERM)\n"
        f"main.main(['play', {str(tmp_path / 'toy.t7')!r}, '--gif', {str(tmp_path / 'a.gif')!r}])"
    )
    make_snapshot(tmp_path / "toy.t7", TOY_B)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (143, "dqn-port: terminated\n")
    assert [p.name for p in tmp_path.iterdir()] == ["toy.t7"]


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_signal_waits_until_a_command_is_imported(capsys, monkeypatch, number, code, said):
    imported, find = [], importlib.import_module

    def interrupted(module):
        signal.raise_signal(number)
        imported.append(module)
        return find(module)

    monkeypatch.setattr(main_module.importlib, "import_module", interrupted)
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        result = run(capsys, "roms")
    finally:
        signal.signal(signal.SIGINT, previous)
    assert (result.code, result.out, result.err.strip()) == (code, "", f"dqn-port: {said}")
    assert imported[0] == "dqn_port.cli.roms"
