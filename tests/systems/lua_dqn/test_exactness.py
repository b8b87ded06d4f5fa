from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from dqn_port.errors import TraceError
from dqn_port.games.ale.emulator import AleEmulator
from dqn_port.games.ale.roms import rom_path
from dqn_port.randoms.torch import Generator
from dqn_port.systems.lua_dqn.exactness import __main__ as program
from dqn_port.systems.lua_dqn.exactness.page import HEADINGS, is_exact
from dqn_port.systems.lua_dqn.exactness.plays import Played, look_at_all, play_thrice, replay_trace
from dqn_port.systems.lua_dqn.exactness.records import read_records, read_resets, read_trace
from dqn_port.systems.lua_dqn.game_environment import GameEnvironment
from tests.golden_files import GOLDEN

PAGE = (Path(__file__).parents[3] / "docs" / "games.md").read_text("utf-8")
RECORDS = read_records(GOLDEN)
# Plays that end soon; none of them has a trace.
QUICK = ("berzerk", "freeway", "skiing")


def rows_of_page():
    lines = [line for line in PAGE.splitlines() if line.startswith("| ")]
    lines = lines[lines.index(f"| {' | '.join(HEADINGS)} |") + 2 :]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: dict(zip(HEADINGS, row, strict=True)) for row in cells}


def played_as_on_page(row):
    right, total = map(int, row["starts"].split(" of "))
    same_rows, rows = map(int, row["trace"].split(" of ")) if row["trace"] else (None, None)
    return Played(
        game=row["game"],
        sha256=row["sha256"].strip("`"),
        same_again=row["same"] != "no",
        same_after_history=row["same"] == "yes",
        resets=total,
        resets_as_recorded=right,
        start_as_recorded=True,
        later_reset_is_xitaris="ale-py's first reset is another" in row["note"],
        trace_rows=rows,
        trace_rows_differing=None if rows is None else rows - same_rows,
    )


def test_the_page_is_what_the_program_writes_of_the_record_and_of_what_was_played(
    tmp_path, monkeypatch
):
    played = {game: played_as_on_page(row) for game, row in rows_of_page().items()}

    def look_at_all(games, golden):
        assert golden == GOLDEN
        return [played[game] for game in games]

    monkeypatch.setattr(program, "look_at_all", look_at_all)
    out = tmp_path / "games.md"
    result = CliRunner().invoke(program.exactness, ["--golden", str(GOLDEN), "-o", str(out)])
    assert (result.exit_code, result.output) == (0, f"58 games: {out}\n")
    assert out.read_text("utf-8") == PAGE


def test_what_is_played_is_what_the_page_says():
    rows = rows_of_page()
    for played in look_at_all(QUICK, GOLDEN):
        expected = played_as_on_page(rows[played.game])
        assert played.sha256.startswith(expected.sha256)
        assert played == Played(**vars(expected) | {"sha256": played.sha256})


def test_the_counts_are_those_of_the_makers_of_the_record():
    """golden README: 53 of 58, 46 of the paper's 49; plain 15, 8 of them in RAM too; the five."""
    exact = {game for game, record in RECORDS.items() if record.exact}
    paper = {game for game, record in RECORDS.items() if record.in_paper}
    plain = [record.plain for record in RECORDS.values()]
    assert (len(RECORDS), len(exact), len(paper), len(exact & paper)) == (58, 53, 49, 46)
    assert sum(set(compared.differing()) <= {"ram"} for compared in plain) == 15
    assert sum(not compared.differing() for compared in plain) == 8
    inexact = ["amidar", "beam_rider", "double_dunk", "elevator_action", "surround"]
    assert sorted(set(RECORDS) - exact) == inexact
    assert [game for game, r in RECORDS.items() if r.actions != r.ale_actions] == ["pong"]
    assert {game: (r.lives, r.ale_lives) for game, r in RECORDS.items()
            if r.lives != r.ale_lives} == {
        "amidar": (3, 0), "bank_heist": (5, 4), "demon_attack": (4, 1), "surround": (0, 1)
    }  # fmt: skip
    assert [g for g, r in RECORDS.items() if r.restored.reset_ram_varied] == ["yars_revenge"]
    assert {r.restored.frames for r in RECORDS.values()} == {2500}


def test_the_counts_on_the_page():
    """golden README: beam_rider by a trace, so 54 of 58, and 47 of the paper's 49."""
    rest = [game for game, record in RECORDS.items() if not is_exact(record)]
    assert rest == ["amidar", "double_dunk", "elevator_action", "surround"]
    assert "**54 of xitari's 58 games are exact, 47 of the paper's 49.** Not exact: amidar," in PAGE
    assert list(rows_of_page()) == list(RECORDS)
    assert "0 rows differ" in PAGE
    assert re.search(r"After (\d+) of \1 resets", PAGE)
    assert "46 more ROMs" in PAGE
    assert "4 are refused, for two have to play them: combat, joust, maze_craze, warlords." in PAGE


def check(game, emulator, steps=60, history=20):
    return play_thrice(
        RECORDS[game],
        read_resets(GOLDEN)[game],
        steps=steps,
        history=history,
        make=lambda args: GameEnvironment(emulator(args.env), args),
    )


class Sticky(AleEmulator):
    chance = np.random.default_rng(1)
    last = 0

    def act(self, action):
        if self.chance.random() > 0.25:
            self.last = action
        return super().act(self.last)


class Ageing(AleEmulator):
    """Plays otherwise after more than 250 frames, whatever was reset: a play of 60 has fewer."""

    age = 0

    def act(self, action):
        self.age += 1
        return super().act(0 if self.age > 250 else action)


def test_an_honest_emulator_plays_the_same_three_times():
    played = check("alien", AleEmulator)
    assert played.deterministic
    assert (played.resets, played.resets_as_recorded) == (4, 4)


def test_an_emulator_with_sticky_actions_is_noticed():
    played = check("alien", Sticky)
    assert not played.same_again
    assert not played.same_after_history


def test_an_emulator_that_remembers_across_resets_is_noticed():
    played = check("alien", Ageing)
    assert played.same_again
    assert not played.same_after_history
    assert not played.deterministic


def test_a_reset_that_is_not_xitaris_is_noticed():
    played = check("alien", lambda game: AleEmulator(game, reset="ale"))
    assert played.deterministic
    assert (played.resets, played.resets_as_recorded) == (4, 0)


def test_a_wrong_byte_in_the_recorded_reset_is_noticed():
    expected = read_resets(GOLDEN)["alien"]
    ram = expected.ram.copy()
    ram[5] ^= 1
    wrong = type(expected)(ram, expected.screen, expected.lives)
    played = play_thrice(RECORDS["alien"], wrong, steps=5, history=5)
    assert played.resets_as_recorded == 0
    assert not played.start_as_recorded


def hash_of_play(game, *, history=0, resets=0, frames=300):
    emulator = AleEmulator(game)
    # Loaded anew: how often the constructor resets does not count.
    emulator.ale.loadROM(rom_path(game))
    for seed, n in ((2, history), (1, frames)):
        generator, sha256 = Generator(seed), hashlib.sha256()
        for _ in range(n):
            emulator.act(emulator.actions[generator.random(len(emulator.actions)) - 1])
            sha256.update(emulator.ale.getScreen().tobytes() + emulator.ale.getRAM().tobytes())
        for _ in range(resets if seed == 2 else 0):
            emulator.reset_game()
    return sha256.hexdigest()


def test_elevator_action_depends_on_the_number_of_resets_and_on_nothing_else_before():
    plays = {
        (resets, history): hash_of_play("elevator_action", resets=resets, history=history)
        for resets in (1, 2)
        for history in (0, 150)
    }
    assert plays[1, 0] == plays[1, 150]
    assert plays[2, 0] == plays[2, 150]
    assert plays[1, 0] != plays[2, 0]


def test_beam_rider_differs_after_ale_pys_first_reset_only():
    plays = [hash_of_play("beam_rider", resets=resets) for resets in (1, 2, 3)]
    assert plays[0] != plays[1] == plays[2]
    plain = AleEmulator("beam_rider", reset="ale")
    plain.reset_game()
    np.testing.assert_array_equal(plain.ale.getRAM(), read_resets(GOLDEN)["beam_rider"].ram)


def cut_trace(folder, n_rows):
    columns, actions = read_trace("pong", GOLDEN)
    columns = {name: column[:n_rows].copy() for name, column in columns.items()}
    (folder / "ale_pong.json").write_text(json.dumps({"actions": actions}))
    np.savez(folder / "ale_pong.npz", **columns)
    return columns


def test_a_row_of_a_trace_that_differs_is_counted(tmp_path):
    columns = cut_trace(tmp_path, 80)
    assert replay_trace("pong", tmp_path) == (80, 0)
    columns["sha256"][7, 0] ^= 1
    columns["lives"][9] += 1
    np.savez(tmp_path / "ale_pong.npz", **columns)
    assert replay_trace("pong", tmp_path) == (80, 2)
    (tmp_path / "ale_pong.json").write_text('{"actions": [0, 3]}')
    assert replay_trace("pong", tmp_path) == (80, 80)
    assert replay_trace("freeway", tmp_path) is None


def test_a_missing_record_is_told_in_one_line(tmp_path):
    result = CliRunner().invoke(program.exactness, ["--golden", str(tmp_path)])
    assert result.exit_code == 1
    assert result.output == (
        f"Error: {tmp_path}/xitari_reset.json: expected a record of the original's games, "
        "got No such file or directory; name its folder with --golden\n"
    )
    (tmp_path / "xitari_reset.json").write_text('{"games": ["pong"], "per_game": {}}')
    with pytest.raises(TraceError) as caught:
        read_records(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/xitari_reset.json: expected a record of the original's games, got 'pong'; "
        "name its folder with --golden"
    )
    (tmp_path / "ale_pong.npz").write_bytes(b"none")
    (tmp_path / "ale_pong.json").write_text("{}")
    with pytest.raises(TraceError, match=r"ale_pong\.npz: expected a record of the original's"):
        read_trace("pong", tmp_path)


def test_every_option_has_help():
    assert program.exactness.help
    for param in program.exactness.params:
        assert isinstance(param, click.Option)
        assert param.help
