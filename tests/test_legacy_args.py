"""The argument files that come with the program."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from dqn_port.registry import SYSTEMS, name_of, system_of_file
from dqn_port.systems.lua_dqn.setup import load_options
from tests.golden_files import meta

LEGACY_ARGS = Path(__file__).parent.parent / "legacy_args"


@pytest.fixture(autouse=True)
def _memory_of_a_big_machine(monkeypatch):
    monkeypatch.setattr("dqn_port.memory.machine_memory", lambda: 16 * 2**30)


@pytest.mark.parametrize("path", sorted(LEGACY_ARGS.glob("*.json")), ids=lambda p: p.stem)
def test_every_file_is_valid_and_its_args_json_gives_the_same_options(path, tmp_path):
    system = system_of_file(path)
    options = system.load(args_file=path)
    facts = system.facts(options)
    again = tmp_path / "args.json"
    again.write_text(json.dumps(facts.arguments))
    assert system.load(args_file=again) == options
    assert facts.name


def test_every_system_has_an_argument_file():
    named = {name_of(system_of_file(path)) for path in LEGACY_ARGS.glob("*.json")}
    assert named == SYSTEMS.keys()


def old_words():
    """The words of a run_gpu of 2015, from its .t7 file, without the machine's ROM folder."""
    items = dict(meta("t7/pong_arguments")["items"])
    words = [items[i] for i in range(1, max(items) + 1)]
    at = words.index("-game_path")
    del words[at : at + 2]
    return words


@pytest.mark.parametrize("game", ["pong", "breakout"])
def test_the_papers_arguments_are_those_of_an_old_run_to_the_letter(game):
    words = [word.replace("pong", game) for word in old_words()]
    expected = load_options(lua_words=words)
    opt = load_options(args_file=LEGACY_ARGS / f"{game}.json")
    assert opt == expected
    assert (opt.steps, opt.env, opt.agent_params["ep_endt"]) == (50_000_000, game, 1_000_000)


@pytest.mark.parametrize("name", ["pong_quick", "pong_small"])
def test_every_deviation_from_the_papers_arguments_has_its_reason(name):
    table = json.loads((LEGACY_ARGS / f"{name}.json").read_text())
    told = {word.strip() for key in table["notes"] for word in key.split(",")}
    paper = dataclasses.asdict(load_options(args_file=LEGACY_ARGS / "pong.json"))
    here = dataclasses.asdict(load_options(args_file=LEGACY_ARGS / f"{name}.json"))
    flat = [{**o, **o["agent_params"], "agent_params": None} for o in (paper, here)]
    differing = {key for key in flat[0] | flat[1] if flat[0].get(key) != flat[1].get(key)}
    # lr_end is lr where it is not given.
    assert differing - {"name", "lr_end"} <= told
