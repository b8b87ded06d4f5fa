"""The tracker: means, queues and what the screen shows."""

from __future__ import annotations

import numpy as np

from dqn_port.systems.labml_dqn.tracker import NAMES, Tracker
from tests.systems.labml_dqn.building import plain


def test_a_row_is_the_means_of_what_was_added_since_the_last():
    tracker = Tracker()
    tracker.add("beta", 0.4)
    tracker.add("loss", np.float32(1))
    tracker.add("loss", np.float32(2))
    tracker.add("td_error", np.array([1, -4], dtype=np.float32))
    values = tracker.save().values
    assert list(values) == list(NAMES)
    assert (values["beta"], values["loss"], values["td_error"]) == (0.4, 1.5, -1.5)
    assert values["reward"] is None
    assert set(tracker.save().values.values()) == {None}


def test_reward_and_length_are_means_of_the_last_hundred_episodes():
    tracker = Tracker()
    for i in range(150):
        tracker.add("reward", float(i))
    assert tracker.save().values["reward"] == np.mean(range(50, 150))
    tracker.add("reward", 1000.0)
    assert tracker.save().values["reward"] == (np.sum(range(51, 150)) + 1000) / 100


def test_the_screen_repeats_what_has_no_new_value_in_the_order_of_first_values():
    tracker = Tracker()
    tracker.add("exploration", 1.0)
    tracker.add("loss", 2.0)
    assert tracker.save().printed == " exploration: 1.000000 loss:  2.00000"
    tracker.add("exploration", 0.5)
    tracker.add("reward", -3.0)
    row = tracker.save()
    assert row.values["loss"] is None
    assert row.printed == " exploration: 0.500000 loss:  2.00000 reward: -3.00000"


def printed(*values):
    tracker = Tracker()
    for value in values:
        tracker.add("beta", value)
        line = tracker.save().printed
    return line.removeprefix(" beta: ")


def test_decimals_follow_the_size_of_what_was_printed():
    assert [printed(x) for x in (0.0, 0.4, 1.0, -2.0, 27.0, 12345.0)] == [
        "0.000000", "0.400000", "1.000000", "-2.00000", " 27.0000", "12,345.0",
    ]  # fmt: skip
    assert printed(1234567.0) == "1.235e+06"
    # Bias-corrected averages: (0.9 · 0.1 · 90 + 0.1 · 1) / (1 - 0.81) = 43.16, two digits.
    assert printed(90.0, 1.0) == "  1.0000"


def test_cells_have_no_more_digits_than_float32_needs():
    tracker = Tracker()
    tracker.add("loss", np.float32(0.1))
    tracker.add("beta", 0.1 + 0.2)
    row = tracker.save()
    assert row.values["loss"] == float(np.float32(0.1)) != 0.1
    assert row.cells()["loss"] == 0.1
    assert row.cells()["beta"] == 0.1 + 0.2
    assert row.cells()["reward"] is None


def test_a_million_rows_stay_small():
    row = ",".join(map(repr, (
        999_999, 128_000_000, 0.09985353684210527, 0.47500000000000003, 1.64, 35.25,
        -0.08433572, -0.89667463, 0.81233895, 0.06769596,
    )))  # fmt: skip
    assert len(row) < 150


def test_a_state_goes_on_exactly():
    one, other = Tracker(), Tracker()
    one.add("reward", 3.0)
    one.save()
    one.add("loss", np.float32([1, 2]))
    other.load_state_dict(plain(one.state_dict()))
    for tracker in (one, other):
        tracker.add("loss", np.float32(4))
        tracker.add("reward", 4.0)
    assert one.save() == other.save()
