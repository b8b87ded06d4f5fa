"""Finding groups, telling their kinds, and failing on one without stopping at it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dqn_port.errors import TraceError
from dqn_port.systems.lua_dqn.traces import KINDS
from dqn_port.verify.groups import Progress, verify
from dqn_port.verify.traces import SHIPPED, find_groups
from tests.golden_files import GOLDEN
from tests.verify.making import about, loop, replay, shown, some, write
from tests.verify.shipped import (
    DRAWS,
    GAMES,
    LOOPS,
    OTHERS,
    REPLAY,
    SCREENS,
    UPDATES,
    assert_same,
)


def test_every_shipped_group_is_replayed_by_a_test():
    assert SHIPPED.resolve() == GOLDEN.resolve()
    names = [group.name for group in find_groups(SHIPPED)]
    assert names == sorted((*LOOPS, *UPDATES, *GAMES, *OTHERS, DRAWS, REPLAY, SCREENS))


@pytest.mark.parametrize("group", OTHERS)
def test_networks_words_and_tables_are_the_originals(group):
    assert_same(group)


def test_the_kind_is_told_from_what_is_in_the_files_never_from_their_names(tmp_path):
    write(tmp_path, "a", {"s1_uniform": some("rng", "s1_uniform")["s1_uniform"]})
    write(tmp_path, "b", some("preproc", "scale_1x10x8_to_5x3"), {"order": [[1, 10, 8, 5, 3]]})
    write(tmp_path, "c", some("reward", "c1_"), about("reward") | {"combos": ["none"]})
    write(tmp_path, "d", {}, about("str_to_table")[:2])
    write(tmp_path, "e", {}, about("cmdline")[:2])
    write(tmp_path, "loop", some("upd_small_2", "net_small_wc_"))
    (tmp_path / "README.md").write_text("no trace")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "f.json").write_text("{}")
    results = list(verify(tmp_path))
    assert [(r.group, r.kind, r.error, r.n_differ) for r in results] == [
        ("a", "rng", "", 0),
        ("b", "preproc", "", 0),
        ("c", "reward", "", 0),
        ("d", "tables", "", 0),
        ("e", "words", "", 0),
        ("loop", "updates", "", 0),
    ]
    assert {kind.name for kind in KINDS} > {result.kind for result in results}


def test_an_unknown_kind_is_named_and_is_a_failure(tmp_path):
    result = replay(tmp_path, "x", {"weights": np.zeros(3)}, {"about": "nothing"})
    assert not result.same
    assert result.error == (
        "unknown kind of trace: expected one of loop, ale, resets, updates, transitions, init, "
        "reward, preproc, rng, words, tables, got weights"
    )
    (tmp_path / "x.npz").unlink()
    assert replay(tmp_path, "x", {}, []).error.endswith("got nothing that tells it")


def test_damaged_files_fail_in_a_line_and_the_others_go_on(tmp_path):
    write(tmp_path, "a", some("rng", "s1_random"))
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "b.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "c.npz").write_bytes(b"")
    (tmp_path / "d.npz").write_bytes(whole[:2000] + b"\xff" * 50 + whole[2050:])
    np.savez(tmp_path / "e.npz", s1_random=np.array([{}], dtype=object))
    (tmp_path / "f.json").write_text('{"nets": [')
    (tmp_path / "g.json").write_bytes(b"\xff\xfe")
    np.savez(tmp_path / "h.npz", s1_random=np.zeros(3, dtype=[("a", "i4")]))
    results = list(verify(tmp_path))
    damaged = "expected a whole trace, got a damaged or other file: "
    assert [(r.group, r.error) for r in results] == [
        ("a", ""),
        ("b", f"b.npz: {damaged}File is not a zip file"),
        ("c", f"c.npz: {damaged}File is not a zip file"),
        ("d", f"d.npz: {damaged}Bad CRC-32 for file 's1_random.npy'"),
        ("e", f"e.npz: {damaged}Object arrays cannot be loaded when allow_pickle=False"),
        ("f", f"f.json: {damaged}Expecting value: line 1 column 11 (char 10)"),
        ("g", f"g.json: {damaged}Expecting value: line 1 column 1 (char 0)"),
        ("h", "h.npz: 's1_random': expected an array of numbers or texts"),
    ]
    assert [r.same for r in results] == [True] + [False] * 7


def test_a_trace_of_too_many_bytes_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("dqn_port.verify.traces._MOST_BYTES", 1 << 30)
    np.savez_compressed(tmp_path / "x.npz", s1_random=np.zeros((1 << 30) // 8))
    (result,) = verify(tmp_path)
    assert result.error == "x.npz: expected at most 1 GiB of arrays, got 1.0"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda d, a: a.pop("argv"), "x.json: argv: expected an object, got nothing"),
        (lambda d, a: a.update(argv=3), "x.json: argv: expected an object, got a whole number"),
        (
            lambda d, a: a["argv"].update({"12": 3}),
            "x.json: argv: expected words, got other values",
        ),
        (
            lambda d, a: d.pop("w_numSteps"),
            "x.npz: expected an array w_numSteps, got none of that name",
        ),
        (
            lambda d, a: d.update(w_numSteps=np.zeros((2, 2))),
            "x.npz: w_numSteps: expected numbers in 1 dimensions, got float64 in 2",
        ),
        (
            lambda d, a: d.update(w_numSteps=np.array([1, 2, 3])),
            "x.npz: w: expected 3 rows, as many as w_numSteps has, got shape [1, 1204]",
        ),
        (
            lambda d, a: d.update(p_reward=np.array(["x"] * 280)),
            "first at call 1, step 0: expected 'x', got '0.0'",
        ),
        (
            lambda d, a: a["best_network_changes"][0].update(sum="much"),
            "x.json: best_network_changes.sum: expected a number, got 'much'",
        ),
    ],
)
def test_a_loop_that_makes_no_sense_fails_in_one_line(tmp_path, change, error):
    data, meta = loop()
    change(data, meta)
    result = replay(tmp_path, "x", data, meta)
    assert shown(result)[0].endswith(error)
    assert not result.same


def test_a_missing_json_fails_in_one_line(tmp_path):
    assert replay(tmp_path, "x", loop()[0]).error == "x.json: expected it beside x.npz, got none"


def test_what_a_traces_arguments_name_is_not_imported(tmp_path):
    data, meta = loop()
    words = meta["argv"]
    (at,) = (i for i, word in words.items() if word == "NeuralQLearner")
    words[at] = "antigravity:x"
    assert replay(tmp_path, "x", data, meta).error == (
        "x.json: argv: Lua words: agent: expected the name of a part, got 'antigravity:x', and "
        "importing it would run code"
    )
    nets = about("init")
    nets["nets"] = [nets["nets"][-1] | {"network": "antigravity:x"}]
    assert replay(tmp_path, "y", {}, nets).error == (
        "network: expected the name of a part, got 'antigravity:x'"
    )
    nets["nets"][0]["network"] = str(tmp_path / "y.json")
    assert replay(tmp_path, "y", {}, nets).error == (
        f"network: expected the name of a part, got '{tmp_path}/y.json'"
    )


def test_faults_of_a_run_fail_in_its_line(tmp_path):
    data, meta = loop()
    words = meta["argv"]
    (at,) = (i for i, word in words.items() if word == "toyC")
    words[at] = "toyD"
    assert replay(tmp_path, "x", data, meta).error == (
        "x.json: argv: env: expected one of toyA, toyB, toyC, got 'toyD'; did you mean 'toyC'?"
    )
    words["1"] = "-frame"
    assert "invalid argument: -frame" in replay(tmp_path, "x", data, meta).error


def test_what_no_part_foresaw_fails_in_a_line_too(tmp_path):
    result = replay(tmp_path, "x", {}, {"combos": [3], "rewards": [1]})
    assert result.error == (
        "the trace cannot be replayed: AttributeError: 'int' object has no attribute 'split'"
    )
    assert not result.same


def test_a_trace_of_which_nothing_can_be_compared_is_a_failure(tmp_path):
    result = replay(tmp_path, "x", {"s1_random_of_the_day": np.zeros(3)})
    assert result.error == "expected something to compare, got nothing"
    assert not result.same


def test_only_the_groups_asked_for_are_replayed(tmp_path):
    write(tmp_path, "rng_1", some("rng", "s1_random"))
    write(tmp_path, "rng_2", some("rng", "s2_random"))
    assert [r.group for r in verify(tmp_path, only=("rng_2",))] == ["rng_2"]
    with pytest.raises(TraceError) as caught:
        list(verify(tmp_path, only=("rng2",)))
    assert str(caught.value) == (
        f"{tmp_path}: there is no group 'rng2'; did you mean 'rng_2'?; expected one of rng_1, rng_2"
    )


def test_a_folder_without_traces(tmp_path):
    with pytest.raises(TraceError) as caught:
        list(verify(tmp_path))
    assert str(caught.value) == f"{tmp_path}: expected traces, NAME.npz and NAME.json, got none"
    with pytest.raises(TraceError) as caught:
        list(verify(tmp_path / "none"))
    assert str(caught.value) == (
        f"{tmp_path}/none: cannot be read: No such file or directory; expected a folder of traces"
    )


def test_how_far_a_group_is_is_told(tmp_path):
    told = []
    data, meta = loop()
    replay(tmp_path, "x", data, meta, tell=told.append)
    assert told == [Progress("x", 0, 0), *(Progress("x", n, 280) for n in (100, 200))]


def test_the_upd_small_groups_say_which_batches_they_are_of():
    for half in ("1", "2"):
        table = json.loads((GOLDEN / f"upd_small_{half}.json").read_text())
        assert table["made_by"] == "lua"
        assert len(table["sha256"]) == 10
