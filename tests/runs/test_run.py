"""A run's folder: what is written, what is left alone, what a second run finds there."""

from __future__ import annotations

import csv
import dataclasses
import errno
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from dqn_port.errors import DivergedError, MemoryShortError, RunFolderError, T7Error
from dqn_port.events import Finished, Saved, Started
from dqn_port.runs import run as run_module
from dqn_port.runs.run import Run
from dqn_port.runs.run_folder import ARGS, FINISHED, HISTORY, snapshot_in
from dqn_port.systems.lua_dqn.histories import HISTORY as TABLE
from dqn_port.systems.lua_dqn.networks.sequential import from_lua
from dqn_port.systems.lua_dqn.setup import load_options, options_of_snapshot
from dqn_port.systems.lua_dqn.snapshot import load_snapshot
from dqn_port.systems.lua_dqn.system import SYSTEM
from dqn_port.systems.lua_dqn.train_agent import Evaluated
from dqn_port.torch7.t7 import load, save
from tests.cli.running import toy, write_toy
from tests.comparing import assert_same_runs, contents
from tests.systems.lua_dqn.test_setup import options_of, toy_options

CPU = torch.device("cpu")


def train(out, **changes):
    run = Run(SYSTEM, toy_options(**{"name": "t"} | changes), out)
    return run, list(run.train("cpu"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("finished")
    return out, *train(out)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def refused(call, *arguments, **more):
    with pytest.raises((RunFolderError, T7Error)) as caught:
        call(*arguments, **more)
    assert caught.value.exit_code == 1
    return str(caught.value)


# What a run leaves.


def test_a_run_leaves_four_files_and_nothing_beside_them(finished):
    out, run, events = finished
    assert files(out) == ["t/args.json", "t/history.csv", "t/run.json", "t/t.t7"]
    assert isinstance(events[0], Started)
    assert events[-1] == Finished(200, out / "t")
    saved = [event for event in events if isinstance(event, Saved)]
    assert saved == [Saved(100, out / "t" / "t.t7"), Saved(200, out / "t" / "t.t7")]
    assert run.last_snapshot == run.newest_networks() == out / "t" / "t.t7"


def test_args_json_gives_the_same_options(finished):
    out, run, _ = finished
    path = out / "t" / ARGS
    assert json.loads(path.read_text()) == run.options.to_json()
    assert load_options(args_file=path) == run.options


def test_history_csv_has_a_row_an_evaluation(finished):
    out, _, events = finished
    with (out / "t" / HISTORY).open(newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    assert tuple(reader.fieldnames) == TABLE.names
    evaluations = [event for event in events if isinstance(event, Evaluated)]
    assert [row["step"] for row in rows] == ["100", "200"]
    for row, event in zip(rows, evaluations, strict=True):
        assert float(row["reward"]) == event.reward
        assert float(row["v"]) == event.v
        assert float(row["td"]) == event.td
        assert (row["episodes"], row["rewards"]) == (str(event.episodes), str(event.rewards))
        assert (row["qmax"], row["epsilon"]) == ("1.0", "0.05")
        assert row["best"] == str(event.best)
    assert rows[0]["best"] == "1"


def test_the_snapshot_holds_networks_histories_and_arguments_but_no_scratch(finished):
    out, run, events = finished
    snapshot = load_snapshot(out / "t" / "t.t7")
    opt = options_of_snapshot(snapshot)
    assert dataclasses.replace(opt, ignored={}) == run.options
    assert snapshot.num_steps == 200
    rewards = [e.reward for e in events if isinstance(e, Evaluated)]
    assert snapshot.history("reward_history") == rewards
    times = snapshot.history("time_history")
    assert len(times) == 3
    assert times[0] == 0
    network = events[0].training.ready.agent.network
    assert torch.equal(from_lua(snapshot.table["model"], "model").w, network.w)
    # Two networks and their gradients, 7324 floats each, and little more: no target network in
    # this run, no validation sample, no optimiser.
    n_networks = 2 + ("target_network" in snapshot.table["agent"])
    assert (out / "t" / "t.t7").stat().st_size < n_networks * 2 * 7324 * 4 + 16_000
    digest = hashlib.sha256((out / "t" / "t.t7").read_bytes()).hexdigest()
    assert json.loads((out / "t" / FINISHED).read_text())["sha256"] == {"t.t7": digest}


def test_run_json_says_what_was_measured_and_with_what(finished):
    out, _, _ = finished
    table = json.loads((out / "t" / FINISHED).read_text())
    assert table["steps"] == 200
    assert table["evaluations"] == 2
    assert table["snapshot"] == "t.t7"
    assert (table["seed"], table["device"], table["threads"]) == (1, "cpu", 1)
    assert set(table["versions"]) == {"python", "dqn-port", "torch", "numpy", "ale-py"}
    assert "unknown" not in table["versions"].values()
    assert 0 < table["training_seconds"] < 600


def test_a_run_of_an_atari_game_records_its_rom(tmp_path):
    opt = options_of({
        "framework": "alewrap", "env": "pong", "agent": "NeuralQLearner", "steps": 2, "name": "p",
        "agent_params": {"network": "net_small", "preproc": "net_downsample_2x_full_y",
                         "hist_len": 4, "replay_memory": 10, "learn_start": 2},
    })  # fmt: skip
    for _ in Run(SYSTEM, opt, tmp_path).train("cpu"):
        pass
    md5 = "60e0ea3cbe0913d39803477945e9e5ec"
    assert json.loads((tmp_path / "p" / FINISHED).read_text())["rom_md5"] == md5


def test_versions_are_named_as_the_original_does(tmp_path):
    run, events = train(tmp_path, save_versions=80, saveNetworkParams=True)
    assert files(tmp_path / "t") == [
        "args.json", "history.csv", "run.json",
        "t_1.params.t7", "t_1.t7", "t_2.params.t7", "t_2.t7",
    ]  # fmt: skip
    assert run.newest_networks() == run.last_snapshot == tmp_path / "t" / "t_2.t7"
    params = load(tmp_path / "t" / "t_2.params.t7")
    assert list(params) == ["network"]
    w = events[0].training.ready.agent.network.w.detach().numpy()
    np.testing.assert_array_equal(params["network"].numpy(), w)
    assert load_snapshot(tmp_path / "t" / "t_1.t7").num_steps == 100
    assert snapshot_in(tmp_path / "t") == run.newest_networks()


def test_the_network_params_are_written_beside_the_snapshot(tmp_path):
    train(tmp_path, saveNetworkParams=True, name="a.b")
    assert files(tmp_path) == [
        "a.b/a.b.params.t7", "a.b/a.b.t7", "a.b/args.json", "a.b/history.csv", "a.b/run.json",
    ]  # fmt: skip


def test_a_stray_byte_of_old_arguments_is_kept(tmp_path):
    words = ["-agent_params", ",".join(
        f"{k}={v!r}" if not isinstance(v, list) else f"{k}={{3,10,10}}"
        for k, v in (toy()["agent_params"] | {"zzz": 0}).items()
    ).replace("zzz=0", r'zzz="\255"')]  # fmt: skip
    opt = load_options(args_file=write_toy(tmp_path, steps=10), lua_words=words)
    assert opt.ignored == {"agent_params.zzz": "\udcff"}
    for _ in Run(SYSTEM, opt, tmp_path).train("cpu"):
        pass
    path = tmp_path / "toy" / ARGS
    assert load_options(args_file=path) == opt
    assert Run(SYSTEM, opt, tmp_path).standing() == "finished"


# The same again.


def test_the_same_seed_gives_the_same_bytes(finished, tmp_path):
    out, _, _ = finished
    train(tmp_path)
    assert_same_runs(out / "t", tmp_path / "t")


def test_another_seed_gives_other_weights(finished, tmp_path):
    out, _, _ = finished
    train(tmp_path, seed=2)
    one, other = contents(out / "t"), contents(tmp_path / "t")
    assert one["t.t7"]["model"] != other["t.t7"]["model"]
    assert one["history.csv"] != other["history.csv"]


def test_the_comparison_sees_a_single_bit(finished, tmp_path):
    out, _, _ = finished
    train(tmp_path)
    path = tmp_path / "t" / "t.t7"
    table = load(path)
    table["model"]["modules"][2]["weight"].numpy()[0, 0] *= 1.0000001
    save(path, table)
    with pytest.raises(AssertionError):
        assert_same_runs(out / "t", tmp_path / "t")


# What stands there.


def test_standing(finished, tmp_path):
    run = finished[1]
    assert Run(SYSTEM, run.options, tmp_path).standing() == "new"
    assert run.standing() == "finished"
    assert run.standing(overwrite=True) == "new"
    (tmp_path / "t").mkdir()
    assert Run(SYSTEM, run.options, tmp_path).standing() == "new"
    assert list((tmp_path / "t").iterdir()) == []


def test_an_unfinished_run_goes_on_and_gives_the_same(finished, tmp_path):
    out, _, _ = finished
    run = Run(SYSTEM, toy_options(name="t"), tmp_path)
    events = run.train("cpu")
    next(event for event in events if isinstance(event, Saved))
    events.close()
    (tmp_path / "t" / ".t.t7.abcd1234.part").write_bytes(b"half")
    (tmp_path / "t" / ".args.json.abcd_123.part").write_bytes(b"half")
    assert run.standing() == "unfinished"
    train(tmp_path)
    assert_same_runs(out / "t", tmp_path / "t")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"seed": 2}, "seed: 1 there, 2 here"),
        ({"lr": 0.25}, "agent_params.lr: 0.005 there, 0.25 here; "
                       "agent_params.lr_end: 0.005 there, 0.25 here"),
        ({"target_q": 10}, None),
        ({"steps": 300, "seed": 3, "actrep": 2, "eval_steps": 81},
         "actrep: 1 there, 2 here; eval_steps: 80 there, 81 here; seed: 1 there, 3 here and "
         "1 more"),
    ],
)  # fmt: skip
def test_other_arguments_are_refused_and_nothing_is_touched(finished, changes, fault):
    out, _, _ = finished
    before = contents(out / "t")
    table = toy(name="t", **{k: v for k, v in changes.items() if k != "target_q"})
    if "target_q" in changes:
        table["agent_params"]["target_q"] = 10
        fault = "agent_params.target_q: nothing there, 10 here"
    other = Run(SYSTEM, options_of(table), out)
    assert refused(other.standing) == (
        f"{out}/t: holds a run with other arguments ({fault}); give another --set name=… or "
        "--out, or --overwrite to replace it"
    )
    assert other.standing(overwrite=True) == "new"
    assert contents(out / "t") == before


def test_values_that_are_alike_at_their_beginning_differ(finished, tmp_path):
    one, two = (str(tmp_path / f"{'x' * 60}{number}.t7") for number in (1, 2))
    for name in (one, two):
        Path(name).touch()
    run = Run(SYSTEM, toy_options(name="t", steps=10, network=one), tmp_path)
    run.begin()
    other = Run(SYSTEM, toy_options(name="t", steps=10, network=two), tmp_path)
    shown = f'"{one[:36]}…'
    assert refused(other.standing) == (
        f"{tmp_path}/t: holds a run with other arguments (agent_params.network: {shown} there, "
        f"{shown} here); give another --set name=… or --out, or --overwrite to replace it"
    )


def test_a_number_may_be_written_in_two_ways(finished):
    out, _, _ = finished
    assert Run(SYSTEM, toy_options(name="t", ep=0.9, steps=200.0), out).standing() == "finished"


def test_nan_in_what_is_ignored_is_the_same_nan(tmp_path):
    opt = options_of(toy(name="t", ignored={"agent_params.zzz": float("nan")}))
    Run(SYSTEM, opt, tmp_path).begin()
    assert Run(SYSTEM, opt, tmp_path).standing() == "unfinished"


def test_no_folder_is_made_for_a_fault_of_the_input(tmp_path):
    opt = options_of(toy(name="t", steps=10) | {"network": f"{tmp_path}/no.t7"})
    with pytest.raises(Exception, match="cannot be read"):
        list(Run(SYSTEM, opt, tmp_path / "out").train("cpu"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "fails_at", ["args.json", "history.csv", "t.t7", "t.params.t7", "run.json"]
)
def test_a_full_disk_ends_with_one_line_and_nothing_half_written(tmp_path, monkeypatch, fails_at):
    replace = Path.replace

    def full(self, target):
        if Path(target).name == fails_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    run = Run(SYSTEM, toy_options(name="t", saveNetworkParams=True), tmp_path)
    assert refused(list, run.train("cpu")) == (
        f"{tmp_path}/t/{fails_at}: cannot be written: No space left on device; what was there "
        "is unchanged"
    )
    assert not [name for name in files(tmp_path) if "part" in name]
    monkeypatch.undo()
    again = Run(SYSTEM, toy_options(name="t", saveNetworkParams=True), tmp_path)
    assert again.standing() == ("new" if fails_at == "args.json" else "unfinished")


def test_nan_in_the_network_stops_and_keeps_the_last_good_snapshot(tmp_path):
    run = Run(
        SYSTEM, toy_options(name="t", prog_freq=1000, eval_freq=1000, ep=1, ep_end=1), tmp_path
    )
    events = run.train("cpu")
    agent = next(events).training.ready.agent
    good = next(event for event in events if isinstance(event, Saved)).path.read_bytes()
    agent.network.w.data[0] = torch.nan
    # Nothing looks at the network before the next save.
    agent.learn_from = 10**6
    with pytest.raises(DivergedError) as caught:
        list(events)
    assert str(caught.value) == (
        "network: expected finite weights, got NaN or infinity at step 200 in layer 1 (nn.Linear); "
        f"lower lr; the last good snapshot is {tmp_path}/t/t.t7"
    )
    assert caught.value.exit_code == 1
    assert (tmp_path / "t" / "t.t7").read_bytes() == good
    assert load_snapshot(tmp_path / "t" / "t.t7").num_steps == 100
    beside = [name for name in files(tmp_path / "t") if not name.startswith("checkpoint/")]
    assert beside == ["args.json", "history.csv", "t.t7"]
    assert run.standing() == "unfinished"


def test_with_hardly_any_memory_left_a_run_keeps_a_checkpoint_and_stops(tmp_path, monkeypatch):
    whole = Run(SYSTEM, toy_options(name="t"), tmp_path / "whole")
    list(whole.train("cpu"))
    left = iter([2**30, 2**30, 99 << 20])
    monkeypatch.setattr(run_module, "_LOOK_EVERY", 0.0)
    monkeypatch.setattr(run_module, "available_memory", lambda: next(left))
    short = Run(SYSTEM, toy_options(name="t"), tmp_path)
    with pytest.raises(MemoryShortError) as caught:
        list(short.train("cpu"))
    assert str(caught.value) == (
        f"{tmp_path}/t: stopped: expected at least 100 MiB of free memory, got 99; free some, then "
        f"--resume {tmp_path}/t goes on"
    )
    assert short.checkpoints.read(1).step == 3
    monkeypatch.undo()
    list(Run(SYSTEM, toy_options(name="t"), tmp_path).train("cpu"))
    assert_same_runs(tmp_path / "t", tmp_path / "whole" / "t")


def test_a_learning_rate_that_makes_the_network_diverge(tmp_path):
    run = Run(SYSTEM, toy_options(name="t", lr=1e30), tmp_path)
    with pytest.raises(DivergedError) as caught:
        list(run.train("cpu"))
    text = str(caught.value)
    assert text.startswith("network: expected finite ")
    assert text.endswith("; no snapshot was saved yet")
    assert "; lower lr; " in text
    assert " at step 7" in text or " at step 8" in text, text
    assert files(tmp_path / "t") == ["args.json", "history.csv"]


def test_a_package_that_is_not_installed_has_an_unknown_version(monkeypatch):
    monkeypatch.setattr(run_module, "PACKAGES", ("no-such-package",))
    assert run_module.versions()["no-such-package"] == "unknown"


def test_the_network_that_a_run_starts_from_is_never_replaced_by_it(finished, tmp_path):
    _, done, _ = finished
    opt = dataclasses.replace(done.options, network=str(done.newest_networks()))
    with pytest.raises(RunFolderError) as caught:
        Run(SYSTEM, opt, done.folder.parent).standing(overwrite=True)
    assert str(caught.value) == (
        f"network: {done.newest_networks()} lies in the run's own folder, which the run replaces; "
        "give another --set name=… or --out"
    )
    assert Run(SYSTEM, opt, tmp_path).standing() == "new"


def test_a_folder_with_only_what_a_killed_start_left_is_new(tmp_path):
    run = Run(SYSTEM, toy_options(name="t"), tmp_path)
    run.folder.mkdir()
    (run.folder / ".args.json.x1y2.part").write_text("{")
    assert run.standing() == "new"
    (run.folder / "mine.txt").write_text("x")
    with pytest.raises(RunFolderError):
        run.standing()
