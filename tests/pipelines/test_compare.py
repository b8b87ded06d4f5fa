"""Several programs on one game: all their scores, and one picture."""

from __future__ import annotations

import csv

import pytest

from dqn_port.errors import ArgsError
from pipelines import Compare
from tests.pipelines.running import build
from tests.systems.test_every_system import args_of


def test_programs_and_seeds_come_into_one_table_and_one_picture(tmp_path):
    files = [str(args_of(name, tmp_path)) for name in ("lua_dqn", "practical_rl")]
    task = Compare(args_files=files, seeds=(1, 2), score_every=60, out=str(tmp_path / "out"))
    assert build(task).scheduling_succeeded
    table, picture = task.files()
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    played = [(row["system"], row["seed"], row["network"], row["games"]) for row in rows]
    assert played[0] == ("lua_dqn", "", "random", "100")
    assert set(played) == {
        *((name, "", "random", "100") for name in ("lua_dqn", "practical_rl")),
        *((name, s, "last", "20") for name in ("lua_dqn", "practical_rl") for s in "12"),
    }
    assert {row["game"] for row in rows} == {"toyA"}
    # 2,000 games at random earn -3.7 with a standard deviation of 2.1, whatever the steps.
    assert all(-4.5 < float(row["reward"]) < -2.9 for row in rows if row["network"] == "random")
    text = picture.read_text()
    for said in ("lua_dqn, 4 frames a step", "practical_rl, 4 frames a step", "random play"):
        assert said in text
    assert task.complete()
    scores = task.requires()[0].run_folder / "history-scores.csv"
    scores.unlink()
    assert not task.complete()
    assert build(task).scheduling_succeeded
    assert scores.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"args_files": ()}, "args_files: expected one or more, each once, got ''"),
        ({"seeds": (1, 1)}, "seeds: expected one or more, each once, got '1,1'"),
    ],
)
def test_what_cannot_be_compared(words, message, tmp_path):
    words = {"args_files": (str(args_of("lua_dqn", tmp_path)),)} | words
    with pytest.raises(ArgsError) as caught:
        Compare(**words).requires()
    assert str(caught.value) == message
