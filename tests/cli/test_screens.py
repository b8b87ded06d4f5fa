from __future__ import annotations

import click
import cv2
import pytest

from dqn_port.cli.screens import screens
from tests.tools.running import TOY_B, run, sets

WORDS = sets(TOY_B)
AGENT_PARAMS = 'preproc="preproc_toy",network="net_toy_mlp",input_dims={100},ep_endt=replay_memory'
LUA_WORDS = ("-env", "toyB", "-agent", "NeuralQLearner", "-agent_params", AGENT_PARAMS)


def test_a_sheet_is_written_and_named(capsys, tmp_path):
    path = tmp_path / "a.png"
    assert run(capsys, "screens", *WORDS, "-n", 5, "-o", path) == (
        0,
        f"5 screens of toyB: {path}\n",
        "",
    )
    assert cv2.imread(str(path)).shape[0] > 150


def test_one_screen_by_an_argument_file_and_lua_words(capsys, tmp_path):
    args_file = tmp_path / "game.json"
    args_file.write_text('{"framework": "toyfw", "env": "toyA"}')
    path = tmp_path / "a.png"
    code, out, err = run(
        capsys, "screens", "--args", args_file, "-n", 1, "-o", path, "--", *LUA_WORDS
    )
    assert (code, out) == (0, f"1 screen of toyB: {path}\n")
    assert err == (
        "dqn-port: Lua words: agent_params.ep_endt: the bare name replay_memory is nil in Lua, so "
        "ep_endt is absent and takes its default; a text needs quotes that the shell keeps: "
        "'ep_endt=\"replay_memory\"'\n"
    )


def test_without_a_number_there_are_36_in_screens_png(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "screens", *WORDS) == (0, "36 screens of toyB: screens.png\n", "")
    assert (tmp_path / "screens.png").exists()


@pytest.mark.parametrize("n", [0, 401])
def test_the_number_of_screens_has_limits(n, capsys, tmp_path):
    assert run(capsys, "screens", *WORDS, "-n", n, "-o", tmp_path / "a.png") == (
        2,
        "",
        f"dqn-port: error: invalid value for '-n' / '--screens': {n} is not in the range "
        "1<=x<=400; see `dqn-port screens --help`\n",
    )


def test_the_picture_is_a_png(capsys):
    assert run(capsys, "screens", *WORDS, "-o", "a.gif") == (
        2,
        "",
        "dqn-port: error: --out: expected the name of a file ending in .png, got 'a.gif'\n",
    )


def test_a_folder_that_is_not_there(capsys, tmp_path):
    path = tmp_path / "none" / "a.png"
    assert run(capsys, "screens", *WORDS, "-n", 1, "-o", path) == (
        1,
        "",
        f"dqn-port: error: {path}: cannot be written: its folder does not exist; make it first\n",
    )


def test_without_a_game_the_first_missing_option_is_named(capsys, tmp_path):
    assert run(capsys, "screens", "-o", tmp_path / "a.png") == (
        2,
        "",
        "dqn-port: error: framework: expected a name such as alewrap, got nothing; give it in an "
        "argument file (--args) or with --set framework=alewrap\n",
    )


def test_the_command_and_every_option_have_help():
    assert screens.help
    assert all(p.help for p in screens.params if isinstance(p, click.Option))
