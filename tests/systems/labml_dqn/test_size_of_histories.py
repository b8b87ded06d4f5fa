"""How large the tables of a long run become, from rows that the original wrote."""

from __future__ import annotations

import json

import numpy as np

from dqn_port.exports.hdf5 import export_hdf5
from dqn_port.records import RunRecord
from dqn_port.runs.run_files import csv_of
from dqn_port.systems.labml_dqn.histories import HISTORY
from dqn_port.systems.labml_dqn.schedule import Piecewise
from dqn_port.systems.labml_dqn.tracker import DOUBLES, NAMES
from tests.golden_files import GOLDEN

MILLION, ROWS = 1_000_000, 20_000


def rows_of_a_long_run():
    """Return rows from the middle of a run of a million, none without a number.

    What an update measures is that of the original's rows, each time with other digits.
    """
    told = [
        row["values"]
        for name in ("loop_toyA", "loop_breakout")
        for row in json.loads((GOLDEN / "labml" / f"{name}.json").read_text())["rows"]
        if "loss" in row["values"]
    ]
    exploration = Piecewise([(0, 1.0), (25_000, 0.1), (MILLION / 2, 0.01)], outside_value=0.01)
    beta = Piecewise([(0, 0.4), (MILLION, 1.0)], outside_value=1.0)
    random = np.random.RandomState(1)
    for i, values in enumerate(random.choice(told, ROWS)):
        update = 400_000 + i
        row = {"update": update, "frames": 127 * update + int(random.randint(100))}
        row |= {"exploration": exploration(update), "beta": beta(update)}
        # Means of a hundred episodes.
        row |= {name: int(random.randint(50_000)) / 100 for name in ("reward", "length")}
        for name in sorted(set(NAMES) - DOUBLES):
            row[name] = float(str(np.float32(values[name] * (1 + random.rand()))))
        yield row


def test_a_million_updates_stay_under_150_mb_as_csv_and_40_mb_as_hdf5(tmp_path):
    table = HISTORY[1]
    rows = list(rows_of_a_long_run())
    text = len(csv_of(rows, table)) * MILLION / ROWS
    columns = {name: np.array([row[name] for row in rows]) for name in table.names}
    record = RunRecord(
        folder=tmp_path,
        system="labml_dqn",
        table=HISTORY[0],
        name="long",
        game="breakout",
        arguments={},
        arguments_hash="",
        seed=1,
        about={},
        finished=None,
        history={"update": np.array([1])},
        time=None,
        snapshot=None,
        further={table.name: (table, columns)},
    )
    export_hdf5(tmp_path / "long.h5", [(record, [])])
    binary = (tmp_path / "long.h5").stat().st_size * MILLION / ROWS
    assert 60e6 < text < 150e6
    assert 10e6 < binary < 40e6
