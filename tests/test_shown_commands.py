"""Every command that README, docs/ and --help show works, after what ``make run`` leaves.

The argument files are those shown, made small; words that limit a command are put behind it.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import click
import pytest

from dqn_port.cli.main import COMMANDS, LazyGroup, dqn_port
from tests.cli.running import PONG, run
from tests.pipelines.running import luigi_as_it_was
from tests.systems.test_every_system import SMALL
from tests.test_readme import PAGES, commands_of

ROOT = Path(__file__).parent.parent
LIMITS = {
    "evaluate": "--max-frames 200",
    "play": "--max-frames 200",
    "diagnose": "--max-frames 200 --episodes 1",
    "record": "--max-frames 200 --episodes 1 --no-clip",
    "bench": "--steps 4 --repeats 1",
    "pipeline": "--max-frames 200 --episodes 1 --no-clip --networks last",
}
"""Command → words that make it short."""
ELSEWHERE = {
    "dqn-port verify": "tests/verify/shipped.py",
    "dqn-port verify practical_rl": "tests/systems/practical_rl/test_traces.py",
    # By all of its own options it takes hours.
    "dqn-port train --system labml_dqn --game pong --length 600 --name labml": (
        "tests/systems/test_every_system.py"
    ),
    # The stand-in plays no toy.
    **{
        f"dqn-port bench stand_in --args legacy_args/labml_breakout.json --threads {threads}": (
            "tests/systems/labml_dqn/test_bench.py"
        )
        for threads in (1, 2)
    },
    "dqn-port bench stand_in --args legacy_args/simple_dqn_breakout.json --threads 1": (
        "tests/systems/simple_dqn/test_bench.py"
    ),
    # These stand-ins play no toy.
    **{
        f"dqn-port bench {words}": f"tests/systems/{system}/test_bench.py"
        for system in ("hvass16", "practical_rl")
        for words in re.findall(
            r"dqn-port bench (.*)", (ROOT / "docs" / f"{system}.md").read_text()
        )
    },
    "dqn-port verify hvass16": "tests/systems/hvass16/test_golden_traces.py",
    "dqn-port train --system simple_dqn -- roms/breakout.bin --optimizer adam": (
        "tests/systems/simple_dqn/test_words.py"
    ),
    **{
        f"dqn-port train --args legacy_args/practical_rl_breakout.json {words}": (
            "tests/systems/practical_rl/test_resume.py"
        )
        for words in ("--set total_steps=50000", "--length 30000 --name practical_rl_breakout_s1")
    },
    "dqn-port pipeline run --args legacy_args/pong.json --games pong,breakout --seeds 1-3 --out "
    "/shared/artifacts --scheduler-host HOST --workers 1": (
        "tests/pipelines/test_central_scheduler.py"
    ),
    'dqn-port pipeline run --args legacy_args/pong.json --games "$(cat games.txt)" --seeds 1-5 '
    "--workers 2 --threads 1 --dry-run": "tests/cli/test_estimate.py",
    "dqn-port roms": "tests/cli/test_roms.py",
}
"""Command → where it runs as it stands."""
PAGES_ELSEWHERE = {
    "hdf5.md": "tests/exports/test_hdf5_docs.py",
    "systems.md": "tests/outside/test_outside.py",
}
"""Page → where its commands run."""


def commands_in(command: click.Command) -> list[str]:
    """The commands that the help of a command shows, and of those in its group."""
    found = re.findall(r"^\s*(dqn-port .*)$", command.help or "", re.MULTILINE)
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    return found + [line for each in inner for line in commands_in(each)]


def shown() -> list[str]:
    """The commands of pages and help, each once, as they are typed."""
    pages = [line for page in PAGES if page.name not in PAGES_ELSEWHERE
             for line in commands_of(page)]  # fmt: skip
    group = LazyGroup()
    commands = [group.get_command(click.Context(group), name) for name in COMMANDS]
    helps = [line for command in commands if command for line in commands_in(command)]
    (last,) = re.findall(r"^Begin with: .*?((?:pipeline|train) .*)$", dqn_port.epilog or "")
    lines = [*pages, *helps, f"dqn-port {last}"]
    return list(dict.fromkeys(re.sub(r"\s+#.*", "", line) for line in lines))


ECHOED = """
-framework alewrap -env pong -agent NeuralQLearner -agent_params \
learn_start=50000,network="convnet_atari3",preproc="net_downsample_2x_full_y",hist_len=4 -actrep 4
""".replace("\\\n", "")
"""The line that a script of the original's prints."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder as a clone is after ``make run``, with argument files of a few seconds."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "legacy_args").mkdir()
    for path in (ROOT / "legacy_args").glob("*.json"):
        table = json.loads(path.read_text())
        name = table.get("system")
        table |= SMALL[name] if name else {k: v for k, v in PONG.items() if k != "name"}
        (folder / "legacy_args" / path.name).write_text(json.dumps(table))
    shutil.copytree(ROOT / "docs" / "results", folder / "docs" / "results")
    (folder / "echoed.txt").write_text(ECHOED)
    return folder


def matching(word: str) -> list[str]:
    """What a word stands for, as in a shell."""
    if command := re.fullmatch(r"\$\(cat (.*)\)", word):
        return [Path(command[1]).read_text().strip()]
    return sorted(map(str, Path().glob(word))) if "*" in word else [word]


def limited(line: str) -> list[str]:
    """The words of a command, with those that limit it."""
    words = [found for word in shlex.split(line)[1:] for found in matching(word)]
    for name, limit in LIMITS.items():
        if words[: len(name.split())] == name.split():
            words += limit.split()
    if "--games" in words:
        words += ["--seeds", "2"]
    return ["300" if word == "32000" else "steps=300" if word == "steps=32000" else word
            for word in words]  # fmt: skip


def test_every_command_that_is_shown_works(capsys, monkeypatch, folder):
    monkeypatch.chdir(folder)
    lines = [line for line in shown() if line not in ELSEWHERE]
    assert len(lines) > 40
    # What `make run` does is first.
    lines.sort(key=lambda line: line != "dqn-port pipeline run --args legacy_args/pong_quick.json")
    for line in lines:
        if not Path("old_snapshot.t7").exists() and Path("artifacts/second/second.t7").exists():
            for name in ("old_snapshot", "mine", "yours", "old_pong", "old_breakout"):
                shutil.copy("artifacts/second/second.t7", f"{name}.t7")
            made = run(capsys, "args", "convert", "legacy_args/pong.json", "pong_arguments.t7")
            assert made.code == 0
        with luigi_as_it_was():
            result = run(capsys, *limited(line))
        assert result.code == 0, f"{line}\n{result.out}{result.err}"
        assert "dqn-port: error" not in result.err, f"{line}\n{result.err}"
    for name in ("scores.json", "episode.gif", "second.html", "second.h5", "sheet.png", "pong.pt"):
        assert Path(name).stat().st_size > 0, name
