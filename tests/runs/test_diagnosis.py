"""The diagnosis in an evaluation's folder: nothing in it is believed unread."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import asdict

import pytest

from dqn_port.errors import EvaluationError
from dqn_port.runs.diagnosis import DIAGNOSIS, diagnosis_bytes, read_diagnosis
from dqn_port.tools.diagnosis import diagnose
from tests.tools.scripted import convolved, player_of, step_of

STEPS = [
    step_of(0, [1.0, 2.0], 1.0, learnt=1.0, convolve=convolved),
    step_of(1, [0.5, 0.25], 0.0, "game", learnt=0.0),
]


@pytest.fixture
def made():
    return diagnose(player_of(STEPS, discount=0.9, actions=("A", "B")), seed=1, episodes=1)


def read(folder, content):
    (folder / DIAGNOSIS).write_bytes(content)
    return read_diagnosis(folder, hashlib.sha256(content).hexdigest())


def refused(folder, content):
    with pytest.raises(EvaluationError) as raised:
        read(folder, content)
    return str(raised.value)


def test_what_is_read_is_what_was_written(tmp_path, made):
    content = diagnosis_bytes(made)
    assert read(tmp_path, content) == made
    assert b"NaN" not in content
    told = json.loads(content)
    assert (told["format"], told["moments"][0]["valued"]) == (1, [1.0, 2.0])


@pytest.mark.parametrize(
    ("where", "value", "fault"),
    [
        ("format", 2, "expected a whole number from 1 to 1, got 2"),
        ("network", "first", 'expected last or best or only, got "first"'),
        ("discount", 2, "expected a number from 0 to 1, got 2"),
        ("actions", ["A" * 61], f'expected short texts, got "{"A" * 58}…'),
        ("episodes", [], "expected a list of objects, got []"),
        ("episodes.0.steps", 0, "expected a whole number from 1, got 0"),
        ("distinct", 2, "expected a whole number from 0 to 1, got 2"),
        ("points", [[1, 2]], "expected 1 rows of numbers, of one width, got [[1, 2]]"),
        ("correlation", 1.5, "expected a number from -1 to 1, got 1.5"),
        ("mean_value", None, "expected a number from -1e+15 to 1e+15, got null"),
        ("convolved", [1, 0], "expected an episode and a step of it, got [1, 0]"),
        ("moments.0", 5, "expected an object, got 5"),
        ("moments.0.episode", 1, "expected a whole number from 0 to 0, got 1"),
        ("moments.0.done", 2, "expected a whole number from 0 to 1, got 2"),
        ("moments.0.valued", [], "expected 1 to 1000 numbers, got []"),
        ("moments.0.valued", [1e300], "expected 1 to 1000 numbers, got [1e+300]"),
        ("moments.0.planes.0.png", "PHN2Zz4=", 'expected a PNG of 2 x 3 pixels, got "PHN2Zz4="'),
        ("moments.0.planes.0.png", "<svg>", 'expected a PNG of 2 x 3 pixels, got "<svg>"'),
        ("moments.0.planes.0.width", 9000, "expected a whole number from 1 to 2048, got 9000"),
        ("convolutions.0.scale", "x", 'expected a number from -1e+15 to 1e+15, got "x"'),
    ],
)
def test_what_is_not_as_it_must_be_is_named(tmp_path, made, where, value, fault):
    told = json.loads(diagnosis_bytes(made))
    *keys, last = [int(key) if key.isdigit() else key for key in where.split(".")]
    table = told
    for key in keys:
        table = table[key]
    table[last] = value
    path = re.sub(r"\.(\d+)", r"[\1]", where)
    assert refused(tmp_path, json.dumps(told).encode()) == (
        f"{tmp_path / DIAGNOSIS}: {path}: {fault}; record it again"
    )


def test_a_file_that_is_none(tmp_path, made):
    path = tmp_path / DIAGNOSIS
    assert (
        refused(tmp_path, b"[]") == f"{path}: the file: expected an object, got []; record it again"
    )
    assert refused(tmp_path, b"{").startswith(f"{path}: expected JSON, got Expecting property name")
    assert refused(tmp_path, b" " * 4_500_001) == (
        f"{path}: expected at most 4,500,000 bytes, got more"
    )
    path.write_bytes(diagnosis_bytes(made) + b" ")
    with pytest.raises(EvaluationError) as raised:
        read_diagnosis(tmp_path, hashlib.sha256(diagnosis_bytes(made)).hexdigest())
    assert str(raised.value) == (
        f"{path}: its sha256 is not the one in evaluation.json; it is damaged, record it again"
    )


def test_pictures_are_kept_as_they_are(made):
    told = json.loads(diagnosis_bytes(made))
    png = asdict(made)["moments"][0]["planes"][0]["png"]
    assert base64.b64decode(told["moments"][0]["planes"][0]["png"]) == png
