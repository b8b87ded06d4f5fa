"""The shipped traces, each replayed by one test: where the code is tested that it pins."""

from __future__ import annotations

from dqn_port.verify.groups import GroupResult, verify

LOOPS = ("loop_A_s1", "loop_B_s1", "loop_C_s1", "loop_breakout")
UPDATES = ("reward", "upd_full", "upd_small_1", "upd_small_2")
GAMES = (
    "ale_breakout", "ale_montezuma_revenge", "ale_pong", "ale_qbert", "ale_space_invaders",
    "xitari_reset",
)  # fmt: skip
OTHERS = ("cmdline", "init", "str_to_table")
DRAWS, REPLAY, SCREENS = "rng", "transitions", "preproc"


def assert_same(group: str) -> GroupResult:
    """Assert that a shipped group is the same in every value."""
    (result,) = verify(only=(group,))
    assert (result.error, list(map(str, result.differences))) == ("", [])
    assert result.same
    assert not [note for note in result.notes if "unknown" in note]
    return result
