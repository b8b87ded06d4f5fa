"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from dqn_port.cli.main import COMMANDS, LazyGroup
from dqn_port.exports.hdf5 import export_hdf5
from dqn_port.runs.record import read_run
from dqn_port.torch7 import load
from tests.exports.building import write_run

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_python_example_runs_and_saves_a_slim_agent(tmp_path, monkeypatch, capsys):
    code, _ = PYTHON
    code = code.replace('"legacy_args', f'"{ROOT}/legacy_args')
    monkeypatch.chdir(tmp_path)
    (tmp_path / "artifacts").mkdir()
    exec(compile(code, "README.md", "exec"), {})
    assert "nn.Linear(3136 -> 512)" in capsys.readouterr().out
    agent = load(tmp_path / "artifacts" / "agent.t7")
    assert agent.class_name == "dqn.NeuralQLearner"
    assert agent["numSteps"] == 100


def test_the_lines_that_plot_a_curve_plot_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    export_hdf5(Path("second.h5"), [(read_run(write_run(tmp_path / "second")), [])])
    names: dict[str, Any] = {}
    exec(compile(PYTHON[1], "README.md", "exec"), names)
    names["plt"].close("all")
    assert (tmp_path / "reward.png").read_bytes().startswith(b"\x89PNG")


def test_every_command_of_the_readme_exists_with_its_options():
    lines = re.findall(r"^dqn-port .*$", README, re.MULTILINE)
    assert len(lines) >= 8
    for line in lines:
        words = shlex.split(line.split("  #")[0])[1:]
        command = LazyGroup().get_command(None, words[0])
        assert command is not None, line
        if isinstance(command, click.Group):
            command = command.commands[words[1]]
        known = {
            option for param in command.params for option in (*param.opts, *param.secondary_opts)
        }
        before_lua_words = words[: words.index("--")] if "--" in words else words
        assert {word for word in before_lua_words if word.startswith("-")} <= known, line


def test_every_path_and_test_that_the_pages_name_exists():
    for page in (README, (ROOT / "docs" / "systems.md").read_text()):
        for name in re.findall(r"`((?:tests|legacy_args|docs)/[\w/.]+)`", page):
            assert (ROOT / name).exists(), name
        for name in re.findall(r"\]\(((?!http|#)[^)]+)\)", page):
            assert (ROOT / name).exists(), name
    for name in re.findall(r"`((?:[\w]+/)*\w+\.py)`", README):
        assert (ROOT / "dqn_port" / name).exists() or (ROOT / name).exists(), name


@pytest.mark.parametrize("quirk", sorted(
    (path, line)
    for path in (ROOT / "dqn_port").rglob("*.py")
    for line in re.findall(r"Lua quirk:.*?\(([^()]*tests[^()]*)\)", path.read_text(), re.DOTALL)
), ids=lambda q: f"{q[0].stem}: {q[1]}"[:60])  # fmt: skip
def test_the_test_that_a_quirk_names_exists(quirk):
    path = ROOT / " ".join(quirk[1].split())
    assert path.suffix == ".py"
    assert path.exists(), quirk[1]


def test_every_command_is_in_the_readme():
    for name in COMMANDS:
        assert f"dqn-port {name}" in README
