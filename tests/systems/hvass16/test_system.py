"""The options, the words of the original's command line, and the argument files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dqn_port.errors import ArgsError, LuaExit, MemoryNeedError, RomError, UsageError
from dqn_port.systems.hvass16.options import OPTIONS
from dqn_port.systems.hvass16.system import SYSTEM
from tests.systems.hvass16.building import options

LEGACY_ARGS = Path(__file__).parents[3] / "legacy_args"


@pytest.fixture(autouse=True)
def _memory_of_a_big_machine(monkeypatch):
    monkeypatch.setattr("dqn_port.memory.machine_memory", lambda: 16 * 2**30)


def test_a_memory_that_does_not_fit(monkeypatch):
    monkeypatch.setattr("dqn_port.memory.machine_memory", lambda: 10**9)
    with pytest.raises(MemoryNeedError) as caught:
        options(replay_size=2_000_000)
    assert str(caught.value) == (
        "replay_size: 2000000 states and the network take 1.97 GB, this machine has 1.00 GB; set "
        "a smaller one, --set replay_size=709929"
    )


def test_the_defaults_are_the_published_codes():
    table = json.loads((LEGACY_ARGS / "hvass16_breakout_200k.json").read_text())
    defaults = {param.name: param.default for param in OPTIONS}
    assert {name: defaults[name] for name in table if name not in ("system", "notes")} == {
        name: value for name, value in table.items() if name not in ("system", "notes")
    }


def test_the_document_differs_by_its_memory_alone():
    files = [LEGACY_ARGS / f"hvass16_breakout{which}.json" for which in ("", "_200k")]
    there, here = (SYSTEM.facts(SYSTEM.load(args_file=file)).arguments for file in files)
    found = SYSTEM.differences(there, here)
    del found.numbers["seed"]
    assert found.numbers == {"replay_size": (50_000, 200_000)}


@pytest.mark.parametrize("path", sorted(LEGACY_ARGS.glob("hvass16_*.json")), ids=lambda p: p.stem)
def test_args_json_gives_the_same_options(path, tmp_path):
    opt = SYSTEM.load(args_file=path)
    again = tmp_path / "args.json"
    again.write_text(json.dumps(SYSTEM.facts(opt).arguments))
    assert SYSTEM.load(args_file=again) == opt
    assert SYSTEM.arguments_hash(SYSTEM.load(args_file=again)) == SYSTEM.arguments_hash(opt)


def test_every_deviation_from_the_published_numbers_has_its_reason():
    defaults = {param.name: param.default for param in OPTIONS}
    for path in LEGACY_ARGS.glob("hvass16_*.json"):
        table = json.loads(path.read_text())
        told = {word.strip() for key in table.pop("notes") for word in key.split(",")}
        changed = {n for n, v in table.items() if n != "system" and defaults.get(n) != v}
        assert changed <= told, path.name


def test_facts():
    facts = SYSTEM.facts(options(env="Breakout-v0", name="a"))
    assert (facts.name, facts.game, facts.seed, facts.length, facts.unit) == (
        "a", "breakout", 3, None, "states",
    )  # fmt: skip
    assert facts.about_game["rom_md5"] == "f34f08e5eb96e500e851a80be3277a56"
    full = SYSTEM.facts(SYSTEM.load(args_file=LEGACY_ARGS / "hvass16_breakout_200k.json"))
    # 3.4 GB of memory, and three times 38.6 million floats.
    assert 3.8e9 < full.memory < 4.0e9


def test_what_another_value_changes():
    there = SYSTEM.facts(options()).arguments
    found = SYSTEM.differences(there, there | {"episodes": 9, "dir": "x/", "batch_size": 4})
    assert found.length == {"episodes": (5, 9)}
    assert found.numbers == {"batch_size": (8, 4)}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"frame_skip": [2, 0]},
         "frame_skip: expected a list of 1 to 30 whole numbers of 1 to 1048576, got [2, 0]"),
        ({"dense": {}}, "dense: expected a list of 1 to 8 whole numbers of 1 to 1048576, got {}"),
        ({"strides": [2]}, "strides: expected as many as filters, 3, got 1"),
        ({"sticky": 0.25}, "sticky: expected 0 for toyA, got 0.25"),
        ({"epsilon_start_value": 2}, "test: epsilon_start_value: expected 0 to 1, got 2"),
        ({"learning_rate_end_value": -1},
         "test: learning_rate_end_value: expected at least 0, got -1"),
        ({"eval_episodes": 0}, "test: eval_episodes: expected 1 to 1000000, got 0"),
        ({"preprocessing": "v18"},
         "test: preprocessing: expected one of v17, v20, got 'v18'; did you mean 'v17'?"),
        ({"discount": 0.9}, "test: discount: no such key; did you mean 'discount_factor'?; "
                            "`dqn-port args show --system hvass16` lists all"),
    ],
)  # fmt: skip
def test_what_is_refused(changed, expected):
    with pytest.raises(ArgsError) as caught:
        options(**{"filters": [2, 3, 4], "strides": [2, 2, 1]} | changed)
    assert str(caught.value) == expected


def test_a_rom_that_is_not_there(tmp_path):
    with pytest.raises(RomError):
        options(env="Breakout-v0", game_path=str(tmp_path))


@pytest.mark.parametrize(
    ("words", "verb", "given"),
    [
        ("--training", "train", {}),
        ("--training --env Pong-v3 --episodes 7 --dir d/", "train",
         {"env": "Pong-v3", "episodes": 7, "dir": "d/"}),
        ("--tr --ep 0 --render", "train", {"episodes": 0}),
        ("", "evaluate", {}),
        ("--episodes=3", "evaluate", {"episodes": 3}),
        ("--render", "play", {}),
    ],
)  # fmt: skip
def test_words(words, verb, given):
    assert SYSTEM.words(words.split()) == (verb, given)


def test_words_without_a_game_leave_that_of_the_argument_file():
    file, words = LEGACY_ARGS / "hvass16_toy.json", ["--training", "--episodes", "2"]
    opt = SYSTEM.load(args_file=file, words=words)
    assert (opt["env"], opt["episodes"]) == ("toyA", 2)
    assert SYSTEM.load(words=words)["env"] == "Breakout-v0"


def test_words_ask_for_more_episodes_than_the_network_has_had(tmp_path):
    path, words = tmp_path / "old.npz", ["--training", "--env", "toyA", "--episodes", "2"]
    np.savez(path, count_episodes=np.array(13))
    assert SYSTEM.load(words=words, assignments=[f"network={path}"])["episodes"] == 15


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--episodes x", "argument --episodes: invalid int value: 'x'"),
        ("--e 3", "ambiguous option: --e could match --env, --episodes"),
        ("--nope", "unrecognized arguments: --nope"),
    ],
)
def test_words_that_are_refused(words, expected):
    with pytest.raises(UsageError) as caught:
        SYSTEM.words(words.split())
    assert str(caught.value) == (
        f"words of hvass16: {expected}; there are --env GAME, --training, --render, "
        "--episodes N, --dir FOLDER, --help"
    )


def test_help():
    with pytest.raises(LuaExit) as caught:
        SYSTEM.words(["--help"])
    assert caught.value.exit_code == 0
    assert "--episodes EPISODES" in caught.value.help_text


def test_without_training_nothing_is_learned():
    for words, verb in (([], "evaluate"), (["--render"], "play")):
        words = [*words, "--env", "toyA"]
        with pytest.raises(UsageError) as caught:
            SYSTEM.load(words=words)
        assert str(caught.value) == (
            f"-- {' '.join(words)}: expected words that train; with these nothing is learned: "
            f"use `dqn-port {verb}`"
        )
