"""docs/hdf5.md: its Python runs as it stands there, and its listing is that of a real export."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

from dqn_port.exports.hdf5 import export_hdf5
from dqn_port.exports.hdf5_reading import read_hdf5
from dqn_port.runs.record import read_run
from tests.exports.building import ROWS, evaluation_of, write_run

DOCS = (Path(__file__).parents[2] / "docs" / "hdf5.md").read_text()


def blocks(language):
    found = re.findall(r"^```(\w*)\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)
    return [block for name, block in found if name == language]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the files that the docs name: of two evaluations and three episodes."""
    runs = [read_run(write_run(tmp_path / name, rows=ROWS[:2])) for name in ("pong_quick", "b")]
    first = (runs[0], [evaluation_of(runs[0])])
    export_hdf5(tmp_path / "pong_quick.h5", [first])
    export_hdf5(tmp_path / "both.h5", [first, (runs[1], [])])
    monkeypatch.chdir(tmp_path)
    with mpl.rc_context({"backend": "agg"}):
        yield tmp_path
        plt.close("all")


def plotted(code):
    """Run lines of the docs and return the curves that they plot."""
    exec(code, {})
    return [list(zip(*line.get_data(), strict=True)) for line in plt.gca().get_lines()]


CURVE = [(row["frames"], row["reward"]) for row in ROWS[:2]]


def test_three_lines_plot_a_curve(folder):
    (code,) = [block for block in blocks("python") if 'h5py.File("pong_quick.h5")["' in block]
    _, *three = filter(None, code.splitlines())
    assert len(three) == 3
    assert plotted(code) == [CURVE]
    assert (folder / "reward.png").read_bytes().startswith(b"\x89PNG")


def test_a_suite_is_plotted(folder):
    (code,) = [block for block in blocks("python") if "both.h5" in block]
    assert plotted(code) == [CURVE, CURVE]
    assert [text.get_text() for text in plt.gca().get_legend().get_texts()] == ["b", "pong_quick"]
    assert (folder / "rewards.png").exists()


def entries(lines):
    """Return what a listing tells of groups and datasets, without the number of entries."""
    found = [line for line in lines if line.startswith(("GROUP ", "DATASET "))]
    return [re.sub(r"\(\d+,\)", "(n,)", line) for line in found]


def attributes(lines, of):
    """Return the names and types of the attributes that a listing tells of an object."""
    i = next(i for i, line in enumerate(lines) if line.split("  ")[0] == of)
    told = [re.fullmatch(r"    (\w+): (\w+)(?:\[\d+\])? = .+", line) for line in lines[i + 1 :]]
    end = next((i for i, line in enumerate(lines[i + 1 :]) if not line.startswith(" ")), None)
    return [match.groups() for match in told[:end] if match]


def test_the_listing_is_that_of_a_real_export(folder):
    (told,) = [block.splitlines() for block in blocks("") if block.startswith("GROUP /\n")]
    real = read_hdf5(folder / "pong_quick.h5", layout=True).layout
    assert entries(told) == entries(real)
    for name in ("GROUP /", "GROUP /episodes", "DATASET /history/reward"):
        assert attributes(told, name) == attributes(real, name)
    with h5py.File(folder / "pong_quick.h5") as file:
        names: list[str] = []
        file.visit(names.append)
    assert {line.split()[1] for line in entries(told)} == {"/", *(f"/{name}" for name in names)}


def test_the_attributes_of_a_suite(folder):
    (told,) = re.findall(r"the root has (.*?)\. Runs that share", DOCS, re.DOTALL)
    with h5py.File(folder / "both.h5") as file:
        assert re.findall(r"`(\w+)`", told) == sorted(file.attrs)
        run = sorted(file["runs/b"].attrs)
    assert (run[0], run[-1]) == ("arguments", "versions")
