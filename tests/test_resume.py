"""A run stopped anywhere and gone on with is the run that was never stopped, to the bit."""

from __future__ import annotations

import json
import signal
import time

import numpy as np
import pytest

from dqn_port.checkpoint import FOLDER, Checkpoints
from dqn_port.errors import CheckpointError, LockedError
from dqn_port.run import Finished, Run, Started
from dqn_port.run_folder import ARGS, FINISHED
from dqn_port.state_file import load_state, save_state
from dqn_port.train import Evaluated, Saved, Ticked
from tests.cli.running import run, start, toy, write_toy
from tests.comparing import assert_same_runs, contents
from tests.test_assemble import CPU, options_of

TOP = ("env", "steps", "name", "pool_frms", "eval_freq", "eval_steps", "save_freq", "prog_freq",
       "save_versions", "saveNetworkParams", "seed")  # fmt: skip


def opt(**changes):
    changes = {"name": "t", "target_q": 30, "save_freq": 50} | changes
    table = toy(**{key: value for key, value in changes.items() if key in TOP})
    agent = {key: value for key, value in changes.items() if key not in TOP}
    return options_of(table | {"agent_params": table["agent_params"] | agent})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    list(Run(opt(), out).train(CPU))
    return out / "t"


def play(options, out, ticks, **more):
    """Go on for so many ticks, write a checkpoint as a signal does, and leave; tell the events."""
    run = Run(options, out, **more)
    events, seen = [], 0
    training = run.train(CPU)
    for event in training:
        events.append(event)
        seen += isinstance(event, Ticked)
        if seen == ticks:
            run.save_checkpoint()
            break
    training.close()
    return events


def finish(options, out, **more):
    return list(Run(options, out, **more).train(CPU))


# 200 steps of training, with 80 of evaluation after the 100th and the 200th.
STOPS = {
    "at the first step": 1,
    "in the middle of an episode": 37,
    "just before learning starts": 70,
    "when the validation sample is drawn": 71,
    "just after learning starts": 72,
    "right after a target copy": 91,
    "at a step that evaluates": 100,
    "inside an evaluation": 101,
    "at the end of an evaluation": 179,
    "between an evaluation and its save": 180,
    "after it": 181,
    "before the last step": 279,
    "inside the last evaluation": 333,
    "at its last step": 360,
}


@pytest.mark.parametrize("ticks", STOPS.values(), ids=STOPS.keys())
def test_a_run_stopped_once(whole, tmp_path, ticks):
    play(opt(), tmp_path, ticks)
    assert not (tmp_path / "t" / FINISHED).exists()
    started, *_, last = finish(opt(), tmp_path)
    assert started.resumed
    assert isinstance(last, Finished)
    assert_same_runs(whole, tmp_path / "t")


def test_a_run_stopped_every_few_ticks(whole, tmp_path):
    stops = 0
    while not (tmp_path / "t" / FINISHED).exists():
        play(opt(), tmp_path, 11)
        stops += 1
    assert stops > 30
    assert_same_runs(whole, tmp_path / "t")


def test_what_was_played_after_the_last_checkpoint_is_played_again_and_stands_once(whole, tmp_path):
    training = Run(opt(), tmp_path).train(CPU)
    for event in training:
        if isinstance(event, Ticked) and event.step == 199:
            break
    training.close()
    events = finish(opt(), tmp_path)
    assert events[0].step == 150
    assert [e.step for e in events if isinstance(e, Evaluated)] == [200]
    assert_same_runs(whole, tmp_path / "t")


@pytest.mark.parametrize("changes", [
    {"wc": 0.01, "nonTermProb": 1, "histSpacing": 1, "target_q": 7, "env": "toyA", "hist_len": 4,
     "preproc": "net_downsample_2x_full_y", "network": "net_small", "state_dim": 7056,
     "input_dims": [4, 84, 84], "steps": 110, "eval_steps": 20, "pool_frms": {"type": "max"}},
    {"rescale_r": None, "network": "net_tie", "replay_memory": 60, "eval_freq": 90},
    {"save_versions": 60, "saveNetworkParams": True, "update_freq": 3, "n_replay": 2},
])  # fmt: skip
def test_other_arguments(tmp_path, changes):
    options = opt(**changes)
    finish(options, tmp_path / "whole")
    for ticks in (33, 50, 11):
        play(options, tmp_path / "parts", ticks)
    assert finish(options, tmp_path / "parts")[0].resumed
    assert_same_runs(tmp_path / "whole" / "t", tmp_path / "parts" / "t")


@pytest.mark.parametrize("env", ["pong", "qbert", "montezuma_revenge"])
def test_real_games(tmp_path, env):
    options = options_of({
        "framework": "alewrap", "env": env, "agent": "NeuralQLearner", "steps": 260, "name": "t",
        "actrep": 4, "random_starts": 30, "pool_frms": {"type": "max", "size": 2},
        "eval_freq": 160, "eval_steps": 40, "save_freq": 100, "prog_freq": 1000,
        "agent_params": {
            "network": "net_small", "preproc": "net_downsample_2x_full_y", "hist_len": 4,
            "replay_memory": 150, "learn_start": 80, "bufferSize": 32, "minibatch_size": 8,
            "valid_size": 10, "update_freq": 4, "target_q": 40, "ep_endt": 200, "ep_end": 0.1,
            "lr": 0.001, "rescale_r": 1,
        },
    })  # fmt: skip
    finish(options, tmp_path / "whole")
    for ticks in (90, 85, 30):
        play(options, tmp_path / "parts", ticks)
    assert finish(options, tmp_path / "parts")[0].resumed
    assert_same_runs(tmp_path / "whole" / "t", tmp_path / "parts" / "t")


# What stands there.


def test_checkpoints_stand_beside_the_run_until_it_is_finished(tmp_path):
    play(opt(), tmp_path, 120)
    folder = tmp_path / "t" / FOLDER
    assert len(Checkpoints(tmp_path / "t").serials()) == 2
    names = sorted(path.name for path in folder.iterdir())
    assert all(name.endswith((".json", ".t7", ".bin")) for name in names)
    finish(opt(), tmp_path)
    assert not folder.exists()


@pytest.mark.parametrize("save_freq", [10, 30, 49, 60, 90, 130])
def test_two_checkpoints_take_no_more_than_twice_the_replay_memory(tmp_path, save_freq):
    options = opt(replay_memory=100, save_freq=save_freq, steps=400)
    sizes, written = [], set()
    folder = tmp_path / "t" / FOLDER
    for event in Run(options, tmp_path).train(CPU):
        if isinstance(event, Saved):
            files = list(folder.glob("replay-*.bin"))
            sizes.append(sum(path.stat().st_size for path in files))
            written |= {(path.name, path.stat().st_size) for path in files}
    memory = 100 * 106
    assert memory <= max(sizes) <= 2 * memory
    # Most transitions are written once, none more than a few times.
    assert sum(size for _, size in written) <= 3 * 400 * 106


def test_without_checkpoints_a_run_begins_anew(whole, tmp_path):
    play(opt(), tmp_path, 120, checkpoint="none")
    assert not (tmp_path / "t" / FOLDER).exists()
    started, *_ = finish(opt(), tmp_path, checkpoint="none")
    assert not started.resumed
    assert started.step == 0
    assert_same_runs(whole, tmp_path / "t")


def test_weights_alone_go_on_with_a_new_replay_memory(whole, tmp_path):
    play(opt(), tmp_path, 250, checkpoint="weights")
    assert not list((tmp_path / "t" / FOLDER).glob("*.bin"))
    started, *events = finish(opt(), tmp_path, checkpoint="weights")
    assert started.resumed
    assert started.notes == (
        "the checkpoint is one of weights alone: the replay memory is filled anew, and what "
        "follows is not what would have followed",
    )
    agent = started.setup.agent
    assert agent.learn_from == started.step + agent.learn_start
    assert isinstance(events[-1], Finished)
    here, there = contents(tmp_path / "t"), contents(whole)
    assert here["history.csv"][0] == there["history.csv"][0]
    assert len(here["history.csv"]) == 2


def test_weights_alone_inside_an_evaluation_begin_the_evaluation_anew(tmp_path):
    play(opt(), tmp_path, 130, checkpoint="weights")
    events = finish(opt(), tmp_path, checkpoint="weights")
    evaluated = [event for event in events if isinstance(event, Evaluated)]
    assert [event.step for event in evaluated] == [100, 200]


# Damage.


def damaged(path, at=None):
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if at is None else at] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize("kind", ["*.json", "*.t7", "replay-*.bin"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(whole, tmp_path, kind):
    play(opt(replay_memory=40), tmp_path, 110)
    checkpoints = Checkpoints(tmp_path / "t")
    found = checkpoints.read(2)
    names = {"*.json": "00000002.json", "*.t7": found.state.name}
    newest = checkpoints.folder / names.get(kind, found.segments[-1].name)
    damaged(newest)
    before = {p: p.read_bytes() for p in (tmp_path / "t").rglob("*") if p.is_file() and p != newest}
    events = Run(opt(replay_memory=40), tmp_path).train(CPU)
    started = next(events)
    assert started.resumed
    (note,) = started.notes
    assert note.startswith("checkpoint 2 cannot be used: ")
    assert str(newest) in note
    for path, data in before.items():
        if path.parent.name == FOLDER:
            assert path.read_bytes() == data
    list(events)
    finish(opt(replay_memory=40), tmp_path / "whole")
    assert_same_runs(tmp_path / "whole" / "t", tmp_path / "t")


def test_where_no_checkpoint_can_be_used_nothing_is_harmed(tmp_path):
    play(opt(), tmp_path, 110)
    for path in (tmp_path / "t" / FOLDER).glob("*.t7"):
        damaged(path)
    before = {p: p.read_bytes() for p in (tmp_path / "t").rglob("*") if p.is_file()}
    with pytest.raises(CheckpointError) as caught:
        finish(opt(), tmp_path)
    first = tmp_path / "t" / FOLDER / "00000002.t7"
    assert str(caught.value) == (
        f"{tmp_path}/t: no checkpoint can be used; checkpoint 2 cannot be used: {first}: its "
        "sha256 is not the one that was written; it is damaged; --overwrite begins anew"
    )
    assert before == {p: p.read_bytes() for p in before}
    assert next(iter(Run(opt(), tmp_path).train(CPU, anew=True))).step == 0


def test_flipped_bits_and_cuts_at_many_offsets(tmp_path):
    play(opt(), tmp_path, 110)
    checkpoints = Checkpoints(tmp_path / "t")
    newest = checkpoints.serials()[0]
    checkpoints.check(newest)
    found = checkpoints.read(newest)
    names = [f"{newest:08d}.json", found.state.name, *(s.name for s in found.segments)]
    rng = np.random.default_rng(1)
    for name in names:
        path = tmp_path / "t" / FOLDER / name
        good = path.read_bytes()
        for at in rng.integers(0, len(good), 40).tolist():
            for bad in (
                good[:at],
                good[:at] + bytes([good[at] ^ (1 << (at % 8))]) + good[at + 1 :],
            ):
                path.write_bytes(bad)
                with pytest.raises(CheckpointError) as caught:
                    checkpoints.check(newest)
                assert "\n" not in str(caught.value)
        path.unlink()
        with pytest.raises(CheckpointError, match="cannot be read: No such file or directory"):
            checkpoints.check(newest)
        path.write_bytes(good)
    checkpoints.check(newest)


# A state that a stranger wrote, with the right checksums.


def rewritten(tmp_path, change):
    """Return what is said when the newest checkpoint's tree was changed."""
    checkpoints = Checkpoints(tmp_path / "t")
    found = checkpoints.read(checkpoints.serials()[0])
    tree = load_state(checkpoints.folder / found.state.name)
    change(tree)
    for path in checkpoints.folder.glob("*.json"):
        path.unlink()
    checkpoints.save(tree, step=found.step, replay=None)
    manifest = next(checkpoints.folder.glob("*.json"))
    table = json.loads(manifest.read_text())
    assert table["mode"] == "weights"
    with pytest.raises(CheckpointError) as caught:
        finish(opt(), tmp_path)
    text = str(caught.value)
    assert "\n" not in text
    return text.split("cannot be used: ")[1].removesuffix("; --overwrite begins anew")


def put(*path_and_value):
    *path, name, value = path_and_value

    def change(tree):
        for key in path:
            tree = tree[key]
        tree[name] = value

    return change


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (put("arguments", "seed", 5), "checkpoint.arguments: expected those of this run, got "
         "others: seed"),
        (put("arguments", 5), "checkpoint.arguments: expected those of this run, got others: "
         "actrep"),
        (put("agent", 5), "agent: expected fields by name, got 5"),
        (put("agent", "num_steps", 49), "checkpoint.agent.num_steps: expected 50, the step of the "
         "run, got 49"),
        (put("agent", "num_steps", -1), "agent.num_steps: expected a whole number of 0 to "
         "9007199254740992, got -1"),
        (put("agent", "last_action", 9), "agent.last_action: expected a whole number of 0 to 3, "
         "got 9"),
        (put("agent", "ep", float("nan")), "agent.ep: expected a finite number, got nan"),
        (put("agent", "vectors", "w", np.zeros(3, dtype=np.float32)),
         "agent.vectors.w: expected float32 [7324], got float32 [3]"),
        (put("train", "step", 10**9), "checkpoint.train.step: expected a whole number of 0 to 200, "
         "got 1000000000"),
        (put("train", "histories", "reward_history", [1.5]), "checkpoint.train.histories."
         "reward_history: expected an entry for each of 0 evaluations, got 1"),
        (put("train", "histories", "steps", ["x"]), "checkpoint.train.histories.steps: expected a "
         "list of whole numbers, got a list"),
        (put("rows", [{}]), "checkpoint.rows: expected a row for each of 0 evaluations"),
        (put("best_network", {"w": 5}), "checkpoint.best_network.w: expected float32 [7324], got "
         "5"),
    ],
)  # fmt: skip
def test_a_state_that_does_not_fit_is_refused(tmp_path, change, fault):
    play(opt(), tmp_path, 50)
    assert rewritten(tmp_path, change).startswith(fault)


def test_a_tree_on_disk_comes_back_as_it_was(tmp_path):
    tree = {
        "none": None, "yes": True, "n": 2**52 + 1, "x": 0.1, "text": "é\udcff", "bytes": b"\0\xff",
        "list": [1, [2.5, {"a": None}]], "nan": float("inf"),
        "u32": np.arange(4, dtype=np.uint32) * 2**30, "bool": np.array([True, False]),
        "matrix": np.arange(6, dtype=np.float64).reshape(2, 3), "empty": np.empty((0, 3), np.uint8),
        "zero": np.array(5, dtype=np.int64),
    }  # fmt: skip
    save_state(tmp_path / "a.t7", tree)
    again = load_state(tmp_path / "a.t7")
    assert list(again) == list(tree)
    for name, value in tree.items():
        if isinstance(value, np.ndarray):
            assert again[name].dtype == value.dtype
            assert again[name].shape == value.shape
            np.testing.assert_array_equal(again[name], value)
        else:
            assert again[name] == value
            assert type(again[name]) is type(value)


# From the command line.


def test_the_same_command_goes_on_after_a_signal(capsys, tmp_path):
    args = write_toy(tmp_path, steps=3000, save_freq=500, eval_freq=700, prog_freq=100)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run(capsys, "train", "--args", args, "--out", whole, "--quiet").code == 0
    process = start("train", "--args", args, "--out", parts)
    for line in process.stdout:
        if line.startswith("Steps: \t400"):
            break
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "to go on: " in error
    assert f"train --resume {parts}/toy" in error
    result = run(capsys, "train", "--args", args, "--out", parts)
    assert result.code == 0
    first = result.out.splitlines()[0]
    assert first.startswith(f"{parts}/toy goes on from step ")
    assert int(first.split()[-1].rstrip(".").replace(",", "")) >= 400
    assert_same_runs(whole / "toy", parts / "toy")


def test_resume_takes_the_runs_own_arguments(capsys, whole, tmp_path):
    play(opt(), tmp_path, 130)
    result = run(capsys, "train", "--resume", tmp_path / "t", "--quiet")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert_same_runs(whole, tmp_path / "t")
    result = run(capsys, "train", "--resume", tmp_path / "t")
    assert result.out.startswith(f"{tmp_path}/t is finished: nothing to do.")


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (
            ["--resume", "{0}/no"],
            "--resume {0}/no: expected a run's folder, got none with args.json",
        ),
        (
            ["--resume", "{0}/t", "--set", "seed=2"],
            "--resume: expected no other arguments with it: the run has its own",
        ),
        (
            ["--resume", "{0}/moved"],
            "--resume {0}/moved: expected a folder named 't', as its run is; name it so",
        ),
    ],
)
def test_faults_of_resuming(capsys, tmp_path, words, fault):
    play(opt(), tmp_path, 5)
    (tmp_path / "moved").mkdir()
    (tmp_path / "moved" / ARGS).write_bytes((tmp_path / "t" / ARGS).read_bytes())
    result = run(capsys, "train", *(word.format(tmp_path) for word in words))
    assert (result.code, result.out, result.error) == (2, "", fault.format(tmp_path))


def test_a_folder_in_use_is_left_to_its_process(tmp_path):
    events = Run(opt(), tmp_path).train(CPU)
    next(events)
    with pytest.raises(LockedError, match="in use by"):
        next(Run(opt(), tmp_path).train(CPU))
    events.close()
    assert isinstance(next(Run(opt(), tmp_path).train(CPU)), Started)


def test_a_killed_process_loses_no_more_than_the_steps_since_its_checkpoint(capsys, tmp_path):
    args = write_toy(tmp_path, steps=2000, save_freq=50, eval_freq=700, prog_freq=1000)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run(capsys, "train", "--args", args, "--out", whole, "--quiet").code == 0
    rng = np.random.default_rng(1)
    for _ in range(4):
        process = start("train", "--args", args, "--out", parts, "--quiet")
        deadline = time.monotonic() + 60
        while not (parts / "toy" / FOLDER).exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.3))
        process.kill()
        process.communicate(timeout=60)
    assert run(capsys, "train", "--args", args, "--out", parts, "--quiet").code == 0
    assert_same_runs(whole / "toy", parts / "toy")
