"""``dqn-port filters``; the pictures themselves are in the traces."""

from __future__ import annotations

import json
import re

import pytest

from tests.cli.running import run, write_toy
from tests.systems.test_every_system import SMALL


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run of simple_dqn."""
    from dqn_port.registry import find_system
    from dqn_port.runs.run import Run

    folder = tmp_path_factory.mktemp("filters")
    path = folder / "x.json"
    table = SMALL["simple_dqn"] | {"history_length": 2, "random_steps": 10, "train_steps": 5}
    path.write_text(json.dumps({"system": "simple_dqn"} | table | {"epochs": 1, "test_steps": 4}))
    system = find_system("simple_dqn")
    made = Run(system, system.load(args_file=path), folder / "out")
    for _ in made.train():
        pass
    return made.folder


def test_a_run_shows_its_filters(trained, capsys, tmp_path):
    path = tmp_path / "filters.html"
    result = run(capsys, "filters", trained, "-o", path, "--set", "visualization_filters=2")
    assert (result.code, result.err) == (0, "")
    said = rf"6 filters, by (\d+) states of one game; one state is enough: {re.escape(str(path))}\n"
    found = re.fullmatch(said, result.out)
    assert found is not None
    text = path.read_text()
    assert text.count("Feature Map ") == 6
    assert f"{found[1]} states of toyA" in text
    assert run(capsys, "filters", trained, "-o", path, "--max-frames", "4").out.startswith(
        "12 filters, by 1 state of one game;"
    )


def test_a_system_without_filters_says_whose_can_be_shown(capsys, tmp_path):
    assert (
        run(capsys, "train", "--args", write_toy(tmp_path), "--out", tmp_path, "--quiet").code == 0
    )
    result = run(capsys, "filters", tmp_path / "toy", "-o", tmp_path / "x.html")
    assert (result.code, result.error) == (
        2,
        f"{tmp_path / 'toy' / 'toy.t7'}: expected a network of a system that shows filters "
        "(simple_dqn), got one of lua_dqn",
    )
    assert not (tmp_path / "x.html").exists()
