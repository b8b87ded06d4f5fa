"""A fault in external code is one line with its file and line."""

from __future__ import annotations

import json
import sys

import gymnasium
import pytest

from dqn_port import external, registry
from dqn_port.arguments.trust import trusting, with_trust
from dqn_port.errors import ExternalError, ExternalImportError, TrustError
from dqn_port.systems.practical_rl.system import SYSTEM as SYSTEM_OF_IDS
from dqn_port.tools.check import check_run
from pipelines import jobs
from pipelines.resolved import resolved
from tests.cli.running import TOY_AGENT, run, write_toy

SYSTEM = """\
from tests.outside import small_dqn

class Training(small_dqn.SmallTraining):
    def tick(self):
        {tick}

class System(small_dqn.System):
    def facts(self, options):
        {facts}
        return super().facts(options)
    def training(self, options, files, *, start=None, **_):
        return Training(options, start)
"""
GAME = """\
import numpy as np

class Game:
    action_names = ("NOOP", "FIRE")
    def __init__(self, seed):
        pass
    def reset(self):
        return np.zeros((210, 160, 3), np.uint8)
    def step(self, action):
        return np.ones(2) + np.ones(3)
    def lives(self):
        return 1
"""
ENVIRONMENT = """\
import gymnasium
import numpy as np

class Environment(gymnasium.Env):
    action_space = gymnasium.spaces.Discrete(2)
    observation_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    def reset(self, *, seed=None, options=None):
        return np.zeros(3, np.float32), {}
    def step(self, action):
        return np.zeros(3, np.float32), 1.0, False, {}

gymnasium.register("Own-v0", "theirs:Environment")
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write the module ``theirs`` and return its path."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(external, "_places", {})
    monkeypatch.setattr(registry, "_found", {})

    def to(text):
        path = tmp_path / "theirs.py"
        path.write_text(text)
        return path

    yield to
    sys.modules.pop("theirs", None)
    gymnasium.registry.pop("Own-v0", None)


def words(path, *more):
    return ("train", *more, "--trust", "--seed", "1", "--out", path.parent, "--quiet")


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ({"tick": "{}['absent']"}, ":5: KeyError: 'absent'"),
        ({"tick": "raise ValueError('two\\nlines')"}, ":5: ValueError: two lines"),
        ({"tick": "open('/no/file')"},
         ":5: FileNotFoundError: [Errno 2] No such file or directory: '/no/file'"),
        ({"facts": "self.nothing"},
         ":9: AttributeError: 'System' object has no attribute 'nothing'"),
    ],
)  # fmt: skip
def test_what_a_system_raises_is_one_line_with_its_place(write, capsys, faults, expected):
    path = write(SYSTEM.format(**{"tick": "pass", "facts": "pass"} | faults))
    result = run(capsys, *words(path, "--set", "system=theirs:System"))
    assert (result.code, result.error) == (1, f"{path}{expected}")
    debug = run(capsys, "--debug", *words(path, "--set", "system=theirs:System"))
    assert "Traceback (most recent call last):" in debug.err


def test_what_a_system_returns_wrongly_is_one_line_with_its_place(write, capsys):
    path = write(SYSTEM.format(tick="pass", facts="pass"))
    result = run(capsys, *words(path, "--set", "system=theirs:System"))
    assert result.code == 1
    begin, end = result.error.split("runs/run.py:")
    assert begin.startswith(f"{path}:7: does not do what ")
    assert end.endswith(" needs: TypeError: 'NoneType' object is not iterable")


def test_what_a_game_raises_is_one_line_with_its_place(write, capsys):
    path = write(GAME)
    game = ("--system", "hvass16", "--set", "env=theirs:Game", "--set", "replay_size=100")
    result = run(capsys, *words(path, *game, "--length", "1"))
    assert (result.code, result.error) == (
        1,
        f"{path}:10: ValueError: operands could not be broadcast together with shapes (2,) (3,)",
    )


def test_what_an_environment_returns_wrongly_is_one_line_with_its_place(write, capsys):
    path = write(ENVIRONMENT)
    environment = ("--system", "practical_rl", "--set", "environment=theirs:Own-v0")
    result = run(capsys, *words(path, *environment))
    assert result.code == 1
    begin, end = result.error.split("games/gymnasium/replayed.py:")
    assert begin.startswith(f"{path}:4: does not do what ")
    assert end.endswith(" needs: ValueError: not enough values to unpack (expected 5, got 4)")


@pytest.mark.parametrize(
    ("system", "assignments", "text"),
    [
        ("practical_rl", ["environment=theirs:Own-v0", "name=a", "seed=1"],
         "gymnasium:theirs:Own-v0, 3,000,000 updates, seed 1"),
        ("lua_dqn", ["network=theirs:network"], "toyB, 200 agent steps, seed 1"),
    ],
)  # fmt: skip
def test_check_calls_no_run_damaged_whose_code_is_not_here(write, system, assignments, text):
    path = write(ENVIRONMENT.replace("1.0, False", "1.0, False, False") + "network = print\n")
    found = registry.find_system(system)
    with trusting(True):
        args = write_toy(path.parent) if system == "lua_dqn" else None
        options = found.load(args_file=args, assignments=assignments)
        arguments = found.facts(options).arguments
        path.with_name("args.json").write_text(json.dumps(arguments | {"system": system}))
        path.unlink()
        sys.modules.pop("theirs")
        (told, *_) = check_run(path.parent)
        assert told.good
        assert told.text.startswith(f"{text}; it cannot be run here: ")
    (told, *_) = check_run(path.parent)
    assert (told.good, told.text) == (True, text)


def test_an_environment_is_refused_with_the_line_that_allows_it():
    with pytest.raises(TrustError) as caught:
        SYSTEM_OF_IDS.load(assignments=["environment=others:Own-v0"])
    assert str(caught.value) == (
        "environment: 'others:Own-v0' is external code, and importing runs it; if you trust it: "
        f"{with_trust()}"
    )


def test_a_module_that_raises_names_the_line(write):
    path = write("\n\nnothing\n")
    with pytest.raises(ExternalImportError) as caught:
        external.import_object("agent", "theirs:Agent")
    assert str(caught.value) == (
        f"agent: cannot import 'theirs:Agent': {path}:3: NameError: name 'nothing' is not defined"
    )


def test_a_network_that_raises_names_the_line(write, capsys):
    path = write("def network(args, generator):\n    return args + 1\n")
    args = write_toy(path.parent, agent_params=TOY_AGENT | {"network": "theirs:network"})
    result = run(capsys, *words(path, "--args", args))
    assert (result.code, result.error) == (
        2,
        f"network: 'theirs:network' cannot be built from (NetworkArgs, Generator): {path}:2: "
        "TypeError: unsupported operand type(s) for +: 'NetworkArgs' and 'int'",
    )


def test_our_own_faults_keep_their_traceback(write, capsys, monkeypatch):
    monkeypatch.setattr("dqn_port.cli.roms.roms.callback", lambda **_: {}["absent"])
    with pytest.raises(KeyError):
        run(capsys, "roms")


def test_a_pipeline_says_one_line_too(write, monkeypatch):
    path = write(SYSTEM.format(tick="pass", facts="self.nothing"))
    args = path.with_name("args.json")
    args.write_text(json.dumps({"system": "theirs:System", "seed": 1}))
    expected = f"{path}:9: AttributeError: 'System' object has no attribute 'nothing'"
    with pytest.raises(ExternalError) as caught:
        resolved(str(args), (), trust=True)
    assert str(caught.value) == expected
    told = []

    class Teller:
        def __init__(self, parent):
            self.words = {"assignments": ["seed=2"], "args_file": str(args), "trust": True}
            self.words["folder"] = ""

        def tell(self, event, **values):
            told.append((event, values))

    monkeypatch.setattr(jobs, "Teller", Teller)
    assert jobs.main("train", 0) == 1
    assert told == [("fault", {"text": expected, "retry": "never"})]
