"""``dqn-port check``."""

from __future__ import annotations

import shutil

import pytest

from dqn_port.events import Ticked
from dqn_port.runs.run import Run
from dqn_port.systems.lua_dqn.system import SYSTEM
from dqn_port.torch7.t7 import load, save
from tests.cli.running import run, toy
from tests.runs.test_resume import saving
from tests.systems.lua_dqn.test_setup import options_of


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("finished")
    list(Run(SYSTEM, options_of(toy(name="t", saveNetworkParams=True)), out).train("cpu"))
    return out / "t"


@pytest.fixture
def folder(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "t")


def lines(result):
    """Return name → (verdict, text) of what was found, and the closing lines."""
    found, _, closing = result.out.partition("\n\n")
    rows = [line.split(maxsplit=1) for line in found.splitlines()]
    return {
        name: tuple(rest.split("  ", 1)) for name, rest in rows if "checkpoint" not in name
    }, closing


def test_a_finished_run_is_good(capsys, folder):
    result = run(capsys, "check", folder)
    assert (result.code, result.err) == (0, "")
    found, closing = lines(result)
    assert {name: verdict.strip() for name, (verdict, _) in found.items()} == dict.fromkeys(
        ["args.json", "history.csv", "t.t7", "t.params.t7", "run.json"], "good"
    )
    assert found["t.t7"][1].strip() == "step 200, 2 evaluations, networks finite"
    assert found["t.params.t7"][1].strip() == "7,324 parameters"
    assert closing == "Can be used: t.params.t7, t.t7.\n"


def test_a_run_that_goes_on_tells_its_checkpoints(capsys, tmp_path):
    events = saving(Run(SYSTEM, options_of(toy(name="t", save_freq=50)), tmp_path))
    next(event for event in events if isinstance(event, Ticked) and event.step == 160)
    events.close()
    result = run(capsys, "check", tmp_path / "t")
    assert result.code == 0
    assert "checkpoint 3  good     step 150, full, 149 rows of memory" in result.out
    assert "checkpoint 2  good     step 100, full, 99 rows of memory" in result.out
    assert result.out.endswith("Can be used: t.t7, checkpoint 3, checkpoint 2.\n")


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("damage", [flip, cut, lambda path: path.unlink()])
@pytest.mark.parametrize("name", ["t.t7", "t.params.t7"])
def test_a_damaged_snapshot_is_found(capsys, folder, damage, name):
    damage(folder / name)
    result = run(capsys, "check", folder)
    assert result.code == 1
    if (folder / name).exists():
        assert lines(result)[0][name][0].strip() == "DAMAGED"
        assert "its sha256 is not the one in run.json; it is damaged" in result.out
    else:
        assert f"finished; missing: {name}" in result.out


def test_networks_that_are_not_finite_and_histories_that_differ(capsys, folder):
    (folder / "run.json").unlink()
    table = load(folder / "t.t7")
    table["best_model"]["modules"][2]["weight"].numpy()[0, 0] = float("nan")
    save(folder / "t.t7", table)
    result = run(capsys, "check", folder)
    assert result.code == 1
    assert "DAMAGED  best_model: modules[2].weight: NaN or infinity" in result.out
    table = load(folder / "t.t7")
    table["best_model"]["modules"][2]["weight"].numpy()[0, 0] = 0
    table["v_history"][1] += 1
    save(folder / "t.t7", table)
    result = run(capsys, "check", folder)
    assert "DAMAGED  v_history: expected the numbers of history.csv, got others" in result.out


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected the columns of a history, got others"),
        ("step,frames\n1,2\n", "expected the columns of a history, got others"),
        ("{head}\nx\n", "line 2: expected finite numbers and rising steps"),
        ("{head}\n" + "1" * 131_073, "field larger than field limit (131072)"),
        ("{all}{last}", "line 4: expected finite numbers and rising steps"),
    ],
)
def test_a_damaged_history(capsys, folder, text, why):
    whole = (folder / "history.csv").read_text()
    head, *rows = whole.splitlines()
    text = text.format(head=head, all=whole, last=rows[-1])
    (folder / "history.csv").write_text(text)
    result = run(capsys, "check", folder)
    assert result.code == 1
    assert f"history.csv  DAMAGED  {why}" in result.out


def test_arguments_that_are_none(capsys, folder):
    (folder / "args.json").write_text('{"seed": "x"}')
    result = run(capsys, "check", folder)
    assert (result.code, result.err) == (1, "")
    assert "args.json  DAMAGED  " in result.out
    assert result.out.endswith("Damaged: args.json.\nCan be used: nothing.\n")


def test_a_folder_of_something_else(capsys, tmp_path):
    result = run(capsys, "check", tmp_path)
    assert (result.code, result.out) == (1, "")
    assert result.error == f"{tmp_path}: expected a run's folder, got none with args.json"
