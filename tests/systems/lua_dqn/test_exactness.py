from __future__ import annotations

import hashlib
import json
from pathlib import Path

import click
import numpy as np
from click.testing import CliRunner

from dqn_port.exports.nature_scores import nature_scores
from dqn_port.games.ale.emulator import AleEmulator, xitari_reset
from dqn_port.games.ale.roms import rom_path
from dqn_port.randoms.torch import Generator
from dqn_port.verify.groups import GroupResult
from tests.golden_files import GOLDEN
from tests.systems.lua_dqn import exactness as program
from tests.systems.lua_dqn.exactness import HEADINGS, is_exact, plays_alike

PAGE = (Path(__file__).parents[3] / "docs" / "games.md").read_text("utf-8")
RECORDS = json.loads((GOLDEN / "xitari_reset.json").read_text())["per_game"]
TRACED = ("breakout", "montezuma_revenge", "pong", "qbert", "space_invaders")


def rows_of_page():
    lines = [line for line in PAGE.splitlines() if line.startswith("| ")]
    lines = lines[lines.index(f"| {' | '.join(HEADINGS)} |") + 2 :]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: dict(zip(HEADINGS, row, strict=True)) for row in cells}


def result(group, what, n_values):
    return GroupResult(
        group=group, kind="", what=what, n_values=n_values, n_differ=0, largest=0, largest_in="",
        differences=(), notes=(), error="", seconds=0,
    )  # fmt: skip


def test_the_page_is_what_the_program_writes_of_what_is_on_it():
    rows = rows_of_page()
    lengths = {game: rows[game]["trace"].removesuffix(": same") for game in TRACED}
    # Four traces of 526,014 values and one of 3,609: dqn-port verify.
    results = {f"ale_{game}": result(f"ale_{game}", f"{lengths[game]} of {game}", 526_014)
               for game in TRACED}  # fmt: skip
    results["ale_qbert"] = result("ale_qbert", f"{lengths['qbert']} of qbert", 3_609)
    results["xitari_reset"] = result("xitari_reset", "58 games after a reset: RAM", 3_913_390)
    alike = {game: (row["same"] != "no", row["same"] == "yes") for game, row in rows.items()}
    assert program.page(RECORDS, results, alike) == PAGE


def test_the_counts_are_those_of_the_makers_of_the_record():
    """golden README: 53 of 58, 46 of the paper's 49, beam_rider by a trace; four are not."""
    recorded = {game for game, r in RECORDS.items() if not any(r["inject"]["mismatches"].values())}
    paper = set(RECORDS) & set(nature_scores())
    assert (len(RECORDS), len(recorded), len(paper), len(recorded & paper)) == (58, 53, 49, 46)
    rest = [game for game, record in RECORDS.items() if not is_exact(game, record)]
    assert rest == ["amidar", "double_dunk", "elevator_action", "surround"]
    assert "**54 of xitari's 58 games are exact, 47 of the paper's 49.** Not exact: amidar," in PAGE
    assert "0 of 3,913,390 values differ" in PAGE
    assert {game: row["trace"].split(": ")[-1] for game, row in rows_of_page().items()
            if row["trace"]} == dict.fromkeys(TRACED, "same")  # fmt: skip


class Sticky(AleEmulator):
    chance = np.random.default_rng(1)
    last = 0

    def act(self, action):
        if self.chance.random() > 0.25:
            self.last = action
        return super().act(self.last)


class Ageing(AleEmulator):
    """Plays otherwise after more than 260 frames, whatever was reset: a play of 60 has fewer."""

    age = 0

    def act(self, action):
        self.age += 1
        return super().act(0 if self.age > 260 else action)


def test_three_plays_tell_whether_an_emulator_plays_the_same():
    assert plays_alike("alien", steps=60, history=20) == (True, True)
    assert plays_alike("alien", make=Sticky, steps=60, history=20) == (False, False)
    assert plays_alike("alien", make=Ageing, steps=60, history=20) == (True, False)


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
    np.testing.assert_array_equal(plain.ale.getRAM(), xitari_reset("beam_rider").ram)


def test_a_missing_record_is_told_in_one_line(tmp_path):
    result = CliRunner().invoke(program.exactness, ["--golden", str(tmp_path)])
    assert (result.exit_code, result.output) == (
        1, f"Error: {tmp_path}: expected traces, NAME.npz and NAME.json, got none\n"
    )  # fmt: skip


def test_every_option_has_help():
    assert program.exactness.help
    for param in program.exactness.params:
        assert isinstance(param, click.Option)
        assert param.help
