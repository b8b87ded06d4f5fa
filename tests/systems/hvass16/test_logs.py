"""The two logs, and reading them."""

from __future__ import annotations

import numpy as np
import pytest

from dqn_port.errors import HistoryError
from dqn_port.systems.hvass16.logs import LogQValues, LogReward, read_log


def test_unused_rows_count():
    """Quirk: the whole array is logged, with what earlier fillings left and what was never used."""
    lines = []
    log = LogQValues(lambda name, text: lines.append((name, text)))
    row = log.write(3, 40, np.array([[4.0, 2.0], [0.0, 0.0]]))
    assert lines == [("log_q_values.txt", "3\t40\t0.000\t1.500\t4.000\t1.658\n")]
    assert row["std"] == pytest.approx(np.sqrt(2.75))


def test_reading(tmp_path):
    path = tmp_path / "log_reward.txt"
    with path.open("w") as file:
        log = LogReward(lambda name, text: file.write(text))
        log.write(1, 200, 1.25, 0.0)
        log.write(2, 333, -3.0, -0.875)
    assert path.read_text() == "1\t200\t1.2\t0.0\n2\t333\t-3.0\t-0.9\n"
    columns = read_log(path, LogReward.COLUMNS)
    assert columns["states"].tolist() == [200, 333]
    assert columns["states"].dtype == np.int64
    assert columns["mean"].tolist() == [0.0, -0.9]


def test_a_log_that_is_not_there_says_what_writes_it(tmp_path):
    path = tmp_path / "log_q_values.txt"
    with pytest.raises(HistoryError) as caught:
        read_log(path, LogQValues.COLUMNS)
    assert str(caught.value) == (
        f"{path}: cannot be read: No such file or directory; `dqn-port train` of hvass16 writes "
        "it into the run's folder"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected lines of 4 numbers, got an empty file"),
        ("1\t2\t3.0\t4.0\n1\t2\t3\n", "line 2: expected episodes, states, reward, mean, with tabs "
                                      "between, got '1\\t2\\t3'"),
        ("a\tb\tc\td\n", "line 1: expected episodes, states, reward, mean, with tabs between, "
                         "got 'a\\tb\\tc\\td'"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path, text, expected):
    path = tmp_path / "log_reward.txt"
    path.write_text(text)
    with pytest.raises(HistoryError) as caught:
        read_log(path, LogReward.COLUMNS)
    assert str(caught.value) == f"{path}: {expected}"
