from __future__ import annotations

import json
import subprocess
import sys

import ale_py  # noqa: F401  (it registers its games)
import click
import gymnasium
import pytest

from dqn_port.cli import roms
from dqn_port.games.ale.emulator import AleEmulator
from dqn_port.games.ale.games import Game
from dqn_port.games.ale.roms import expected_md5s, rom_of_id, rom_path
from tests.tools.running import run

PONG = "pong        ok  60e0ea3cbe0913d39803477945e9e5ec  0 3-4"
BREAKOUT = "breakout    ok  f34f08e5eb96e500e851a80be3277a56  0-1 3-4"
BASIC_MATH = "basic_math  ok  819aeeb9a2e11deb54e6de334f843894  0-5"


def dqn_port(*words):
    return [sys.executable, "-m", "dqn_port", *words]


def test_the_games_named_are_shown(capsys):
    code, out, err = run(capsys, "roms", "pong", "breakout", "basic_math")
    assert (code, err) == (0, "")
    assert out.splitlines() == [PONG, BREAKOUT, BASIC_MATH]


def test_json_holds_the_same(capsys):
    code, out, err = run(capsys, "roms", "--json", "pong")
    assert (code, err) == (0, "")
    assert json.loads(out) == [
        {
            "name": "pong",
            "state": "ok",
            "md5": "60e0ea3cbe0913d39803477945e9e5ec",
            "actions": [0, 3, 4],
            "action_names": ["NOOP", "RIGHT", "LEFT"],
        }
    ]


def test_every_game_that_can_be_played_is_listed():
    result = subprocess.run(dqn_port("roms", "--json"), capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    games = json.loads(result.stdout)
    assert [game["name"] for game in games] == list(expected_md5s())
    assert len(games) > 100
    assert {game["state"] for game in games} == {"ok"}
    assert {game["name"]: game["md5"] for game in games}.items() <= expected_md5s().items()
    width = max(len(game["name"]) for game in games)
    assert max(len(roms.line_of(Game(**game), width)) for game in games) <= 80
    actions = {game["name"]: game["actions"] for game in games}
    for name in ("pong", "ms_pacman", "zaxxon"):
        assert actions[name] == list(AleEmulator(name).actions)


def test_a_reader_that_leaves_ends_it_quietly():
    with subprocess.Popen(
        dqn_port("roms"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline().startswith("adventure ")
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode in (0, 1)


def test_the_files_of_a_folder_are_looked_at(capsys, tmp_path):
    (tmp_path / "pong.bin").write_bytes(rom_path("pong").read_bytes())
    (tmp_path / "breakout.bin").write_bytes(b"")
    (tmp_path / "seaquest.bin").mkdir()
    words = ("roms", "--game-path", tmp_path, "breakout", "pong", "seaquest", "freeway")
    assert run(capsys, *words) == (
        0,
        "breakout  other md5 d41d8cd98f00b204e9800998ecf8427e\n"
        "pong      ok  60e0ea3cbe0913d39803477945e9e5ec  0 3-4\n"
        "seaquest  unreadable: Is a directory\n"
        "freeway   missing\n",
        "",
    )
    code, out, err = run(capsys, "roms", "--game-path", tmp_path, "--json")
    assert (code, err) == (0, "")
    games = json.loads(out)
    assert len(games) > 100
    assert [game["name"] for game in games if game["state"] == "ok"] == ["pong"]
    assert {game["md5"] for game in games if game["state"] != "ok"} == {None}
    assert {game["actions"] for game in games if game["state"] != "ok"} == {None}


def test_a_game_for_two_players_is_not_given_to_ale(capsys):
    assert run(capsys, "roms", "pong", "combat") == (
        2,
        "",
        "dqn-port: error: env: expected a game for one player, got 'combat', which two have to "
        "play; `dqn-port roms` lists them\n",
    )


def test_gymnasiums_ids_are_read_as_the_names_of_roms():
    specs = [
        spec
        for spec in gymnasium.registry.values()
        if str(spec.entry_point).startswith("ale_py") and spec.kwargs["game"] in expected_md5s()
    ]
    assert len(specs) > 300
    assert {spec.id for spec in specs if rom_of_id(spec.id) != spec.kwargs["game"]} == set()
    assert rom_of_id("SpaceInvaders") == "space_invaders"
    for name in ("CartPole-v1", "Pong-v", "ALE/", "", "ALE/Combat-v5"):
        assert rom_of_id(name) is None


@pytest.mark.parametrize("name", ["PongNoFrameskip-v4", "ALE/Pong-v5", "Pong-ram-v0", "Pong"])
def test_a_name_of_gymnasiums_gets_the_games_name_as_a_hint(capsys, name):
    assert run(capsys, "roms", name) == (
        2,
        "",
        f"dqn-port: error: env: no game is named '{name}'; did you mean 'pong'?; "
        "`dqn-port roms` lists them\n",
    )


def test_an_unknown_game_is_one_line(capsys):
    assert run(capsys, "roms", "breakout", "pnog") == (
        2,
        "",
        "dqn-port: error: env: no game is named 'pnog'; did you mean 'pong'?; "
        "`dqn-port roms` lists them\n",
    )


def test_a_folder_that_is_not_there(capsys, tmp_path):
    path = tmp_path / "none"
    assert run(capsys, "roms", "--game-path", path) == (
        2,
        "",
        f"dqn-port: error: invalid value for '--game-path': Directory '{path}' does not exist; "
        "see `dqn-port roms --help`\n",
    )


def test_the_command_and_every_option_have_help():
    assert roms.roms.help
    assert all(p.help for p in roms.roms.params if isinstance(p, click.Option))
