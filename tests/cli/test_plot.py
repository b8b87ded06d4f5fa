"""``dqn-port plot``."""

from __future__ import annotations

import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from dqn_port.exports.plots import each_alone, panels_of
from dqn_port.runs.table_alone import read_table_alone
from dqn_port.systems.simple_dqn.options import STATISTICS
from dqn_port.systems.simple_dqn.statistics import FIELDS
from tests.cli.running import run
from tests.exports.building import ROWS, write_run
from tests.golden_files import GOLDEN


def original(path, *names):
    """Write the rows that the original simple_dqn wrote in these traces, as its CSV."""
    traces = [json.loads((GOLDEN / "simple_dqn" / f"{n}.json").read_text()) for n in names]
    rows = [[*row, "0.5", "0.25", "7.5"] for trace in traces for row in trace["csv"][1:]]
    lines = [FIELDS, *rows]
    path.write_bytes("".join(",".join(line) + "\r\n" for line in lines).encode())
    return path


def curves(path, field):
    (panel,) = panels_of(each_alone([read_table_alone(path)]), fields=[field])
    return {line.label: (line.x.tolist(), line.y.tolist(), line.is_level) for line in panel.lines}


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_a_run_becomes_a_picture_and_the_same_one_again(ending, capsys, tmp_path):
    folder = write_run(tmp_path / "a")
    path = tmp_path / f"a.{ending}"
    words = ["plot", folder, "-o", path, "--size", "5x4", "--dpi", "50"]
    words += [] if ending == "svg" else ["--fields", "v"]
    result = run(capsys, *words)
    panels = "4 panels" if ending == "svg" else "1 panel"
    assert (result.code, result.err, result.out) == (0, "", f"1 run, {panels}: {path}\n")
    content = path.read_bytes()
    if ending == "png":
        picture = Image.open(io.BytesIO(content))
        assert picture.size == (250, 200)
        colours = {colour for _, colour in picture.convert("RGB").getcolors(2**20)}
        assert (0x1F, 0x5F, 0xBF) in colours
    elif ending == "svg":
        texts = set(re.findall(r">([^<>]+)</text>", content.decode()))
        assert {"a · pong", "Score", "mean return of whole games (points)", "steps"} <= texts
        assert {"training", "evaluation"} <= texts
    else:
        assert content.startswith(b"%PDF-")
    run(capsys, *words)
    assert path.read_bytes() == content


def test_runs_over_each_other_and_seeds_as_a_band(capsys, tmp_path):
    folders = [write_run(tmp_path / name, arguments={"seed": seed})
               for name, seed in (("one", 1), ("two", 2))]  # fmt: skip
    path = tmp_path / "x.svg"
    result = run(capsys, "plot", *folders, "-o", path, "--fields", "score, v", "--x", "frames")
    assert result.out == f"2 runs, 2 panels: {path}\n"
    texts = re.findall(r">([^<>]+)</text>", path.read_text())
    assert {"pong", "one", "two", "frames", "Score"} <= set(texts)
    assert texts.count("one") == 1
    run(
        capsys, "plot", *folders, "-o", path, "--fields", "score", "--band", "--title", "Two & more"
    )
    text = path.read_text()
    assert {"lua_dqn pong, 2 seeds", "Two &amp; more"} <= set(re.findall(r">([^<>]+)</text>", text))
    assert "line: mean of the seeds; shaded: from the smallest to the largest" in text


def test_a_table_alone_is_known_by_its_columns(capsys, tmp_path):
    folder = write_run(tmp_path / "a")
    copied = tmp_path / "copied.csv"
    copied.write_bytes((folder / "history.csv").read_bytes())
    for path, name in ((copied, "copied"), (folder / "history.csv", "a")):
        record = read_table_alone(path)
        assert (record.name, record.system) == (name, "lua_dqn")
        assert record.history["reward"].tolist() == [row["reward"] for row in ROWS]
    result = run(capsys, "plot", copied, "-o", tmp_path / "a.png", "--dpi", "30")
    assert (result.code, result.out) == (0, f"1 run, 4 panels: {tmp_path / 'a.png'}\n")


def test_the_originals_csv_is_drawn_by_epochs_and_phases(capsys, tmp_path):
    assert STATISTICS.names == FIELDS
    path = original(tmp_path / "x.csv", "loop_A")
    assert curves(path, "average_reward") == {
        "random": ([0], [-0.8333333333333334], True),
        "train": (
            [1, 2, 3],
            [0.4444444444444444, 4.163336342344337e-17, 1.1428571428571428],
            False,
        ),
        "test": ([1, 2, 3], [-4, 2, 2], False),
    }
    # Python 2's largest integer stands for no game.
    assert curves(path, "min_game_reward")["test"] == ([1, 2], [-4, 2], False)
    result = run(capsys, "plot", path, "-o", tmp_path / "x.png", "--dpi", "30")
    assert (result.code, result.out) == (0, f"1 run, 4 panels: {tmp_path / 'x.png'}\n")


def test_resumed_and_one_row_csvs_of_the_original_are_drawn(capsys, tmp_path):
    # Users' case: plot.py failed without exactly one random row, and of one row.
    resumed = original(tmp_path / "x.csv", "loop_A_resumed")
    assert curves(resumed, "average_reward") == {
        "train": ([4], [2], False), "test": ([4], [0], False),
    }  # fmt: skip
    joined = original(tmp_path / "y.csv", "loop_A", "loop_A_resumed", "loop_play")
    assert curves(joined, "meancost")["train"][0] == [1, 2, 3, 4]
    alone = original(tmp_path / "z.csv", "loop_play")
    assert curves(alone, "average_reward") == {"play": ([0], [6], False)}
    for path in (joined, alone):
        picture = tmp_path / "x.png"
        words = ["plot", path, "-o", picture, "--dpi", "40", "--fields", "meancost"]
        assert run(capsys, *words).code == 0
        assert np.asarray(Image.open(picture).convert("L")).min() < 128


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "a.gif"], "--out: expected a name that ends in .png, .svg or .pdf, got 'a.gif'"),
        (["-o", "a.png", "--size", "big"],
         "--size: expected inches from 1 to 100 such as 16x9, got 'big'"),
        (["-o", "a.png", "--size", "0x9"],
         "--size: expected inches from 1 to 100 such as 16x9, got '0x9'"),
        (["-o", "a.png", "--fields", "mean_q"],
         "x.csv: --fields: expected some of epoch, steps, nr_games, average_reward, "
         "min_game_reward, max_game_reward, last_exploration_rate, total_train_steps, "
         "replay_memory_count, meanq, meancost, weight_updates, total_time, epoch_time, "
         "steps_per_second, got 'mean_q'; did you mean 'meanq'?"),
        (["-o", "nowhere/a.png", "--fields", "meanq"],
         "nowhere/a.png: cannot be written: its folder does not exist; make it first"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_one_line(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    original(tmp_path / "x.csv", "loop_A")
    result = run(capsys, "plot", "x.csv", *words)
    assert result.code in (1, 2)
    assert result.error == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "expected the columns of a table that a system keeps, got 'a,b'"),
        ("", "expected the columns of a table that a system keeps, got ''"),
        (",".join(FIELDS) + "\n", "expected at least one row, got none"),
        (",".join(FIELDS) + "\n1,2\n",
         'expected line 2: finite numbers and rising steps, got "1,2"'),
        ('"a', "expected the columns of a table that a system keeps, got 'a'"),
    ],
)  # fmt: skip
def test_another_table_is_refused(text, message, capsys, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(text)
    result = run(capsys, "plot", path, "-o", tmp_path / "x.png")
    assert (result.code, result.error) == (1, f"{path}: {message}")
