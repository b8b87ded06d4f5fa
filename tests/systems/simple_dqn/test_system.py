"""Options as a whole: what is filled in, remarked, refused and told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dqn_port.errors import ArgsError, DeviceError, DqnPortError, MemoryNeedError
from dqn_port.events import Row, Saved
from dqn_port.games.ale.roms import rom_path
from dqn_port.saved_networks import load_saved
from dqn_port.systems.simple_dqn.system import SYSTEM
from dqn_port.systems.simple_dqn.traces.loops import KeptFiles
from tests.cli.running import run
from tests.systems.simple_dqn.building import SMALL, options, training

LEGACY_ARGS = Path(__file__).parents[3] / "legacy_args"


@pytest.fixture(autouse=True)
def _memory_of_a_big_machine(monkeypatch):
    monkeypatch.setattr("dqn_port.memory.machine_memory", lambda: 16 * 2**30)


@pytest.mark.parametrize("game", ["breakout", "pong"])
def test_the_argument_files_hold_every_default_by_its_name(game):
    path = LEGACY_ARGS / f"simple_dqn_{game}.json"
    table = json.loads(path.read_text())
    defaults = {p.name: p.default for p in SYSTEM.OPTIONS[: -len(("game_path", "neon", "device"))]}
    said = {name: value for name, value in table.items() if name not in ("notes", "system")}
    assert said == {"game": game} | {
        n: v for n, v in defaults.items() if n != "game" and v not in ("", None)
    }
    found = SYSTEM.load(args_file=path)
    assert {name: found[name] for name in said} == said
    again = SYSTEM.facts(found).arguments
    assert SYSTEM.load(assignments=[f"{n}={json.dumps(v)}" for n, v in again.items()]) == found


def test_a_rom_file_names_the_game_and_is_checked(tmp_path):
    rom = tmp_path / "breakout.bin"
    rom.write_bytes(rom_path("breakout").read_bytes())
    found = options(game=str(rom))
    assert (found["game"], found["game_path"]) == ("breakout", str(tmp_path))
    rom.write_bytes(b"another")
    with pytest.raises(DqnPortError, match="expected the ROM of breakout with md5 f34f08e5"):
        options(game=str(rom))


def warnings(**given):
    draft = SYSTEM.new_draft()
    values = {"game": "breakout", "random_seed": 1, "backend": "cpu", **given}
    SYSTEM.load(assignments=[f"{n}={json.dumps(v)}" for n, v in values.items()], draft=draft)
    return draft.warnings


@pytest.mark.parametrize(
    ("given", "warning"),
    [
        (
            {"game": "roms/breakout.bin"},
            "game: no file roms/breakout.bin; ale-py's ROM of breakout is taken",
        ),
        (
            {"display_screen": True},
            "display_screen: nothing is shown here; dqn-port play shows a game",
        ),
        (
            {"record_screen_path": "x", "environment": "gym"},
            "record_screen_path, record_sound_filename: only environment ale is recorded",
        ),
        (
            {"record_sound_filename": "x.wav", "game": "toyA"},
            "record_sound_filename: toyA has no sound, so nothing is written",
        ),
        (
            {"start_epoch": 200},
            "epochs: 200 is not above start_epoch (200), so nothing is learnt",
        ),
    ],
)
def test_what_acts_otherwise_is_remarked(given, warning):
    assert warnings() == []
    assert warnings(**given) == [warning]


def test_that_no_game_is_named_is_remarked():
    draft = SYSTEM.new_draft()
    SYSTEM.load(assignments=["backend=cpu"], draft=draft)
    assert draft.warnings == ["game: none is named, so breakout is taken"]


def test_without_a_gpu_the_cpu_is_taken_and_a_line_says_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert warnings(backend="gpu") == [
        "backend gpu: this machine has no CUDA device, so this runs on the CPU"
    ]
    assert options(backend="gpu")["device"] == "cpu"


def test_device_id_names_one_of_the_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert options(backend="gpu", device_id=1)["device"] == "cuda:1"
    assert options(backend="gpu", device="cpu")["device"] == "cpu"
    with pytest.raises(DeviceError) as caught:
        options(backend="gpu", device_id=2)
    assert str(caught.value) == "device_id: expected 0 to 1, the GPUs of this machine, got 2"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"screen_width": 35},
            "screen_width, screen_height: expected at least 36 x 36, which the convolutions need, "
            "got 35 x 36",
        ),
        ({"min_reward": 2}, "max_reward: expected at least min_reward (2), got 1"),
        ({"random_starts": 3}, "random_starts: expected at least history_length (4), got 3"),
        (
            {"datatype": "float16"},
            "datatype: expected float32 or float64 without stochastic_round, got 'float16': only "
            "Neon's GPU kernels had it",
        ),
        (
            {"stochastic_round": 10},
            "stochastic_round: expected float32 or float64 without stochastic_round, got 10: only "
            "Neon's GPU kernels had it",
        ),
        (
            {"random_steps": 0, "start_epoch": 2},
            "epochs: expected above start_epoch (2) and steps to do, got 2 and none",
        ),
        (
            {"repeat_action_probability": 0.25},
            "repeat_action_probability: expected 0 in toyA, not an Atari game, got 0.25",
        ),
        (
            {"batch_size": 60, "replay_size": 60},
            "batch_size: expected below replay_size (60), got 60: with fewer screens nothing is "
            "ever learnt",
        ),
        (
            {"game": "brekout"},
            "game: no game is named 'brekout'; did you mean 'breakout'?; `dqn-port roms` lists "
            "them",
        ),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line(given, message):
    with pytest.raises(DqnPortError) as caught:
        options(**given)
    assert str(caught.value) == message


OWN = "none of the files that every run's folder has, got"


@pytest.mark.parametrize(
    "name",
    ["history.csv", "history-scores.csv", "args.json", "run.json", "..", "checkpoint",
     "tensorboard", "a.safetensors", ".lock"],
)  # fmt: skip
def test_a_csv_file_in_the_place_of_a_runs_own_is_refused(name):
    with pytest.raises(ArgsError) as caught:
        training(csv_file=f"results/{name}", name="a")
    assert str(caught.value) == f"csv_file: expected a name that is {OWN} '{name}'"


def test_snapshots_in_the_place_of_a_runs_own_are_refused():
    with pytest.raises(ArgsError) as caught:
        training(save_weights_prefix="snapshots/pong", name="pong_1")
    assert str(caught.value) == (
        f"save_weights_prefix: expected names that are {OWN} 'pong' in a run named 'pong_1'; "
        "give one of them another name"
    )


def test_memory_is_checked_first_and_the_size_that_would_fit_is_said(monkeypatch):
    # Users' case: MemoryError at start with the default memory of 7 GB.
    monkeypatch.setattr("dqn_port.memory.machine_memory", lambda: 10**9)
    with pytest.raises(MemoryNeedError) as caught:
        SYSTEM.load(assignments=["backend=cpu"])
    assert str(caught.value) == (
        "replay_size: 1000000 screens take 7.07 GB, this machine has 1.00 GB; set a smaller one, "
        "--set replay_size=98796"
    )
    assert SYSTEM.load(assignments=["backend=cpu", "replay_size=98796"])


def test_a_run_that_never_fills_its_memory_needs_less():
    assert SYSTEM.facts(options(replay_size=10**9)).memory == (20 + 28 + 3 * 16 + 1) * (
        36 * 36 + 10
    )


def test_seed_0_counts_as_none():
    seeds = {options(random_seed=0)["random_seed"] for _ in range(3)}
    assert len(seeds) == 3
    assert min(seeds) > 0


@pytest.mark.parametrize("there", ["seed", "random_seed"])
@pytest.mark.parametrize("given", ["seed", "random_seed"])
def test_an_assignment_overrides_the_file_by_either_name_of_the_seed(there, given, tmp_path):
    path = tmp_path / "two.json"
    path.write_text(json.dumps({n: v for n, v in SMALL.items() if n != "random_seed"} | {there: 3}))
    assert SYSTEM.load(args_file=path, assignments=[f"{given}=9"])["random_seed"] == 9


def test_both_names_of_the_seed_are_refused_where_they_differ(tmp_path):
    path = tmp_path / "two.json"
    path.write_text('{"random_seed": 3, "seed": 4}')
    with pytest.raises(ArgsError) as caught:
        SYSTEM.load(args_file=path)
    assert str(caught.value) == (
        f"{path}: seed: expected 3, as random_seed says, got 4; give one of them"
    )
    with pytest.raises(ArgsError, match="--set: seed: expected 3, as random_seed says, got 4"):
        SYSTEM.load(assignments=["seed=4", "random_seed=3"])


def test_facts_tell_the_length_of_all_phases():
    facts = SYSTEM.facts(options(game="pong"))
    assert (facts.length, facts.unit, facts.game, facts.seed) == (60, "agent steps", "pong", 3)
    assert facts.about_game == {"rom_md5": "60e0ea3cbe0913d39803477945e9e5ec"}
    assert SYSTEM.facts(options(play_games=2)).length is None


def test_a_run_without_an_epoch_is_made_longer_by_one():
    assert SYSTEM.facts(options(epochs=0)).longer == "epochs=1"
    assert SYSTEM.facts(options(epochs=2, start_epoch=5)).longer == "epochs=6"
    assert SYSTEM.facts(options(epochs=3)).longer == "epochs=6"


def test_only_epochs_lengthen_a_run():
    here = SYSTEM.facts(options()).arguments
    found = SYSTEM.differences(here, here | {"epochs": 9, "neon": "2.6", "csv_file": "x"})
    assert found == ({"neon": ("1.8", "2.6")}, {"epochs": (2, 9)})


def test_breakout_and_gymnasiums_ids_are_taken_for_each_other():
    # Users' case: `breakout` is no gym id.
    assert options(game="space_invaders", environment="gym")["game"] == "ALE/SpaceInvaders-v5"
    assert options(game="SpaceInvaders-v0")["game"] == "space_invaders"


@pytest.mark.parametrize(
    ("game", "message"),
    [
        ("CartPole-v1", "game: expected an environment that shows RGB pictures and takes numbered "
                        "actions, got 'CartPole-v1'"),
        ("Nothing-v9", "game: 'Nothing-v9' is not a gymnasium id: Environment `Nothing` "
                       "doesn't exist. Did you mean: `Boxing`?"),
    ],
)  # fmt: skip
def test_what_gymnasium_cannot_show_is_refused(game, message):
    with pytest.raises(DqnPortError) as caught:
        training(game=game, environment="gym")
    assert str(caught.value) == message


def test_lines_are_those_of_the_original():
    found = options()
    cells = {
        **{"nr_games": 3, "average_reward": -0.5, "min_game_reward": -2, "max_game_reward": 4.0},
        **{"last_exploration_rate": 0.1, "epoch_time": 2.9, "steps_per_second": 12.7},
    }
    assert list(SYSTEM.lines(Row(5, cells), found)) == [
        "  num_games: 3, average_reward: -0.500000, min_game_reward: -2, max_game_reward: 4",
        "  last_exploration_rate: 0.100000, epoch_time: 2s, steps_per_second: 12",
    ]
    empty = cells | {"min_game_reward": None, "max_game_reward": None}
    assert "min_game_reward: 9223372036854775807, max_game_reward: -9223372036854775808" in next(
        SYSTEM.lines(Row(5, empty), found)
    )
    assert not list(SYSTEM.lines(Row(5, cells), options(log_level="WARNING")))


def test_both_files_of_a_network_read_back_equal(tmp_path):
    run = training(files=KeptFiles(tmp_path), save_weights_prefix="snapshots/toy", epochs=1)
    saved = []
    while not run.done:
        saved += [event.path.name for event in run.tick() if isinstance(event, Saved)]
    assert saved == ["toy_1.prm", "toy_1.safetensors"]
    prm = tmp_path / "toy_1.prm"
    prm.write_bytes(run._files.written["toy_1.prm"])
    theirs = SYSTEM.load_network(prm)
    ours = load_saved(tmp_path / "toy_1.safetensors")
    assert theirs.weights.keys() == ours.weights.keys() == run.net.weights().keys()
    for name, array in run.net.weights().items():
        np.testing.assert_array_equal(theirs.weights[name], array)
        np.testing.assert_array_equal(ours.weights[name], array)
    assert ours.arguments["system"] == "simple_dqn"


def test_check_looks_at_the_originals_files_in_a_runs_folder(capsys, tmp_path):
    given = (f"{name}={json.dumps(value)}" for name, value in SMALL.items())
    given = (*given, "save_weights_prefix=p", "epochs=1")
    words = [word for text in given for word in ("--set", text)]
    assert run(capsys, "train", "--system", "simple_dqn", "--out", tmp_path, *words).code == 0
    folder = tmp_path / "simple_dqn"
    result = run(capsys, "check", folder)
    assert result.code == 0
    assert "p_1.prm" in result.out
    assert "p_1.safetensors" in result.out
    path = folder / "p_1.prm"
    path.write_bytes(path.read_bytes()[:-100])
    result = run(capsys, "check", folder)
    assert result.code == 1
    assert "p_1.prm" in result.out + result.err
