"""One value altered: every kind of trace reports it, and where it stands."""

from __future__ import annotations

import numpy as np
import pytest

from dqn_port.systems.lua_dqn.traces.tolerances import CPU, GPU
from tests.golden_files import arrays, meta
from tests.verify.making import about, loop, replay, shown, some


@pytest.mark.parametrize(
    ("name", "index", "line"),
    [
        ("p_reward", 40, "1 of 280 differ; first at call 41, step 40: expected 1, got 0"),
        ("p_terminal", 7, "1 of 280 differ; first at call 8, step 7: expected 1, got 0"),
        ("p_recent_sum", 3,
         "1 of 280 differ; first at call 4, step 3: expected 50.4313736, got 49.4313736"),
        ("p_ndraw", 279, "1 of 280 differ; first at call 280, step 199: expected 2533, got 2532"),
        ("p_bestq", 9, "1 of 280 differ; first at call 10, step 9: expected 1, got 0"),
        ("q", (5, 2), "1 of 412 differ; first at call 60, step 59, column 2: expected 1, got 0"),
        ("q_call", 0, "1 of 103 differ; first at call 10, step 9: expected 11, got 10"),
        ("w", (0, 9), "1 of 1,204 differ; first at step 1, [9]: expected 1, got 0"),
        ("sample_index", 70,
         "1 of 1,664 differ; first at buffer 2, transition 7: expected 24, got 23"),
        ("fill_buffer", 9,
         "1 of 130 differ; first at call 103, step 102, n_draws: expected 77, got 76"),
        ("mb_a_sum", 11, "1 of 101 differ; first at call 113, step 112: expected 43, got 42"),
        ("mb_s_sum", 0,
         "1 of 101 differ; first at call 102, step 101: expected 586.490208, got 585.490208"),
        ("mb_lr", 98, "1 of 99 differ; first at call 280, step 199: expected 1.002, got 0.002"),
        ("valid_a", 5, "1 of 40 differ; first at transition 6: expected 3, got 2"),
        ("h_reward_history", 1, "1 of 2 differ; first at evaluation 2: expected -4, got -5"),
    ],
)  # fmt: skip
def test_one_value_of_a_run(tmp_path, name, index, line):
    data, meta = loop()
    data[name][index] += 1
    result = replay(tmp_path, "x", data, meta)
    assert shown(result) == [f"{name}: {line}"]
    assert (result.same, result.n_differ) == (False, 1)


@pytest.mark.parametrize("name", ["mb_mean_delta", "mb_q2_max_mean", "mb_w_ss", "h_v_history"])
def test_one_value_of_a_run_that_need_not_be_exact(tmp_path, name):
    data, meta = loop()
    data[name][1] += 0.01
    assert [d.name for d in replay(tmp_path, "x", data, meta).differences] == [name]


def test_numbers_within_their_tolerance_are_the_same_and_the_largest_difference_is_told(tmp_path):
    data, meta = loop()
    data["q"][5, 2] += 0.9 * CPU.q
    result = replay(tmp_path, "x", data, meta)
    assert result.same
    assert result.largest_in == "q"
    assert result.largest == pytest.approx(0.9 * CPU.q, rel=0.01)


def test_a_missing_call_and_another_best_network(tmp_path):
    data, meta = loop()
    data["p_ret"] = data["p_ret"][:270]
    data["q"] = data["q"][:, :3]
    meta["best_network_changes"][0] |= {"call": 168, "ss": "1"}
    meta["ncalls"] = 281
    lines = shown(replay(tmp_path, "x", data, meta))
    assert lines.pop().startswith(
        "best_network_changes.ss: it differs at change 1: expected 1, got 0.166574"
    )
    assert lines == [
        "p_ret: 10 of 280 differ; first at call 271, step 190: expected 270 rows, got 280",
        "q: 309 of 309 differ: expected shape [103, 3], got shape [103, 4]",
        "ncalls: it differs: expected 281, got 280",
        "best_network_changes (call, numSteps): it differs: expected [(168, 126)], got "
        "[(167, 126)]",
    ]


def test_every_frame_of_a_toy_game_and_what_stands_at_the_end_of_a_run(tmp_path):
    data = {name: arrays("loop_C_s1")[name].copy() for name in ("emu", "final_g", "valid_r")}
    data["emu"][13 * 500 + 7] += 1
    data["final_g"][3] += 1e-3
    emu, final_g = shown(replay(tmp_path, "x", data, meta("loop_C_s1")))
    assert emu == "emu: 1 of 122,850 differ; first at emulator call 501, by: expected 3, got 2"
    assert final_g.startswith("final_g: 1 of 1,204 differ; first at [3]: expected ")


def test_a_choice_between_two_actions_valued_the_same_is_said(tmp_path, monkeypatch):
    data, meta = loop()
    at = int(data["q_call"][2]) - 1
    data["p_ret"][at:] = data["p_ret"][at:] % 4 + 1
    near = f"at call {at + 1} the best two action values are "
    result = replay(tmp_path, "x", data, meta)
    assert not result.same
    assert any(note.startswith(near) and "may part the runs" in note for note in result.notes)
    monkeypatch.setattr("dqn_port.systems.lua_dqn.traces.loops.tolerances_of", lambda device: GPU)
    result = replay(tmp_path, "x", data, meta)
    assert shown(result) == []
    assert any(note.startswith(f"compared up to call {at}: {near}") for note in result.notes)
    data["p_reward"][3] += 1
    assert shown(replay(tmp_path, "x", data, meta))[0].startswith("p_reward: 1 of 280 differ")


def short_game():
    names = ("reward", "terminal", "lives", "action", "ale_action", "k", "frames", "resets")
    names += ("kind", "sha256", "bytesum")
    data = {name: arrays("ale_pong")[name][:60].copy() for name in names}
    return data | {name: arrays("ale_pong")[name].copy() for name in ("screen_0", "screen_1")}


@pytest.mark.parametrize(
    ("name", "index", "line"),
    [
        ("reward", 40, "reward: 1 of 60 differ; first at row 40: expected 1, got 0"),
        ("frames", 59, "frames: 1 of 60 differ; first at row 59: expected 239, got 238"),
        ("screen_1", (1, 2, 3),
         "screen_1: 1 of 100,800 differ; first at [1, 2, 3]: expected 73, got 72"),
    ],
)  # fmt: skip
def test_one_value_of_a_game(tmp_path, name, index, line):
    data = short_game()
    data[name][index] += 1
    assert shown(replay(tmp_path, "x", data, meta("ale_pong"))) == [line]


def test_one_pixel_of_a_game_shows_in_its_hash_and_other_actions_at_once(tmp_path):
    data = short_game()
    data["sha256"][33, 5] ^= 1
    result = replay(tmp_path, "x", data, meta("ale_pong") | {"actions": [0, 1]})
    first, second = shown(result)
    assert first == "actions: it differs: expected [0, 1], got [0, 3, 4]"
    assert second.startswith("sha256: 1 of 60 differ; first at row 33: expected '")


@pytest.mark.parametrize(
    ("group", "beginnings", "name", "index", "change", "line"),
    [
        ("rng", "s2_random_30", "s2_random_30", 17, 1,
         "1 of 1,000 differ; first at draw 18: expected 19, got 18"),
        ("preproc", "pong_40", "pong_40_y", (0, 3, 7), 0.5,
         "1 of 33,600 differ; first at [0, 3, 7]: expected 0.842188239, got 0.342188239"),
        ("preproc", "scale_", "scale_3x13x7_to_6x7_out", (0, 1, 2), 1,
         "1 of 126 differ; first at [0, 1, 2]: expected 1.12549007, got 0.12549004"),
        ("reward", "c4", "c4_r", 3, 9,
         "1 of 12 differ; first at transition 4: expected 8.5, got -0.5"),
        ("upd_small_2", "net_small_wc", "net_small_wc_u20_g2", 77, 1,
         "1 of 8,488 differ; first at [77]: expected 1.00001693, got 1.69385003e-05"),
        ("upd_small_2", "net_small_wc", "net_small_wc_stat_w", (3, 4, 2), 1,
         "1 of 600 differ; first at update 4, tensor 5, [2]: expected 1.11756097, "
         "got 0.117560968"),
        ("upd_small_2", ("net_small_wc", "batch"), "batch2_a", 1, 1,
         "1 of 4 differ; first at [1]: expected 3, got 2"),
    ],
)  # fmt: skip
def test_one_value_of_the_smaller_kinds(tmp_path, group, beginnings, name, index, change, line):
    data = some(group, *([beginnings] if isinstance(beginnings, str) else beginnings))
    data[name][index] += change
    table = about(group) if group in ("reward", "preproc") and "pong" not in name else None
    (text,) = shown(replay(tmp_path, "x", data, table))
    assert text == f"{name}: {line}"


def test_the_stored_bytes_of_a_screen_are_compared_both_ways(tmp_path):
    data = some("preproc", "pong_40")
    data["pong_40_byte"][100] += 1
    line = "1 of 7,056 differ; first at [100]: expected 88, got 87"
    assert shown(replay(tmp_path, "x", data)) == [
        f"pong_40_byte: {line}",
        f"pong_40_byte (of a game's screen): {line}",
    ]


def test_weights_draws_and_layers_of_a_network(tmp_path):
    nets, data = about("init"), some("init", "net_small_n4_seed123")
    nets["nets"] = nets["nets"][-1:]
    data["net_small_n4_seed123_w"][5] += 1
    nets["nets"][0]["next_random_after_construction"] = "1"
    nets["nets"][0]["layers"][2]["mean"] = "0.5"
    nets["nets"][0]["layers"][1]["sha256"] = "0"
    assert [line.split(", got")[0] for line in shown(replay(tmp_path, "x", data, nets))] == [
        "next_random_after_construction: it differs at net_small_n4_seed123: expected '1'",
        "sha256: 1 of 11 differ; first at net_small_n4_seed123_m2_bias: expected '0'",
        "mean: 1 of 11 differ; first at net_small_n4_seed123_m4_weight: expected 0.5",
        "net_small_n4_seed123_w: 1 of 8,488 differ; first at [5]: expected 1.00641429",
    ]


def test_samples_states_and_draws_of_a_memory(tmp_path):
    data = some(
        "transitions",
        "lin2_at120",
        "lin2_recent",
        "lin2_concatFrames",
        "lin2_concatAc",
        "lin2_recentA",
    )
    table = about("transitions")
    table["configs"] = [c for c in table["configs"] if c["config"]["n"] in ("lin2", "exp2")]
    data["lin2_at120_b3_s2"][4, 5] += 1
    data["lin2_recent"][9, 23] += 0.1
    data["lin2_concatFrames"][7, 1] += 1
    table["configs"][0]["at120_ndraws"] = 3
    result = replay(tmp_path, "x", data, table)
    assert shown(result) == [
        "lin2_at120_b3_s2: 1 of 384 differ; first at lin2, transition 5, [5]: expected 55, got 54",
        "at120_ndraws: it differs at lin2: expected 3, got 201",
        "lin2_recent: 1 of 9,624 differ; first at lin2, frame 10, [23]: expected 158, got 132",
        "lin2_concatFrames: 1 of 4,632 differ; first at lin2, index 8, [1]: expected 28, got 27",
    ]
    assert result.notes[2] == "refused, as Lua fails with their histories: exp2"


def test_a_memory_that_works_with_us_only_or_with_lua_only(tmp_path):
    table = about("transitions")
    (exp2,) = (c for c in table["configs"] if c["config"]["n"] == "exp2")
    table["configs"] = [exp2]
    data = {"exp2_at120_b1_s": np.zeros((16, 24), np.uint8)}
    assert shown(replay(tmp_path, "x", data, table)) == [
        "exp2 works: it differs: expected True, got False"
    ]
    exp2["config"] = {"n": "exp2", "histType": "linear"}
    data = {"exp2_recent": -np.ones((401, 24))}
    assert shown(replay(tmp_path, "y", data, table))[0] == (
        "exp2 works: it differs: expected False, got True"
    )


def test_ram_screen_lives_and_actions_after_a_reset(tmp_path):
    table = about("xitari_reset")
    table["games"] = table["games"][:2]
    data = {name: arrays("xitari_reset")[name][:2].copy() for name in ("ram", "screen")}
    data["ram"][1, 7] += 1
    data["screen"][0, 3, 4] += 1
    table["per_game"]["amidar"]["lives0"][0] = 9
    table["per_game"]["amidar"]["xitari_actions"] = [0]
    result = replay(tmp_path, "x", data, table)
    assert shown(result) == [
        "screen: 2 of 134,400 differ; first at alien, [3, 4]: expected 1, got 0",
        "actions: 1 of 2 differ; first at amidar: expected [0], got "
        "[0, 1, 2, 3, 4, 5, 10, 11, 12, 13]",
        "lives: 2 of 4 differ; first at amidar: expected 9, got 3",
        "ram: 2 of 512 differ; first at amidar, [7]: expected 1, got 0",
    ]
    assert result.notes == ("not in the trace: palette",)


def test_words_and_table_strings(tmp_path):
    words = about("cmdline")[:6]
    words[1]["differs_from_default"]["seed"][1] = "6"
    words[5]["exit"] = 0
    assert shown(replay(tmp_path, "x", {}, words)) == [
        "differs_from_default: 1 of 5 differ; first at -seed 5: expected "
        "{'seed': ['number', '6']}, got {'seed': ['number', '5']}",
        "exit: 1 of 6 differ; first at -seed abc: expected 0, got 1",
    ]
    tables = {case["input"]: case for case in about("str_to_table")}
    tables["useRGB=true"]["result"]["items"][0][1]["v"] = False
    tables["a="]["ok"] = True
    chosen = [tables[text] for text in ("useRGB=true", "a=", "a=not nil", "<nil>")]
    result = replay(tmp_path, "y", {}, chosen)
    assert shown(result) == [
        "result: 1 of 2 differ; first at 'useRGB=true': expected "
        "{('string', b'useRGB'): ('boolean', False)}, got "
        "{('string', b'useRGB'): ('boolean', True)}",
        "ok: 1 of 4 differ; first at 'a=': expected True, got False",
    ]
    assert result.notes == ("1 that need a Lua interpreter are refused on purpose",)
