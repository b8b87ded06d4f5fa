"""Traces that hold some arrays only, or checksums in their place."""

from __future__ import annotations

import numpy as np
import pytest

from dqn_port.verify.comparing import CHECKSUMS, Comparer, sum_sumsq_max
from dqn_port.verify.traces import Trace
from tests.verify.making import about, loop, replay, shown, some


def checksums(name, array, *, stacked=False):
    """What a trace holds in place of an array, as the golden README would put it."""
    rows = array.reshape(len(array) if stacked else 1, -1).astype(np.float64)
    forms = (
        np.array([(row.sum(), (row * row).sum(), np.abs(row).max()) for row in rows]),
        rows[:, :64].copy(),
        rows[:, -64:].copy(),
    )
    return {
        f"{name}{ending}": form if stacked else form[0]
        for ending, form in zip(CHECKSUMS, forms, strict=True)
    }


def test_of_a_run_with_few_arrays_those_are_compared_and_the_others_named(tmp_path):
    data, meta = loop()
    few = {name: data[name] for name in ("p_ret", "p_reward", "mb_a_sum")}
    meta = {"argv": meta["argv"]}
    result = replay(tmp_path, "x", few, meta)
    assert (shown(result), result.same, result.n_values) == ([], True, 280 + 280 + 101)
    assert result.notes == (
        "not in the trace: p_numSteps, p_testing, p_terminal, p_lastAction, p_greedy, p_ndraw, "
        "p_insertIndex, p_numEntries and 42 more",
    )


def test_a_run_is_compared_by_checksums_of_any_array(tmp_path):
    data, meta = loop()
    whole = ("w_numSteps", "q_call")
    short = {name: data[name] for name in whole}
    for name in set(data) - set(whole):
        short |= checksums(name, data[name], stacked=name in ("w", "q"))
    result = replay(tmp_path, "x", short, meta)
    assert shown(result) == []
    assert result.notes == replay(tmp_path, "y", data, meta).notes

    short["w_first64"][0, 9] += 1
    short["w_sum_sumsq_max"][0, 1] += 1
    short["q_last64"][3, 1] += 1
    short["sample_index_sum_sumsq_max"][0] += 1
    short["mb_lr_first64"][2] += 1
    assert shown(replay(tmp_path, "x", short, meta)) == [
        "q_last64: 1 of 412 differ; first at call 34, step 33, column 1: expected 1, got 0",
        "sample_index_sum_sumsq_max: 1 of 3 differ; first at [0]: expected 122865, got 122864",
        "mb_lr_first64: 1 of 64 differ; first at [2]: expected 1.002, got 0.002",
        "w_sum_sumsq_max: 1 of 3 differ; first at step 1, [1]: expected 1, got 0",
        "w_first64: 1 of 64 differ; first at step 1, [9]: expected 1, got 0",
    ]


def test_arrays_of_other_names_are_named(tmp_path):
    data, meta = loop()
    result = replay(tmp_path, "x", data | {"p_mood": np.zeros(3), "z": np.zeros(1)}, meta)
    assert result.same
    assert result.notes[0] == "not compared, since unknown: p_mood, z"


def test_action_values_of_some_of_the_greedy_calls(tmp_path):
    data, meta = loop()
    data["q"], data["q_call"] = data["q"][::5], data["q_call"][::5]
    assert replay(tmp_path, "x", data, meta).same
    del data["p_greedy"]
    assert not replay(tmp_path, "x", data, meta).same


def test_weights_at_one_step_may_be_a_vector(tmp_path):
    data, meta = loop()
    data["w"] = data["w"][0]
    assert replay(tmp_path, "x", data, meta).same
    data["w_numSteps"] = np.array([7000])
    assert shown(replay(tmp_path, "x", data, meta)) == [
        "w: it differs at step 7,000: expected 'weights', got 'none'"
    ]


def test_paths_the_program_and_its_interpreter_in_the_arguments_mean_nothing(tmp_path):
    data, meta = loop()
    words = meta["argv"]
    words |= {"0": "/nowhere/a.lua", "-1": "/nowhere/luajit"}
    (at,) = (i for i, word in words.items() if word == "-game_path")
    words[str(int(at) + 1)] = "/nowhere/roms"
    assert replay(tmp_path, "x", data, meta).same


def test_a_flag_without_a_value_and_a_run_without_a_greedy_choice(tmp_path):
    data, meta = loop()
    words = meta["argv"]
    values = {words[str(i)]: str(i + 1) for i in range(1, 36, 2)}
    words[values["-steps"]] = "80"
    words[values["-agent_params"]] += ",ep=1,ep_end=1"
    moved = [words[str(i)] for i in range(1, 37)]
    words |= {str(i): word for i, word in enumerate(["-saveNetworkParams", *moved], start=1)}
    few = {name: data[name][:80] for name in ("p_numSteps", "p_numEntries", "p_insertIndex")}
    assert replay(tmp_path, "x", few, {"argv": words}).same
    result = replay(tmp_path, "x", few | {"q": data["q"], "final_best_w": np.zeros(5)},
                    {"argv": words})  # fmt: skip
    assert shown(result) == [
        "q: 412 of 412 differ: expected 412 values, got none",
        "final_best_w: 5 of 5 differ: expected 5 values, got none",
    ]


def test_draws_networks_updates_and_rewards_by_checksums(tmp_path):
    uniform = some("rng", "s1_uniform")
    rng = checksums("s1_uniform", uniform["s1_uniform"])
    assert replay(tmp_path, "a", rng).same
    rng["s1_uniform_last64"][63] += 1
    assert shown(replay(tmp_path, "a", rng)) == [
        "s1_uniform_last64: 1 of 64 differ; first at [63]: expected 1.127807, got 0.127807003"
    ]
    updates = some("upd_small_2", "net_small_wc_targets")
    w = some("upd_small_2", "net_small_wc_u20_w")["net_small_wc_u20_w"]
    updates |= checksums("net_small_wc_u20_w", w)
    result = replay(tmp_path, "b", updates)
    assert (shown(result), result.n_values) == ([], 20 * 4 * 4 + 3 + 64 + 64)
    nets = about("init")
    nets["nets"] = nets["nets"][-1:]
    weights = some("init", "net_small_n4_seed123_w")["net_small_n4_seed123_w"]
    assert replay(tmp_path, "c", checksums("net_small_n4_seed123_w", weights), nets).same


def test_an_update_trace_of_another_variant_or_shape_is_refused_in_one_line(tmp_path):
    assert replay(tmp_path, "x", {"net_small_best_targets": np.zeros((20, 4, 4))}).error == (
        "x.npz: net_small_best_targets: expected NETWORK_VARIANT_…, where VARIANT is one of base, "
        "no_target, no_clip, no_rescale, wc, anneal, all_off, clip01, all_off_full"
    )
    assert replay(tmp_path, "x", {"net_small_wc_targets": np.zeros((20, 4000, 4))}).error == (
        "x.npz: net_small_wc_targets: expected [20, fewer than 64, actions], got [20, 4000, 4]"
    )
    assert replay(tmp_path, "x", {"net_tall_wc_targets": np.zeros((20, 4, 4))}).error == (
        "network: expected one of convnet_atari3, convnet_small, net_small, net_toy_conv, "
        "net_toy_mlp, net_tie or module:object, got 'net_tall'; did you mean 'net_small'?"
    )


def comparer(**arrays):
    return Comparer(Trace("x", arrays, None))


def test_nan_equals_nan_and_nothing_else_and_infinity_itself():
    values = np.array([np.nan, np.inf, -np.inf, 1.0, np.nan])
    compare = comparer(x=values)
    compare.array("x", [np.nan, np.inf, np.inf, np.nan, 0.0], tolerance=1e9)
    assert [str(d) for d in compare.differences] == [
        "x: 3 of 5 differ; first at [2]: expected -inf, got inf"
    ]


@pytest.mark.parametrize("n", [100, 100_000])
def test_sums_of_values_within_a_tolerance_are_within_the_tolerance_of_sums(n):
    rng = np.random.default_rng(1)
    x = rng.normal(size=n)
    near = x + rng.uniform(-1e-5, 1e-5, size=n)
    compare = comparer(**checksums("x", x))
    compare.array("x", near, tolerance=1e-5)
    assert compare.n_differ == 0
    for at, change in enumerate((1e-4 * n**0.5, 1e-3 * n**0.5, 1e-4)):
        sums = sum_sumsq_max(x)
        sums[at] += change
        compare = comparer(x_sum_sumsq_max=sums)
        compare.array("x", near, tolerance=1e-5)
        assert compare.n_differ == 1
