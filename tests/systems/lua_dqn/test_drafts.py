"""Argument files and Lua words: what is read, and what is refused in one line."""

from __future__ import annotations

import pytest

from dqn_port.errors import LuaExit
from dqn_port.systems.lua_dqn.drafts import (
    Draft,
    read_args_file,
    train_cmdline,
)
from tests.systems.lua_dqn.test_options import message, of_words

# Argument files.


def of_bytes(folder, content):
    path = folder / "a.json"
    path.write_bytes(content)
    return message(read_args_file, Draft(), path).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (
            b'{\n  "seed": 1,\n  "steps" 5\n}',
            "line 3, column 11: expected JSON, got a mistake: Expecting ':' delimiter",
        ),
        (b"", "line 1, column 1: expected JSON, got a mistake: Expecting value"),
        (
            b'{"a": 1,}',
            "line 1, column 8: expected JSON, got a mistake: Illegal trailing comma before end "
            "of object",
        ),
        (b'{"seed": 1, "seed": 2}', "the key 'seed' appears twice in one object"),
        (
            b'{"agent_params": {"lr": 1, "lr": 1}}',
            "the key 'lr' appears twice in one object",
        ),
        (b'{"env": "p\xffng"}', "byte 10: expected JSON in UTF-8, got other bytes"),
        (b"[1, 2]", "expected a JSON object of options, got a list"),
        (b"null", "expected a JSON object of options, got null"),
        (b'"seed"', "expected a JSON object of options, got a string"),
        (b"5", "expected a JSON object of options, got 5"),
        (b'{"x": ' + b"[" * 200 + b"]" * 200 + b"}", "nested deeper than 100 levels"),
        (b"[" * 100_000, "nested deeper than 100 levels"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_file_that_is_no_json_object_says_where(tmp_path, content, fault):
    got = of_bytes(tmp_path, content)
    # The words for a trailing comma are those of the Python version.
    if content == b'{"a": 1,}':
        assert got.startswith("line 1, column ")
        assert ": expected JSON, got a mistake: " in got
    else:
        assert got == fault


def test_a_file_that_is_missing_or_a_folder(tmp_path):
    assert message(read_args_file, Draft(), tmp_path / "no.json") == (
        f"{tmp_path}/no.json: cannot be read: No such file or directory; legacy_args/ holds "
        "examples"
    )
    assert message(read_args_file, Draft(), tmp_path) == (
        f"{tmp_path}: cannot be read: Is a directory; legacy_args/ holds examples"
    )


PASTE = "`dqn-port args convert --words '…' NEW.json`"
SCRIPT = (
    "expected JSON, got a shell script, which is not run here; put `echo` before its last command, "
    f"run it, and paste what it prints: {PASTE}"
)


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("run_gpu", b"#!/bin/bash\nlr=0.00025\n./train -agent_params $agent_params\n", SCRIPT),
        ("run_gpu", b"cd dqn\n../torch/bin/qlua train_agent.lua $args\n", SCRIPT),
        ("run.sh", b"# \xe9\n./train\n", SCRIPT),
        (
            "log",
            b"-framework alewrap -env pong\n",
            f"expected JSON, got the words of a command line; paste them: {PASTE}",
        ),
    ],
)
def test_a_script_and_its_words_are_told_what_to_do_with(tmp_path, name, content, fault):
    path = tmp_path / name
    path.write_bytes(content)
    assert message(read_args_file, Draft(), path) == f"{path}: {fault}"


# Lua words.

LISTS = "`dqn-port train -- -help` lists the options"
LEAVES_OUT = "`dqn-port args convert --words '…' NEW.json` leaves unknown ones out"


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["--seed", "5"], f"invalid argument: --seed; {LISTS}, {LEAVES_OUT}"),
        (["stray"], f"invalid argument: stray; {LISTS}, {LEAVES_OUT}"),
        (["-seed"], f"missing argument for option -seed; {LISTS}"),
        (["-seed", "x"], f"invalid type for option -seed (should be number); {LISTS}"),
    ],
)
def test_words_at_which_the_original_stops(words, fault):
    with pytest.raises(LuaExit) as caught:
        of_words(*words)
    assert str(caught.value) == f"Lua words: {fault}"
    assert caught.value.exit_code == 2


def test_help_among_the_words_ends_with_0_and_the_list():
    with pytest.raises(LuaExit) as caught:
        of_words("-seed", "5", "-help")
    assert caught.value.exit_code == 0
    assert caught.value.help_text == train_cmdline().help_text()


def test_a_wrong_table_among_the_words():
    assert message(of_words, "-pool_frms", "size=(2") == (
        "Lua words: pool_frms: 'size=(2' is not the inside of a Lua table: character 8: "
        "expected ')', got the end of the text"
    )
    assert message(of_words, "-steps", "1.5") == (
        "Lua words: steps: expected a whole number, got 1.5"
    )
