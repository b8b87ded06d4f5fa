"""The record of an evaluation, as it is read."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dqn_port.errors import EvaluationError, RunFolderError
from dqn_port.runs.evaluations import (
    EVALUATION,
    MAX_CLIP_BYTES,
    find_evaluations,
    mean_and_std,
    read_evaluation,
    snapshots_of,
    to_json,
    with_evaluations,
)
from dqn_port.runs.record import read_run
from dqn_port.tools.record import record_evaluation
from tests.exports.building import write_run
from tests.tools.running import TOY_B, make_snapshot

MOST = "9.0072e+15"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recorded")
    snapshot = make_snapshot(folder / "toyB.t7", TOY_B, best_seed=7)
    record_evaluation(snapshot, folder / "e", episodes=2, seeds=(1, 2))
    return folder / "e"


@pytest.fixture
def folder(recorded, tmp_path):
    return shutil.copytree(recorded, tmp_path / "e")


def refused(folder):
    with pytest.raises(EvaluationError) as error:
        read_evaluation(folder)
    text = str(error.value)
    assert "\n" not in text
    return text


def change(folder, where, value):
    """Set what stands at a path of evaluation.json; ... removes it."""
    table = json.loads((folder / EVALUATION).read_text())
    *path, key = where
    inner = table
    for step in path:
        inner = inner[step]
    if value is ...:
        del inner[key]
    else:
        inner[key] = value
    (folder / EVALUATION).write_text(json.dumps(table))


def test_a_record_of_format_1_is_read(folder):
    expected = read_evaluation(folder)
    change(folder, ["format"], 1)
    change(folder, ["actrep"], 4)
    change(folder, ["frames_per_step"], ...)
    assert read_evaluation(folder) == replace(expected, frames_per_step=4)


def test_a_record_is_read_as_it_was_written(folder):
    record = read_evaluation(folder)
    assert record.folder == folder
    assert len(record.episodes) == 8
    assert [len(record.of(network)) for network in ("last", "best")] == [4, 4]
    assert record.clip is not None
    assert record.clip.video.content == (folder / "clip.webp").read_bytes()
    written = json.loads((folder / EVALUATION).read_text())
    assert to_json(record) == written
    assert set(written["clip"]["video"]) == {"file", "sha256", "width", "height"}


def test_a_record_without_a_clip_is_whole(folder):
    change(folder, ["clip"], None)
    change(folder, ["seen"], None)
    (folder / "clip.webp").unlink()
    record = read_evaluation(folder)
    assert (record.clip, record.seen) == (None, None)


@pytest.mark.parametrize(
    ("where", "value", "fault"),
    [
        ("format", 3, "expected 1 or 2, got 3"),
        ("game", "", 'expected a text, got ""'),
        ("game", 7, "expected a text, got 7"),
        ("rom_md5", "abc", 'expected 32 hexadecimal digits, got "abc"'),
        ("epsilon", 1.5, "expected a number from 0 to 1, got 1.5"),
        ("epsilon", float("nan"), "expected a number from 0 to 1, got NaN"),
        ("epsilon", True, "expected a number from 0 to 1, got true"),
        ("seeds", [], "expected a list of whole numbers, got []"),
        ("seeds.1", "2", 'expected a whole number, got "2"'),
        ("max_frames", -1, "expected a whole number from 0, got -1"),
        ("frames_per_step", 0, "expected a whole number from 1, got 0"),
        ("random_starts", 2.0, "expected a whole number from 0, got 2.0"),
        ("snapshot", "a/b.t7", 'expected the name of a file, got "a/b.t7"'),
        ("snapshot_sha256", "X" * 64, f'expected 64 hexadecimal digits, got "{"X" * 58}…'),
        ("versions", [], "expected an object, got []"),
        ("versions.torch", 2, "expected a text, got 2"),
        ("episodes", [], "expected a list of objects, got []"),
        ("episodes.1", 5, "expected an object, got 5"),
        ("episodes.0.network", "first", 'expected last or best, got "first"'),
        ("episodes.0.seed", 3, "expected one of (1, 2), got 3"),
        ("episodes.0.reward", 1e300, f"expected a number from -{MOST} to {MOST}, got 1e+300"),
        ("episodes.0.steps", 0, "expected a whole number from 1, got 0"),
        ("episodes.0.cut", 0, "expected true or false, got 0"),
        ("clip.episode", 8, "expected a whole number from 0 to 7, got 8"),
        ("clip.seconds", -1, "expected a number from 0 to 3600, got -1"),
        ("clip.video", None, "expected an object, got null"),
        ("clip.video.file", "../clip.webp", 'expected the name of a file, got "../clip.webp"'),
        ("clip.video.file", "\udc80.webp", r'expected a name ending in .webp, got "\udc80.webp"'),
        ("clip.video.file", "seen.png", 'expected a name ending in .webp, got "seen.png"'),
        ("seen.labels", ["a", "b"], 'expected 1 of them, got ["a", "b"]'),
        ("seen.strip.width", 5000, "expected a whole number from 1 to 4096, got 5000"),
    ],
)
def test_what_is_not_as_it_must_be_is_named(folder, where, value, fault):
    steps = json.loads((folder / EVALUATION).read_text())["episodes"][0]["steps"]
    change(folder, [int(key) if key.isdigit() else key for key in where.split(".")], value)
    path = re.sub(r"\.(\d+)", r"[\1]", where)
    if "{frames}" in fault:
        fault = fault.format(frames=steps * 2)
    assert refused(folder) == f"{folder / EVALUATION}: {path}: {fault}; record it again"


def test_a_strip_holds_frames_of_equal_width(folder):
    change(folder, ["seen", "frames"], 3)
    change(folder, ["seen", "labels"], ["a", "b", "c"])
    assert refused(folder) == (
        f"{folder / EVALUATION}: seen.frames: expected a divisor of the width, 10 pixels, got 3; "
        "record it again"
    )


@pytest.mark.parametrize("where", ["game", "rom_md5", "episodes.0.cut", "clip", "seen.strip.file"])
def test_what_is_missing_is_named(folder, where):
    change(folder, [int(key) if key.isdigit() else key for key in where.split(".")], ...)
    path = re.sub(r"\.(\d+)", r"[\1]", where)
    assert refused(folder) == f"{folder / EVALUATION}: {path}: missing; record it again"


def test_a_file_that_is_no_record(folder):
    path = folder / EVALUATION
    path.write_text("[]")
    assert refused(folder) == f"{path}: the file: expected an object, got []; record it again"
    path.write_text("{")
    assert refused(folder).startswith(f"{path}: expected JSON, got Expecting property name")
    path.write_text("[" * 100_000)
    assert refused(folder).startswith(f"{path}: expected JSON, got maximum recursion depth")
    path.write_bytes(b"\xff\xfe\xff")
    assert refused(folder).startswith(f"{path}: expected JSON, got 'utf-16-le' codec")
    path.write_bytes(b" " * 16_000_001)
    assert refused(folder) == f"{path}: expected at most 16,000,000 bytes, got more"
    path.unlink()
    assert refused(folder) == (
        f"{path}: cannot be read: No such file or directory; name an evaluation's folder, or "
        "record it again"
    )
    path.mkdir()
    assert refused(folder) == f"{path}: expected a file, got a folder or a device"


@pytest.mark.parametrize("name", ["clip.webp", "screen.png", "seen.png"])
def test_a_picture_that_was_damaged(folder, name):
    path = folder / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert refused(folder) == (
        f"{path}: its sha256 is not the one in {EVALUATION}; it is damaged, record it again"
    )
    path.unlink()
    assert refused(folder).startswith(f"{path}: cannot be read: No such file or directory; ")


@pytest.mark.parametrize(
    ("of", "name", "content", "got"),
    [
        (["clip", "video"], "clip.webp", b"<script>alert(1)</script>", "something else"),
        (["clip", "video"], "clip.webp", b"RIFF    WEBPVP8X" + b"\0" * 14, "1 x 1"),
        (["seen", "strip"], "seen.png", b"GIF89a", "something else"),
    ],
)
def test_a_picture_that_is_something_else(folder, of, name, content, got):
    (folder / name).write_bytes(content)
    change(folder, [*of, "sha256"], hashlib.sha256(content).hexdigest())
    ending = name[name.index(".") :]
    assert refused(folder) == (
        f"{folder / name}: expected a {ending} file of 10 x 10 pixels, got {got}; record it again"
    )


def test_a_clip_that_is_too_large(folder):
    content = (folder / "clip.webp").read_bytes() + bytes(MAX_CLIP_BYTES)
    (folder / "clip.webp").write_bytes(content)
    change(folder, ["clip", "video", "sha256"], hashlib.sha256(content).hexdigest())
    assert refused(folder) == (
        f"{folder / 'clip.webp'}: expected at most 1,500,000 bytes, got more"
    )


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_damaged_record_is_refused_or_read_but_nothing_else(folder, recorded, data):
    content = bytearray((recorded / EVALUATION).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    (folder / EVALUATION).write_bytes(content)
    with contextlib.suppress(EvaluationError):
        read_evaluation(folder)


def test_mean_and_standard_deviation_of_a_sample():
    assert mean_and_std([1.0, 2.0, 6.0]) == (3.0, 7.0**0.5)
    assert mean_and_std([4.0]) == (4.0, 0.0)


def test_the_evaluations_of_a_run_are_those_of_its_snapshot(folder, recorded, tmp_path):
    digest = read_evaluation(folder).snapshot_sha256
    about = {"snapshot": "gone.t7", "sha256": {"gone.t7": digest, "other.t7": "cd" * 32}}
    run = read_run(write_run(tmp_path / "run", about=about))
    assert snapshots_of(run) == {digest, "cd" * 32}
    assert find_evaluations(run) == []
    for name in ("evaluation-b", "evaluation-a", "evaluated", "evaluation-other"):
        shutil.copytree(recorded, tmp_path / name)
    (tmp_path / "evaluation-empty").mkdir()
    change(tmp_path / "evaluation-other", ["snapshot_sha256"], "ab" * 32)
    found = find_evaluations(run)
    assert [record.folder.name for record in found] == ["evaluation-a", "evaluation-b"]
    (tmp_path / "evaluation-a" / "clip.webp").unlink()
    with pytest.raises(EvaluationError):
        find_evaluations(run)


def test_evaluations_find_their_run(folder, recorded, tmp_path):
    digest = read_evaluation(folder).snapshot_sha256
    one, two = (
        read_run(write_run(tmp_path / "runs" / name, about={"sha256": {f"{name}.t7": sha256}}))
        for name, sha256 in [("one", digest), ("two", "cd" * 32)]
    )
    theirs = tmp_path / "theirs"
    shutil.copytree(recorded, theirs)
    change(theirs, ["snapshot_sha256"], "cd" * 32)
    mine, its = read_evaluation(folder), read_evaluation(theirs)
    assert with_evaluations([one, two]) == [(one, []), (two, [])]
    assert with_evaluations([one, two], [theirs, folder, theirs]) == [
        (one, [mine]),
        (two, [its, its]),
    ]
    with pytest.raises(EvaluationError) as error:
        with_evaluations([one], [theirs])
    assert str(error.value) == (
        f"{theirs}: expected the evaluation of a snapshot of {one.folder}; got that of "
        f"{its.snapshot} with sha256 cdcdcdcdcdcd…; evaluate the run again"
    )


def test_an_unfinished_run_is_known_by_its_newest_snapshot(tmp_path):
    run = read_run(write_run(tmp_path / "run", finished=False))
    assert snapshots_of(run) == frozenset()
    path = tmp_path / "run.t7"
    path.write_bytes(b"a snapshot")
    run = replace(run, snapshot=path)
    assert snapshots_of(run) == {hashlib.sha256(b"a snapshot").hexdigest()}
    path.unlink()
    with pytest.raises(RunFolderError) as error:
        snapshots_of(run)
    assert str(error.value) == f"{path}: cannot be read: No such file or directory"
