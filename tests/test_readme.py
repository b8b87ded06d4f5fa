"""What README and docs/ show works as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from dqn_port.cli.main import COMMANDS, LazyGroup
from dqn_port.torch7 import load

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
by_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)


def test_the_python_example_runs_and_saves_a_slim_agent(tmp_path, monkeypatch, capsys):
    page = (ROOT / "docs" / "lua_dqn.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    code = code.replace('"legacy_args', f'"{ROOT}/legacy_args')
    monkeypatch.chdir(tmp_path)
    (tmp_path / "artifacts").mkdir()
    exec(compile(code, "lua_dqn.md", "exec"), {})
    assert "nn.Linear(3136 -> 512)" in capsys.readouterr().out
    agent = load(tmp_path / "artifacts" / "agent.t7")
    assert agent.class_name == "dqn.NeuralQLearner"
    assert agent["numSteps"] == 100


def commands_of(page: Path) -> list[str]:
    """The commands that a page shows: lines of its code blocks, and in the README table cells."""
    text = page.read_text()
    text = re.sub(r"\s*\\\n\s*", " ", text)
    lines = re.findall(r"^(?: {4})?(dqn-port .*)$", text, re.MULTILINE)
    cells = [cell for row in re.findall(r"^\|.*$", README, re.MULTILINE)
             for cell in re.findall(r"`(dqn-port .*?)`", row)]  # fmt: skip
    return [*lines, *(cells if page.name == "README.md" else [])]


@by_page
def test_every_command_exists_with_its_options(page):
    for line in commands_of(page):
        words = shlex.split(line, comments=True)[1:]
        command = LazyGroup().get_command(None, words[0])
        assert command is not None, line
        if isinstance(command, click.Group):
            command = command.commands[words[1]]
        known = {
            option for param in command.params for option in (*param.opts, *param.secondary_opts)
        }
        before_the_originals = words[: words.index("--")] if "--" in words else words
        options = {word for word in before_the_originals if re.match(r"-+[a-z]", word)}
        assert options <= known, line


@by_page
def test_every_path_that_a_page_names_exists(page):
    text = page.read_text()
    for name in re.findall(r"`((?:tests|legacy_args|docs)/[\w/.]+)`", text):
        assert (ROOT / name).exists(), name
    for name in re.findall(r"\]\(((?!http|#)[^)#]+)(?:#[^)]*)?\)", text):
        assert (page.parent / name).exists(), name
    for name in re.findall(r"`((?:\w+/)+\w+\.py)`", text):
        places = (ROOT / "dqn_port", ROOT, ROOT / "dqn_port" / "systems" / page.stem)
        assert any((place / name).exists() for place in places), name


@by_page
def test_every_link_to_a_heading_has_one(page):
    for name, anchor in re.findall(r"\]\(((?!http)[^)#]*)#([^)]*)\)", page.read_text()):
        there = (page.parent / name if name else page).read_text()
        headings = re.findall(r"^#+ (.*)$", there, re.MULTILINE)
        anchors = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings]
        assert anchor in anchors, (name, anchor)


def test_the_readme_can_be_read_in_one_go():
    assert len(README.splitlines()) <= 170


@pytest.mark.parametrize("quirk", sorted(
    (path, line)
    for path in (ROOT / "dqn_port").rglob("*.py")
    for line in re.findall(r"Lua quirk:.*?\(([^()]*tests[^()]*)\)", path.read_text(), re.DOTALL)
), ids=lambda q: f"{q[0].stem}: {q[1]}"[:60])  # fmt: skip
def test_the_test_that_a_quirk_names_exists(quirk):
    path = ROOT / " ".join(quirk[1].split())
    assert path.suffix == ".py"
    assert path.exists(), quirk[1]


def test_every_command_is_shown_somewhere():
    shown = "\n".join(line for page in PAGES for line in commands_of(page))
    for name in COMMANDS:
        assert f"dqn-port {name}" in shown
