"""The page: counts, one row a game, and the ROMs of which nothing is known."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import ale_py
from ale_py import roms

from dqn_port.games.ale.roms import expected_md5s
from dqn_port.systems.lua_dqn.exactness.plays import (
    ACTREP,
    HISTORY,
    POOL_FRMS,
    RANDOM_STARTS,
    STEPS,
    Played,
)
from dqn_port.systems.lua_dqn.exactness.records import SEEN, Compared, Record

NOTES: Final = {
    "elevator_action": (
        "xitari itself did not play it twice alike [1]; in ale-py a game depends on how many "
        "resets came before, for each fills the cartridge's own RAM with other random bytes [2], "
        "yet a run with its seed stays the same"
    ),
    "double_dunk": "of the original's own trace only row 0 differs [1]",
    "qbert": (
        "the null frame that the original plays and undoes when it makes the game is not undone "
        "here: the first game begins a frame later, there as here"
    ),
}
"""What neither the record of a game nor a play of it tells."""

TRACED: Final = {"beam_rider": 401}
"""Game → rows of the original's own trace, all equal by [1]; the trace is not at hand."""

_SOURCES: Final = (
    "[1] The makers of the record, along with it. They add what it does not hold: five exact "
    "games, not named, stayed so over 20,000 frames with resets; of the original's own traces "
    "beam_rider's is equal in all 401 rows, and double_dunk's in all but row 0.",
    "[2] https://github.com/Farama-Foundation/Arcade-Learning-Environment/pull/401; after equally "
    "many resets the play is the same, whatever was played between them "
    "(`tests/systems/lua_dqn/test_exactness.py`).",
)

HEADINGS: Final = (
    "game",
    "paper",
    "actions",
    "lives",
    "exact",
    "frames",
    "resets",
    "`reset=ale`",
    "trace",
    "same",
    "starts",
    "sha256",
    "note",
)

_SHOWN_OF_SHA256: Final = 12

_LEGEND: Final = f"""\
| column | means |
|---|---|
| paper | one of the 49 games of Mnih et al. 2015 |
| actions | xitari's minimal action set, used here |
| lives | right after a reset in xitari, restored here; in brackets ale-py's, where another |
| exact | recorded: nothing differs once the reset is restored; or by a trace of the original's |
| frames, resets | recorded: how many frames were compared, and how many games began among them |
| `reset=ale` | recorded: without restoring; if not, the first frame, from 0, to show it |
| trace | rows of the original's own trace that are the same when we play it |
| same | played here: three times the same |
| starts | played here: resets after which RAM, screen and lives were xitari's |
| sha256 | played here: its first {_SHOWN_OF_SHA256} digits, of all that a play shows |
"""


def page(records: Mapping[str, Record], played: Mapping[str, Played]) -> str:
    """Return the whole page as Markdown; ``played`` has every game of ``records``."""
    rows = [cells(record, played[game]) for game, record in records.items()]
    lines = [HEADINGS, ["---"] * len(HEADINGS), *rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    sources = "\n\n".join(map(_paragraph, _SOURCES))
    return f"{introduction(records, played)}\n{table}\n\n{sources}\n\n{other_games(records)}"


def introduction(records: Mapping[str, Record], played: Mapping[str, Played]) -> str:
    """Return what stands above the table, its counts taken from what is given."""
    parts = [
        "# Which games play as in the original's emulator",
        _paragraph(
            "The original played on xitari; here ale-py plays. A game is **exact** if, with what "
            "xitari's reset left in RAM written into ale-py after its resets, both showed the same "
            "from then on, frame by frame: screen (palette indices and colours), reward, lives, "
            "game over and RAM. This was recorded with xitari itself and ale-py 0.12.1, both "
            "playing the same random actions (`tests/golden/xitari_reset.json`). "
            f"{_list(TRACED)} is counted by the original's own trace of it."
        ),
        *_recorded_counts(records),
        _paragraph(
            "`make docs-games` writes this page anew, in about a minute on two cores. For it, what "
            "can be played without xitari is played, here with ale-py "
            f"{ale_py.__version__}, through the classes that `dqn-port train` plays with: "
            f"framework `alewrap`, action repeat {ACTREP}, {POOL_FRMS['type']} of "
            f"{POOL_FRMS['size']} frames, up to {RANDOM_STARTS} null frames at a "
            "start, a lost life being terminal."
        ),
        "\n".join(_paragraph(f"- {item}", indent="  ") for item in _played_counts(records, played)),
        _LEGEND,
    ]
    return "\n\n".join(parts)


def is_exact(record: Record) -> bool:
    """Tell whether a game plays as in xitari, by the record or by a trace of the original's."""
    return record.exact or record.game in TRACED


def _recorded_counts(records: Mapping[str, Record]) -> list[str]:
    every = list(records.values())
    exact = [record.game for record in every if is_exact(record)]
    paper = [record.game for record in every if record.in_paper]
    as_seen = [record for record in every if not _seen(record.plain)]
    in_all = [record.game for record in as_seen if not record.plain.differing()]
    other_start = [
        record.game
        for record in as_seen
        if record.lives != record.ale_lives or record.screen_differs_in
    ]
    return [
        _paragraph(
            f"**{len(exact)} of xitari's {len(every)} games are exact, "
            f"{len(set(exact) & set(paper))} of the paper's {len(paper)}.** Not exact: "
            f"{_list(_without(records, exact))}; the notes tell how."
        ),
        _paragraph(
            f"Without the restored reset (`--set env_params.reset=ale`) {len(as_seen)} games "
            "showed the same from the first frame after it on (before it, other lives or another "
            f"screen: {_list(other_start)}), {len(in_all)} of them with the same RAM: "
            f"{_list(in_all)}."
        ),
    ]


def _played_counts(records: Mapping[str, Record], played: Mapping[str, Played]) -> list[str]:
    every = list(played.values())
    traced = [seen for seen in every if seen.trace_rows is not None]
    rows = sum(seen.trace_rows or 0 for seen in traced)
    rows_differing = sum(seen.trace_rows_differing or 0 for seen in traced)
    return [
        f"Every game three times, {STEPS:,} agent steps of the same random actions: in two fresh "
        f"environments, and in the first of them again after {HISTORY} steps of other actions and "
        "a reset. Frames, rewards, lives, terminals and RAM, by their sha256, were the same three "
        f"times for {_count([seen.game for seen in every if seen.deterministic], records)}; "
        "in the two fresh ones for "
        f"{_count([seen.game for seen in every if seen.same_again], records)}.",
        f"After {sum(seen.resets_as_recorded for seen in every):,} of "
        f"{sum(seen.resets for seen in every):,} resets, met in these plays and made between them, "
        "RAM, screen and lives were xitari's.",
        f"In {_count([seen.game for seen in every if seen.start_as_recorded], records)} games the "
        "action set is xitari's, and ale-py's own first reset differs from xitari's in the "
        "recorded RAM addresses, number of pixels and lives: as far as that shows, this ale-py is "
        "the recorded one.",
        f"What the original itself played of {_list(seen.game for seen in traced)}, {rows:,} rows "
        "of reward, terminal, lives, random start, counts of frames and resets (but of qbert), and "
        f"the sha256 of the pooled screen, is played again: {rows_differing:,} rows differ.",
    ]


def cells(record: Record, seen: Played) -> list[str]:
    """Return one row, a cell a heading."""
    lives = str(record.lives)
    if record.ale_lives != record.lives:
        lives += f" ({record.ale_lives})"
    trace = ""
    if seen.trace_rows is not None and seen.trace_rows_differing is not None:
        trace = f"{seen.trace_rows - seen.trace_rows_differing} of {seen.trace_rows}"
    return [
        record.game,
        _tick(record.in_paper),
        _ranges(record.actions),
        lives,
        _yes(is_exact(record)),
        str(record.restored.frames),
        str(record.restored.resets),
        _without_restoring(record.plain),
        trace,
        _same(seen),
        f"{seen.resets_as_recorded} of {seen.resets}",
        f"`{seen.sha256[:_SHOWN_OF_SHA256]}`",
        "; ".join(notes(record, seen)),
    ]


def notes(record: Record, seen: Played) -> list[str]:
    """Return what else is to be said of a game."""
    found = []
    if not record.exact:
        differing = record.restored
        columns = (
            f"{SEEN[column]} in {differing.mismatches[column]} (from {differing.first[column]})"
            for column in differing.differing()
            if column != "rgb" or not differing.mismatches["screen"]
        )
        found.append(f"of {differing.frames} frames differ: {', '.join(columns)}")
    if seen.later_reset_is_xitaris:
        found.append(
            "ale-py's first reset is another than all later ones, after which its own RAM is "
            "xitari's in every byte: it is reset twice before the first game"
        )
    if record.game in TRACED:
        found.append(
            f"the original's own trace, {TRACED[record.game]} rows, is then played the same [1]"
        )
    if record.restored.reset_ram_varied:
        found.append(
            "in xitari the RAM after a reset depended on what was played before: only a game begun "
            "with the recorded RAM is sure to be exact"
        )
    if record.game in NOTES:
        found.append(NOTES[record.game])
    if record.ale_actions != record.actions:
        found.append(f"ale-py's own set is {_ranges(record.ale_actions)}")
    if record.screen_differs_in:
        found.append(f"ale-py's reset screen: {record.screen_differs_in} other pixels")
    return found


def other_games(records: Mapping[str, Record]) -> str:
    """Return the ROMs of ale-py that xitari did not know, and those that are refused."""
    playable = set(expected_md5s())
    unknown = sorted(playable - set(records))
    refused = sorted(set(roms.get_all_rom_ids()) - playable)
    parts = [
        "## Games that xitari did not know",
        _paragraph(
            f"{len(unknown)} more ROMs of ale-py's can be played. They start as in ale-py, for "
            f"there is nothing to restore: {_list(unknown)}."
        ),
        _paragraph(f"{len(refused)} are refused, for two have to play them: {_list(refused)}."),
    ]
    return "\n\n".join(parts) + "\n"


def _paragraph(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text, 100, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _seen(compared: Compared) -> list[str]:
    return [column for column in compared.differing() if column != "ram"]


def _without_restoring(plain: Compared) -> str:
    if not plain.differing():
        return "yes"
    return f"no: {plain.first_difference()}" if _seen(plain) else "yes, but RAM"


def _same(seen: Played) -> str:
    if seen.deterministic:
        return "yes"
    return "no: not after a reset" if seen.same_again else "no"


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


def _count(games: Sequence[str], records: Mapping[str, Record]) -> str:
    missing = _without(records, games)
    return f"{len(games)} of {len(records)}" + (f" (not {_list(missing)})" if missing else "")


def _list(words: Iterable[str]) -> str:
    return ", ".join(words) or "none"


def _tick(value: bool) -> str:
    return "✓" if value else ""


def _yes(value: bool) -> str:
    return "yes" if value else "**no**"
