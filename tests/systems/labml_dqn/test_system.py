"""The system as the workshop meets it: options, facts, tables, networks, player."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dqn_port.errors import ArgsError, MemoryNeedError, SnapshotError, UsageError
from dqn_port.events import EpisodeEnded, Row
from dqn_port.games.ale.roms import UnknownGameError
from dqn_port.saved_networks import SavedNetwork, save_networks
from dqn_port.systems.labml_dqn.experiment import Tracked
from dqn_port.systems.labml_dqn.options import OPTIONS
from dqn_port.systems.labml_dqn.system import SYSTEM
from tests.cli.running import run
from tests.comparing import contents
from tests.systems.labml_dqn.building import SMALL, options, training

ARGS = Path(__file__).parents[3] / "legacy_args" / "labml_breakout.json"


def test_the_original_is_the_default():
    loaded = SYSTEM.load(args_file=ARGS, assignments=["seed=1"])
    plain = SYSTEM.load(assignments=["seed=1", "name=labml_breakout"])
    assert loaded == plain
    assert loaded["game"] == "breakout"
    given = json.loads(ARGS.read_text())
    assert {param.name for param in OPTIONS} <= given.keys() | {"game_path", "threads"}


def test_what_args_json_holds_gives_the_same_options(tmp_path):
    one = options()
    path = tmp_path / "args.json"
    path.write_text(json.dumps(SYSTEM.facts(one).arguments))
    assert SYSTEM.load(args_file=path) == one
    assert SYSTEM.arguments_hash(one) == SYSTEM.arguments_hash(options())


def test_a_seed_is_drawn_where_none_is_given():
    assert SYSTEM.load()["seed"] != SYSTEM.load()["seed"]


def test_facts():
    facts = SYSTEM.facts(SYSTEM.load(args_file=ARGS, assignments=["seed=7"]))
    assert (facts.game, facts.seed, facts.length, facts.unit) == (
        "breakout", 7, 1_000_000, "updates",
    )  # fmt: skip
    assert facts.name == "labml_breakout"
    assert facts.about_game == {"rom_md5": "f34f08e5eb96e500e851a80be3277a56"}
    assert 116e6 < facts.memory < 300e6


def test_more_updates_are_another_run():
    one, other = options(), options(updates=7, game_path="", threads=2)
    assert SYSTEM.differences(one, other).numbers == {"threads": (1, 2), "updates": (6, 7)}


def test_more_updates_lengthen_a_run_whose_schedules_do_not_depend_on_them(tmp_path, capsys):
    path, points = tmp_path / "t.json", {"points": [[0, 0.5], [6, 1]], "outside": 1}
    own = SMALL | {"system": "labml_dqn", "name": "t", "exploration": points, "beta": points}
    path.write_text(json.dumps(own))
    assert run(capsys, "train", "--args", path, "--out", tmp_path / "one").code == 0
    assert run(capsys, "train", "--resume", tmp_path / "one/t", "--length", "8").code == 0
    words = ("train", "--args", path, "--length", "8", "--out", tmp_path / "two")
    assert run(capsys, *words).code == 0
    assert contents(tmp_path / "one/t") == contents(tmp_path / "two/t")
    last = run(capsys, "train", "--resume", tmp_path / "one/t", "--threads", "2")
    assert last.error.endswith(f"--network {tmp_path / 'one/t'} --set name=t_2 --set threads=2")


@pytest.mark.parametrize(
    ("assignment", "error", "text"),
    [
        ("n_actions=0", ArgsError, "n_actions: expected 1 to 18, or 'game', got 0"),
        ("n_actions=all", ArgsError, "n_actions: expected 1 to 18, or 'game', got 'all'"),
        ("n_actions=5", ArgsError,
         "n_actions: expected at most 4, the game's own, got 5; set n_actions=game"),
        ("game=brekout", UnknownGameError,
         "game: no game is named 'brekout'; did you mean 'breakout'?; `dqn-port roms` lists them"),
        ("capacity=0", ArgsError, "--set: capacity: expected 1 to 4294967296, got 0"),
        ("mini_batch_size=100000000000", ArgsError,
         "--set: mini_batch_size: expected 1 to 65536, got 100000000000"),
        ("priority_epsilon=1e300", ArgsError,
         "--set: priority_epsilon: expected 0 to 1000000, got 1e+300"),
        ("norm=mean", ArgsError, "--set: norm: expected one of buffer, batch, got 'mean'"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_refused_in_one_line(assignment, error, text):
    with pytest.raises(error) as caught:
        SYSTEM.load(assignments=[assignment])
    assert str(caught.value) == text


def test_a_buffer_that_does_not_fit_is_refused_with_one_that_does(monkeypatch):
    monkeypatch.setattr("dqn_port.memory.machine_memory", lambda: 2 * 10**8)
    with pytest.raises(MemoryNeedError) as caught:
        SYSTEM.load(assignments=["capacity=65536"])
    # 7,098 bytes each; besides 32 frames of 7,056, and nine emulators of 12 MB.
    assert str(caught.value) == (
        "capacity: 65536 transitions of 8 games take 0.57 GB, this machine has 0.20 GB; set a "
        "smaller one, --set capacity=9050"
    )
    assert SYSTEM.load(assignments=["capacity=9050"])


def test_there_were_never_words():
    with pytest.raises(UsageError) as caught:
        SYSTEM.load(words=["-lr", "1"])
    assert str(caught.value) == (
        "-- -lr 1: labml_dqn never had words of its own; use --set KEY=VALUE"
    )


def test_all_actions_of_a_game():
    assert training(game="pong", n_actions="game", n_workers=1).n_actions == 6
    assert training(game="PongNoFrameskip-v4", n_workers=1).n_actions == 4


@pytest.fixture(scope="module")
def finished():
    one, events = training(), []
    while not one.done:
        events += one.tick()
    return one, events


def test_rows_have_the_tables_columns(finished):
    _, events = finished
    rows = [event for event in events if isinstance(event, Row)]
    for table in SYSTEM.HISTORY:
        names = [column.name for column in table.columns]
        own = [row for row in rows if row.table == table.name]
        assert own
        for row in own:
            assert list(row.cells) == names
            for column in table.columns:
                value = row.cells[column.name]
                if value is None:
                    assert column.may_be_empty
                else:
                    kind = int if column.is_count else (int, float)
                    assert isinstance(value, kind)
                    assert not isinstance(value, np.generic)


def test_a_row_an_update_and_a_row_an_evaluation(finished):
    one, events = finished
    rows = [event for event in events if isinstance(event, Row)]
    updates = [row for row in rows if isinstance(row, Tracked)]
    assert [row.cells["update"] for row in updates] == list(range(6))
    evaluations = [row for row in rows if not row.table]
    assert [row.cells["update"] for row in evaluations] == [3, 6]
    assert [row.cells["games"] for row in evaluations] == [2, 2]
    assert evaluations[0].cells["best"] == 1
    assert one.best_score == max(row.cells["reward"] for row in evaluations)
    assert evaluations[-1].cells["frames"] == one.frames == updates[-1].cells["frames"]


def test_episodes_are_told_with_their_game(finished):
    _, events = finished
    episodes = [event for event in events if isinstance(event, EpisodeEnded)]
    assert {event.game for event in episodes} == {0, 1}
    assert {event.ended for event in episodes} == {"life"}


def test_evaluations_do_not_touch_the_training():
    one, other = training(eval_updates=1, eval_games=1, eval_frames=4), training(eval_updates=99)
    for each in (one, other):
        while not each.done:
            each.tick()
    for name, array in one.networks()["last"].items():
        np.testing.assert_array_equal(array, other.networks()["last"][name])
    assert set(one.networks()) == {"last", "best"}
    assert set(other.networks()) == {"last"}


def test_every_thousandth_update_leaves_its_line():
    values = {"update": 999}
    line = Tracked(1000, cells=values, table="updates", printed=" loss: 0.000000")
    assert list(SYSTEM.lines(line, {})) == ["     999:  loss: 0.000000"]
    other = Tracked(999, cells=values, table="updates", printed="")
    assert list(SYSTEM.lines(other, {})) == []


def saved(one, which="last"):
    return SavedNetwork(
        path=Path("some.safetensors"),
        which=which,
        arguments={},
        weights=one.networks()[which],
    )


def test_a_training_starts_from_a_network(finished):
    one, _ = finished
    other = training(start=saved(one))
    for mine, yours in zip(one.model.parameters(), other.target_model.parameters(), strict=True):
        assert mine.equal(yours)


def test_a_network_of_another_form_is_refused(finished):
    one, _ = finished
    with pytest.raises(SnapshotError) as caught:
        training(start=saved(one), game="pong", n_actions="game")
    assert str(caught.value) == (
        "some.safetensors.action_value.2.weight: expected float32 [6, 256], got [4, 256]"
    )


def test_a_dueling_network_is_not_taken_for_a_plain_one(finished):
    one, _ = finished
    with pytest.raises(SnapshotError) as caught:
        training(start=saved(one), dueling=False)
    assert str(caught.value) == (
        "some.safetensors.state_value.0.bias: expected a network without it, which dueling=true has"
    )


@pytest.mark.parametrize("dueling", [False, True])
def test_a_network_is_exported_with_what_builds_it(tmp_path, dueling):
    one, path = training(dueling=dueling, n_actions=3), tmp_path / "a.safetensors"
    save_networks(path, one.networks(), system="labml_dqn", arguments={}, step=0)
    exported, made = SYSTEM.export(path), {}
    exec("\n".join(exported.recipe), made)
    made["network"].load_state_dict({n: torch.from_numpy(w) for n, w in exported.state.items()})
    stacks = torch.rand(2, 4, 84, 84)
    assert made["network"](stacks).equal(one.model(stacks))


def player(one, **changes):
    given = {"seed": 1, "epsilon": 0.5, "max_frames": 20} | changes
    return SYSTEM.player(options(), saved(one), **given)


def test_a_player_plays_to_its_limit_and_shows_every_frame_once(finished):
    one, _ = finished
    mine = player(one)
    steps = [mine.step(show=True) for _ in range(10)]
    assert [step.number for step in steps] == [0, 1, 2, 3, 4] * 2
    assert [step.ended for step in steps] == [None, None, None, None, "limit"] * 2
    # What is met and three more; the last step of a game shows its last frame, too.
    assert [len(step.shown) for step in steps] == [4, 4, 4, 4, 5] * 2
    assert steps[0].shown[0].shape == (210, 160, 3)
    assert steps[0].frames == 4


def test_a_player_tells_what_it_saw_and_how_it_valued_it(finished):
    one, _ = finished
    mine = player(one, epsilon=0.0)
    step = mine.step()
    assert list(step.seen) == [f"frame {i} of 4" for i in (1, 2, 3, 4)]
    assert {plane.shape for plane in step.seen.values()} == {(84, 84)}
    assert step.done == int(np.argmax(step.valued))
    assert mine.step(action=3).done == 3
    assert mine.step().shown == ()


def test_a_player_goes_on_over_lost_lives(finished):
    one, _ = finished
    mine = player(one, epsilon=1.0, max_frames=0)
    steps = [mine.step() for _ in range(150)]
    over = next(i for i, step in enumerate(steps) if step.ended)
    assert steps[over].ended == "game"
    lost = sum(step.earned < 0 for step in steps[: over + 1])
    assert lost == 3


def test_a_player_is_as_evaluations_are(finished):
    one, _ = finished
    mine = SYSTEM.player(options(), saved(one), seed=1)
    assert (mine.epsilon, mine.max_frames, mine.game) == (0.05, 12, "toyA")


def test_a_players_state_goes_on_with_its_game(finished):
    one, _ = finished
    mine, other = player(one), player(one, seed=2)
    for _ in range(2):
        mine.step()
    other.load_state_dict(mine.state_dict())
    steps = [(step.number, step.done, step.ended) for step in (mine.step(), other.step())]
    assert steps[0] == steps[1]
    assert steps[0][0] == 2


def test_of_two_that_are_equal_the_first_is_the_best():
    one, best = training(eval_updates=1, updates=2, eval_games=1, eval_frames=4), []
    while not one.done:
        rows = [event for event in one.tick() if isinstance(event, Row) and not event.table]
        best += [(row.cells["reward"], row.cells["best"]) for row in rows]
    # Nothing is earned in the first four frames.
    assert best == [(0.0, 1), (0.0, 0)]
