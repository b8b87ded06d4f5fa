"""``dqn-port diagnose``."""

from __future__ import annotations

import json

import pytest

from tests.cli.running import run, write_toy
from tests.exports.report.reading import read_page


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    from dqn_port.runs.run import Run
    from dqn_port.systems.lua_dqn.setup import load_options
    from dqn_port.systems.lua_dqn.system import SYSTEM

    folder = tmp_path_factory.mktemp("diagnose")
    opt = load_options(args_file=write_toy(folder, name="t", actrep=2))
    for _ in Run(SYSTEM, opt, folder).train("cpu"):
        pass
    return folder / "t"


def files_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_is_diagnosed_and_left_as_it_was(capsys, trained, tmp_path):
    before, page = files_of(trained), tmp_path / "a.html"
    words = ["diagnose", trained, "-o", page, "--episodes", "3", "--max-frames", "12"]
    result = run(capsys, *words)
    assert (result.code, result.err) == (0, "")
    assert result.out == f"3 episodes, 18 steps: {page}\n"
    assert files_of(trained) == before
    text = read_page(page).text
    assert "The last network played 3 episodes, 18 steps in all, with ε 0.05 and seed 1." in text
    assert "3 of 3 episodes were cut before the game's end" in text
    assert "During training" in text
    first = page.read_bytes()
    assert run(capsys, *words).code == 0
    assert page.read_bytes() == first
    more = ["--best", "--seed", "2", "--epsilon", "0.5", "--threads", "1"]
    assert run(capsys, *words, *more).code == 0
    assert "The best network played 3 episodes" in read_page(page).text
    assert "with ε 0.5 and seed 2." in read_page(page).text


def test_a_snapshot_alone_has_no_histories(capsys, trained, tmp_path):
    page = tmp_path / "a.html"
    words = ["diagnose", trained / "t.t7", "-o", page, "--episodes", "1", "--max-frames", "20"]
    assert run(capsys, *words).code == 0
    text = read_page(page).text
    assert "toyB t.t7" in text
    assert "During training" not in text


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["-o", "a.png"], "--out: expected the name of a file ending in .html, got 'a.png'"),
        (["-o", "no/a.html"], "--out no/a.html: its folder does not exist; make it first"),
        (["-o", "a.html", "--episodes", "31"], "invalid value for '--episodes': 31 is not in the "
         "range 1<=x<=30; see `dqn-port diagnose --help`"),
    ],
)  # fmt: skip
def test_what_is_refused_is_refused_before_it_plays(capsys, trained, monkeypatch, words, fault):
    monkeypatch.chdir(trained.parent)
    refused = run(capsys, "diagnose", trained, *words)
    assert (refused.code == 0, refused.error) == (False, fault)


def test_an_agent_that_sees_numbers(capsys, tmp_path):
    args, page = tmp_path / "pole.json", tmp_path / "pole.html"
    table = {
        "system": "practical_rl", "environment": "CartPole-v1", "seed": 1, "batch_size": 2,
        "total_steps": 12, "decay_steps": 4, "loss_freq": 2, "refresh_target_network_freq": 3,
        "eval_freq": 6, "n_steps": 4, "fill_calls": 3, "buffer_size": 10, "t_max": 30,
    }  # fmt: skip
    args.write_text(json.dumps(table))
    assert run(capsys, "train", "--args", args, "--out", tmp_path, "--quiet").code == 0
    assert run(capsys, "diagnose", tmp_path / "pole", "-o", page, "--episodes", "3").code == 0
    read = read_page(page)
    assert "discounted by 0.99 a step" in read.text
    assert "The network has no convolutions" in read.text
    assert read.all("img") == []
    assert [e for e in read.elements if e[1].get("class") == "numbers"]
