"""The original's plot, also of what it failed on."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from dqn_port.errors import HistoryError
from dqn_port.systems.simple_dqn.plotting import lines_of, plot, read_csv
from dqn_port.systems.simple_dqn.statistics import FIELDS, csv_line


def table(path, *rows):
    lines = [csv_line(FIELDS)]
    for epoch, phase, reward in rows:
        lines.append(csv_line((epoch, phase, 5, 1, reward, *[0] * 11)))
    path.write_text("".join(lines), newline="")
    return path


def test_random_is_repeated_and_play_is_left_out(tmp_path):
    path = table(
        tmp_path / "x.csv",
        *((0, "random", 1.5), (1, "train", 2), (1, "test", 3), (2, "train", 4), (0, "play", 9)),
    )
    assert lines_of(read_csv(path), "average_reward") == [
        ("Random", [1, 2], [1.5, 1.5]),
        ("Train", [1, 2], [2, 4]),
        ("Test", [1], [3]),
    ]


@pytest.mark.parametrize(
    "rows", [[(4, "train", 1), (4, "test", 2)], [(0, "random", 1)], [(0, "play", 1)]]
)
def test_resumed_and_one_row_tables_are_drawn(rows, tmp_path):
    # Users' case: a CSV without exactly one random row, or with one row, failed.
    plot(table(tmp_path / "x.csv", *rows), tmp_path / "x.png", dpi=20)
    image = Image.open(tmp_path / "x.png")
    assert image.size == (320, 180)
    assert np.asarray(image.convert("L")).min() < 128


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "expected the 16 fields of simple_dqn's CSV in its first line"),
        (csv_line(FIELDS), "expected at least one row, got none"),
        (csv_line(FIELDS) + "1,2\r\n", "line 2: expected 16 numbers, got '1,2'"),
    ],
)
def test_another_table_is_refused(text, message, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(HistoryError) as caught:
        read_csv(path)
    assert str(caught.value) == f"{path}: {message}"


def test_an_unknown_field_is_refused(tmp_path):
    with pytest.raises(HistoryError, match=r"got 'mean_q'; did you mean 'meanq'\?$"):
        plot(table(tmp_path / "x.csv", (1, "train", 1)), tmp_path / "x.png", fields=["mean_q"])
