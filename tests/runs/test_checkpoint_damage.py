"""Damaged and hostile checkpoints: one line, and the checkpoint before is taken."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from dqn_port.errors import CheckpointError, RunFolderError, T7Error
from dqn_port.runs.checkpoint import FOLDER, Checkpoints
from dqn_port.runs.run import Run
from dqn_port.runs.state_file import load_state, save_state
from dqn_port.systems.lua_dqn.system import SYSTEM
from tests.cli.running import run
from tests.comparing import assert_same_runs
from tests.runs.fuzz_checkpoint import fuzz
from tests.runs.test_resume import finish, opt, play


def damaged(path, at=None):
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if at is None else at] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize("kind", ["*.json", "*.t7", "replay-*.bin"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path, kind):
    play(opt(replay_memory=40), tmp_path, 110)
    checkpoints = Checkpoints(tmp_path / "t")
    found = checkpoints.read(2)
    names = {"*.json": "00000002.json", "*.t7": found.state.name}
    newest = checkpoints.folder / names.get(kind, found.segments[-1].name)
    damaged(newest)
    before = {p: p.read_bytes() for p in (tmp_path / "t").rglob("*") if p.is_file() and p != newest}
    events = Run(SYSTEM, opt(replay_memory=40), tmp_path).train("cpu")
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


def test_where_no_checkpoint_can_be_used_nothing_is_harmed(capsys, tmp_path):
    play(opt(), tmp_path, 110)
    for path in (tmp_path / "t" / FOLDER).glob("*.t7"):
        damaged(path)
    before = {p: p.read_bytes() for p in (tmp_path / "t").rglob("*") if p.is_file()}
    with pytest.raises(CheckpointError) as caught:
        finish(opt(), tmp_path)
    first = tmp_path / "t" / FOLDER / "00000002.t7"
    assert str(caught.value) == (
        f"{tmp_path}/t: no checkpoint can be used; checkpoint 2 cannot be used: {first}: its "
        "sha256 is not the one that was written; it is damaged"
    )
    result = run(capsys, "train", "--quiet", "--resume", tmp_path / "t")
    assert (result.code, result.error) == (1, f"{caught.value}; --overwrite starts over")
    assert before == {p: p.read_bytes() for p in before}
    assert next(iter(Run(SYSTEM, opt(), tmp_path).train("cpu", anew=True))).step == 0


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


@pytest.mark.parametrize("fails_at", ["00000002.json", "00000002.t7", "replay-49-99-00000002.bin"])
def test_a_full_disk_stops_the_run_and_harms_no_checkpoint(tmp_path, monkeypatch, fails_at):
    replace = Path.replace

    def full(self, target):
        if Path(target).name == fails_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises((RunFolderError, T7Error)) as caught:
        finish(opt(), tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/t/{FOLDER}/{fails_at}: cannot be written: No space left on device; what was "
        "there is unchanged"
    )
    monkeypatch.undo()
    checkpoints = Checkpoints(tmp_path / "t")
    assert checkpoints.serials() == [1]
    checkpoints.check(1)
    assert finish(opt(), tmp_path)[0].step == 50
    assert_same_runs_of(tmp_path)


def assert_same_runs_of(tmp_path):
    finish(opt(), tmp_path / "whole")
    assert_same_runs(tmp_path / "whole" / "t", tmp_path / "t")


# A state that a stranger wrote, with the right checksums.


def rewritten(tmp_path, change):
    """Return what is said when the newest checkpoint's tree was changed."""
    checkpoints = Checkpoints(tmp_path / "t")
    found = checkpoints.read(checkpoints.serials()[0])
    tree = load_state(checkpoints.folder / found.state.name)
    change(tree)
    for path in checkpoints.folder.glob("*.json"):
        path.unlink()
    checkpoints.save(tree, step=found.step, rings=None)
    manifest = next(checkpoints.folder.glob("*.json"))
    table = json.loads(manifest.read_text())
    assert table["mode"] == "weights"
    with pytest.raises(CheckpointError) as caught:
        finish(opt(), tmp_path)
    text = str(caught.value)
    assert "\n" not in text
    return text.split("cannot be used: ")[1].removesuffix("; --overwrite starts over")


def put(*path_and_value):
    *path, name, value = path_and_value

    def change(tree):
        for key in path:
            tree = tree[key]
        tree[name] = value

    return change


def older_bytes(length):
    """Change a tree to that of an older version, which held the length of history.csv alone."""

    def change(tree):
        del tree["files"]
        tree["history_bytes"] = length

    return change


def older_rows(rows):
    """Change a tree to that of an older version, which held the rows of history.csv."""

    def change(tree):
        del tree["files"]
        tree["rows"] = rows

    return change


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (put("arguments", json.dumps(opt(seed=5).to_json())), "checkpoint.arguments: expected "
         "those of this run, got others: seed"),
        (put("arguments", 5), "checkpoint.arguments: expected a string, got 5"),
        (put("arguments", "["), "checkpoint.arguments: expected JSON, got a mistake"),
        (put("versions", "[]"), "checkpoint.versions: expected a dict, got another value"),
        (put("agent", 5), "agent: expected fields by name, got 5"),
        (put("agent", "num_steps", 49), "checkpoint.agent.num_steps: expected 50, the step of the "
         "run, got 49"),
        (put("agent", "num_steps", -1), "agent.num_steps: expected a whole number of 0 to "
         "9007199254740992, got -1"),
        (put("agent", "last_action", 9), "agent.last_action: expected a whole number of 0 to 3, "
         "got 9"),
        (put("agent", "ep", float("nan")), "agent.ep: expected a finite number, got nan"),
        (put("agent", "ep", 10**400), "agent.ep: expected a finite number, got 1000000"),
        (put("agent", "vectors", "w", np.zeros(3, dtype=np.float32)),
         "agent.vectors.w: expected float32 [7324], got float32 [3]"),
        (put("train", "step", 10**9), "checkpoint.train.step: expected a whole number of 0 to 200, "
         "got 1000000000"),
        (put("train", "histories", "reward_history", [1.5]), "checkpoint.train.histories."
         "reward_history: expected an entry for each of 0 evaluations, got 1"),
        (put("train", "histories", "steps", ["x"]), "checkpoint.train.histories.steps: expected a "
         "list of whole numbers, got a list"),
        (put("files", '{"history.csv": -1}'), "checkpoint.files: expected lengths by name, got "
         "others"),
        (put("files", '{"history.csv": 0, "../x": 0}'), "checkpoint.files: expected lengths by "
         "name, got others"),
        (older_bytes(-1), "checkpoint.history_bytes: expected a whole number of 0 to "
         "9007199254740992, got -1"),
        (older_rows("[{}]"), "checkpoint.rows: expected rows of the history, got others"),
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


def test_hostile_checkpoints_with_the_right_checksums_give_one_line():
    counts, slowest, _ = fuzz(300, seed=2)
    assert counts.keys() == {"CheckpointError", "fits"}
    assert counts["CheckpointError"] > 150
    assert slowest < 10
