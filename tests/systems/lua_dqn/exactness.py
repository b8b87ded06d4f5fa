"""Which games play as in the original's emulator: writes docs/games.md.

The page joins what was recorded with xitari itself (golden xitari_reset.json), the comparison with
the original's traces, and playing every game three times. Run by ``make docs-games``.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Final

import ale_py
import click
from ale_py import roms

from dqn_port.errors import DqnPortError
from dqn_port.exports.nature_scores import nature_scores
from dqn_port.games.ale.emulator import AleEmulator
from dqn_port.games.ale.roms import expected_md5s
from dqn_port.randoms.torch import Generator
from dqn_port.systems.lua_dqn.game_environment import Emulator, GameEnvironment
from dqn_port.systems.lua_dqn.slots import EnvironmentArgs
from dqn_port.verify.groups import GroupResult, verify
from dqn_port.verify.traces import find_groups

RESETS: Final = "xitari_reset"
SEEN: Final = {
    "screen": "screen",
    "rgb": "colours",
    "reward": "reward",
    "lives": "lives",
    "over": "game over",
    "ram": "RAM",
}
"""Every recorded column, and its name on the page."""
TRACED: Final = {"beam_rider": 401}
"""Game → rows of the original's own trace, all equal by [1]; the trace is not at hand."""
NOTES: Final = {
    "beam_rider": (
        "after ale-py's second reset, unlike its first, its own RAM is xitari's, so it is reset "
        f"twice; the original's own trace, {TRACED['beam_rider']} rows, is then played the same [1]"
    ),
    "double_dunk": "of the original's own trace only row 0 differs [1]",
    "elevator_action": (
        "xitari itself did not play it twice alike [1]; in ale-py a game depends on how many "
        "resets came before, as each fills the cartridge's own RAM with other random bytes [2], "
        "but a run with its seed stays the same"
    ),
    "qbert": (
        "the null frame that the original plays and undoes when it makes the game is not undone: "
        "the first game begins a frame later, there and here"
    ),
}
_SOURCES: Final = (
    "[1] The makers of the record, along with it. They add what it does not hold: five exact "
    "games, not named, stayed so over 20,000 frames with resets; of the original's own traces "
    "beam_rider's is equal in all 401 rows, and double_dunk's in all but row 0.",
    "[2] https://github.com/Farama-Foundation/Arcade-Learning-Environment/pull/401; after equally "
    "many resets the play is the same, whatever was played between them "
    "(`tests/systems/lua_dqn/test_exactness.py`).",
)
HEADINGS: Final = (
    *("game", "paper", "actions", "lives", "exact", "`reset=ale`", "trace", "same", "note"),
)
_LEGEND: Final = """\
| column | means |
|---|---|
| paper | one of the 49 games of Mnih et al. 2015 |
| actions | xitari's minimal action set, used here |
| lives | right after a reset in xitari, restored here; in brackets ale-py's, where another |
| exact | recorded: nothing differs once the reset is restored; or by a trace of the original's |
| `reset=ale` | recorded: the same without restoring; if not, the first other frame, from 0 |
| trace | `dqn-port verify`: rows of the original's own trace, and whether they are the same here |
| same | played here: three times the same |
"""
STEPS: Final = 1000
"""Agent steps of a play."""
HISTORY: Final = 300
"""Agent steps of what is played before the third play."""

Records = Mapping[str, Mapping[str, Any]]


def play(emulator: Emulator, game: str, *, seed: int, steps: int) -> str:
    """Play random actions as a training does; return the sha256 of every screen and reward."""
    generator, sha256 = Generator(seed), hashlib.sha256()
    args = EnvironmentArgs(
        env=game,
        game_path="",
        env_params={"useRGB": True},
        pool_frms={"type": "max", "size": 2},
        actrep=4,
        random_starts=30,
        generator=generator,
    )
    env = GameEnvironment(emulator, args)
    terminal = False
    for _ in range(steps):
        if terminal:
            screen, reward, terminal = env.next_random_game()
        else:
            action = env.actions[generator.random(len(env.actions)) - 1]
            screen, reward, terminal = env.step(action, training=True)
        sha256.update(screen.frames.tobytes() + repr((reward, terminal, env.lives)).encode())
    return sha256.hexdigest()


def plays_alike(
    game: str,
    *,
    make: type[AleEmulator] = AleEmulator,
    steps: int = STEPS,
    history: int = HISTORY,
) -> tuple[bool, bool]:
    """Tell whether a game plays the same in a fresh emulator, and after another play."""
    emulator = make(game)
    first = play(emulator, game, seed=1, steps=steps)
    emulator.reset_game()
    play(emulator, game, seed=2, steps=history)
    emulator.reset_game()
    again = play(emulator, game, seed=1, steps=steps)
    return play(make(game), game, seed=1, steps=steps) == first, again == first


def is_exact(game: str, record: Mapping[str, Any]) -> bool:
    """Tell whether a game plays as in xitari, by the record or by a trace of the original's."""
    return game in TRACED or not _differing(record["inject"])


def page(
    records: Records, results: Mapping[str, GroupResult], alike: Mapping[str, tuple[bool, bool]]
) -> str:
    """Return the whole page as Markdown.

    ``results``: of the traces, by group; ``alike``: what plays_alike gives, by game.
    """
    rows = [_cells(game, record, results, alike[game]) for game, record in records.items()]
    table = "\n".join(
        f"| {' | '.join(row)} |" for row in [HEADINGS, ["---"] * len(HEADINGS), *rows]
    )
    parts = [
        "# Which games play as in the original's emulator",
        *map(_paragraph, _introduction(records, results, alike)),
        f"{_LEGEND}\n{table}",
        *map(_paragraph, _SOURCES),
        *_other_games(records),
    ]
    return "\n\n".join(parts) + "\n"


def _introduction(
    records: Records, results: Mapping[str, GroupResult], alike: Mapping[str, tuple[bool, bool]]
) -> list[str]:
    exact = [game for game, record in records.items() if is_exact(game, record)]
    paper = [game for game in records if game in nature_scores()]
    as_seen = {game: r for game, r in records.items() if not set(_differing(r["plain"])) - {"ram"}}
    in_all = [game for game, record in as_seen.items() if not _differing(record["plain"])]
    other_start = [
        game
        for game, record in as_seen.items()
        if record["lives0"][0] != record["lives0"][1] or record["reset_screen_diff_px"]
    ]
    traced = {name.removeprefix("ale_"): r for name, r in results.items() if name != RESETS}
    same = [game for game, both in alike.items() if all(both)]
    return [
        "The original played on xitari; here ale-py plays. A game is **exact** if, with what "
        "xitari's reset left in RAM written into ale-py after its resets, both showed the same "
        "from then on, frame by frame: screen (palette indices and colours), reward, lives, "
        "game over and RAM. This was recorded with xitari itself and ale-py 0.12.1, both "
        "playing the same 2,500 random actions (`tests/golden/xitari_reset.json`). "
        f"{_list(TRACED)} is counted by the original's own trace of it.",
        f"**{len(exact)} of xitari's {len(records)} games are exact, "
        f"{len(set(exact) & set(paper))} of the paper's {len(paper)}.** Not exact: "
        f"{_list(_without(records, exact))}; see the notes.",
        f"Without the restored reset (`--set env_params.reset=ale`) {len(as_seen)} games "
        "showed the same from the first frame after it on (before it, other lives or another "
        f"screen: {_list(other_start)}), {len(in_all)} of them with the same RAM: "
        f"{_list(in_all)}.",
        "`make docs-games` writes this page anew, in about a minute on two cores, with ale-py "
        f"{ale_py.__version__}. It runs `dqn-port verify` on the recorded resets (RAM, screen, "
        f"lives and actions of {results[RESETS].what.partition(' after')[0]}, each reset twice: "
        f"{results[RESETS].n_differ} of {results[RESETS].n_values:,} values differ) and on the "
        f"original's own traces of {_list(traced)} "
        f"({sum(r.n_differ for r in traced.values())} of "
        f"{sum(r.n_values for r in traced.values()):,} values differ). And it plays every game "
        f"three times, {STEPS:,} agent steps of the same random actions: in two fresh emulators, "
        f"and in the first again after {HISTORY} steps of other actions and a reset. Screens, "
        f"rewards, lives and terminals were the same three times for {len(same)} of {len(alike)} "
        f"(not {_list(_without(alike, same))}), in the two fresh ones for "
        f"{sum(fresh for fresh, _ in alike.values())}.",
    ]


def _cells(
    game: str,
    record: Mapping[str, Any],
    results: Mapping[str, GroupResult],
    alike: tuple[bool, bool],
) -> list[str]:
    lives, ale_lives = record["lives0"]
    plain, trace = record["plain"], results.get(f"ale_{game}")
    differing = [column for column in _differing(plain) if column != "ram"]
    without_restoring = "yes, but RAM" if _differing(plain) else "yes"
    if differing:
        without_restoring = f"no: {min(plain['first'][column] for column in differing)}"
    traced = ""
    if trace is not None:
        traced = f"{trace.what.partition(' of')[0]}: {'same' if trace.same else '**differs**'}"
    return [
        game,
        "✓" if game in nature_scores() else "",
        _ranges(record["xitari_actions"]),
        str(lives) if lives == ale_lives else f"{lives} ({ale_lives})",
        "yes" if is_exact(game, record) else "**no**",
        without_restoring,
        traced,
        "yes" if all(alike) else "no: not after a reset" if alike[0] else "no",
        "; ".join(_notes(game, record)),
    ]


def _notes(game: str, record: Mapping[str, Any]) -> list[str]:
    restored, found = record["inject"], []
    if _differing(restored):
        columns = (
            f"{SEEN[c]} in {restored['mismatches'][c]} (from {restored['first'][c]})"
            for c in _differing(restored)
            if c != "rgb" or not restored["mismatches"]["screen"]
        )
        found.append(f"of {restored['frames']} frames differ: {', '.join(columns)}")
    if restored["reset_ram_varied"]:
        found.append(
            "in xitari the RAM after a reset depended on what was played before: only a game begun "
            "with the recorded RAM is sure to be exact"
        )
    if game in NOTES:
        found.append(NOTES[game])
    if record["ale_actions"] != record["xitari_actions"]:
        found.append(f"ale-py's own set is {_ranges(record['ale_actions'])}")
    if record["reset_screen_diff_px"]:
        found.append(f"ale-py's reset screen: {record['reset_screen_diff_px']} other pixels")
    return found


def _other_games(records: Records) -> list[str]:
    playable = set(expected_md5s())
    unknown = sorted(playable - set(records))
    refused = sorted(set(roms.get_all_rom_ids()) - playable)
    return [
        "## Games that xitari did not know",
        _paragraph(
            f"{len(unknown)} more ROMs of ale-py's can be played. They start as in ale-py, as "
            f"there is nothing to restore: {_list(unknown)}."
        ),
        _paragraph(f"{len(refused)} need two players and are refused: {_list(refused)}."),
    ]


def _differing(compared: Mapping[str, Any]) -> list[str]:
    """Return the columns that differed, in the order of SEEN."""
    return [column for column in SEEN if compared["mismatches"][column]]


def _paragraph(text: str) -> str:
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


def _ranges(actions: Sequence[int]) -> str:
    """Return sorted numbers with runs of three or more shortened: 0–4, 6, 7."""
    runs: list[list[int]] = []
    for action in actions:
        if runs and action == runs[-1][-1] + 1:
            runs[-1].append(action)
        else:
            runs.append([action])
    return ", ".join(
        f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs
    )


def _without(games: Iterable[str], some: Sequence[str]) -> list[str]:
    return [game for game in games if game not in some]


def _list(words: Iterable[str]) -> str:
    return ", ".join(words) or "none"


@click.command()
@click.option(
    "--golden",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    default=Path("tests/golden"),
    show_default=True,
    metavar="DIR",
    help="Where xitari_reset.json, xitari_reset.npz and the ale traces are.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("docs/games.md"),
    show_default=True,
    metavar="FILE.md",
    help="The page to write.",
)
def exactness(golden: Path, out: Path) -> None:
    """Play every game of xitari's and write which of them are the original's frame by frame."""
    try:
        groups = [group.name for group in find_groups(golden) if group.name.startswith("ale_")]
        results = {r.group: r for r in verify(golden, only=(RESETS, *groups))}
        table = json.loads((golden / f"{RESETS}.json").read_text("utf-8"))
        records = {game: table["per_game"][game] for game in table["games"]}
        with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
            alike = dict(zip(records, pool.map(plays_alike, records), strict=True))
        out.write_text(page(records, results, alike), encoding="utf-8")
    except (DqnPortError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{len(records)} games: {out}")


if __name__ == "__main__":
    exactness()
