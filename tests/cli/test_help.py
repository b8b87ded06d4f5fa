"""Every command and option says what it is for."""

from __future__ import annotations

import re
import subprocess
import sys

import click
import pytest

from dqn_port import __version__
from dqn_port.cli.main import COMMANDS, dqn_port
from dqn_port.registry import SYSTEMS
from dqn_port.systems.lua_dqn.options import OPTIONS
from tests.cli.running import run


def walk(command, path=()):
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None, name
            yield from walk(inner, (*path, name))


WALKED = list(walk(dqn_port))


def test_the_walk_meets_every_command():
    names = {" ".join(path) for path, _ in WALKED}
    assert names >= {"", "args show", *COMMANDS}


@pytest.mark.parametrize(
    ("path", "command"), WALKED, ids=lambda x: " ".join(x) if isinstance(x, tuple) else ""
)
def test_every_command_and_option_has_help(path, command):
    assert (command.help or "").strip(), path
    for param in command.params:
        if isinstance(param, click.Option):
            assert (param.help or "").strip(), (*path, param.name)


@pytest.mark.parametrize("path", [path for path, _ in WALKED], ids=" ".join)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_goes_to_stdout_and_ends_with_0(capsys, path, flag):
    result = run(capsys, *path, flag)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"Usage: {' '.join(('dqn-port', *path))} ")
    command = dict(WALKED)[path]
    for param in command.params:
        if isinstance(param, click.Option):
            assert param.opts[0] in result.out
    for name in getattr(command, "list_commands", lambda _: [])(click.Context(command)):
        assert re.search(rf"^  {name}\b", result.out, re.MULTILINE)


def test_help_of_the_lua_words_names_every_option(capsys):
    result = run(capsys, "train", "--", "-help")
    assert (result.code, result.err) == (0, "")
    for option in OPTIONS:
        assert f"  -{option.name} " in result.out


def test_the_programs_are_named_first(capsys):
    result = run(capsys, "--help")
    named = re.findall(r"^  (\w+) {2,}\S", result.out.partition("Options:")[0], re.MULTILINE)
    assert named == [*SYSTEMS]
    shown = " ".join(run(capsys, "train", "--help").out.split())
    assert f"The program: {', '.join(SYSTEMS)}, or an external module:object" in shown


def test_version(capsys):
    result = run(capsys, "--version")
    assert (result.code, result.out, result.err) == (0, f"dqn-port {__version__}\n", "")
    words = [sys.executable, "-m", "dqn_port", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == result.out


@pytest.mark.parametrize("path", [(), ("args",)])
def test_a_group_without_a_command_shows_its_help(capsys, path):
    result = run(capsys, *path)
    assert result.code == 2
    assert f"{result.out}{result.err}".startswith(f"Usage: {' '.join(('dqn-port', *path))} ")
