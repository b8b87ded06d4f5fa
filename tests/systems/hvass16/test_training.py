"""A training: its ticks, exact going on from every one of them, restores, evaluations."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from dqn_port.errors import ArgsError, CheckpointError
from dqn_port.events import EpisodeEnded, Row, Stopped, Ticked
from dqn_port.saved_networks import SavedNetwork
from dqn_port.systems.hvass16.happenings import BurstBegun, RunEnded, Updated
from dqn_port.systems.hvass16.system import SYSTEM
from tests.systems.hvass16.building import (
    fill_rings,
    frozen,
    options,
    rings_of,
    run,
    same,
    told,
    training,
)

CASES = {
    "toyA": {},
    "toyA, evaluated": {"eval_freq": 35, "eval_episodes": 2, "episodes": 3},
    "Breakout-v0": {"env": "Breakout-v0", "episodes": 9, "eval_freq": 8, "eval_episodes": 1,
                    "max_steps": 4, "replay_size": 6},
}  # fmt: skip
MOST = {"Breakout-v0": 15}
"""Ticks: to load a ROM takes ale-py some 80 ms."""


@pytest.mark.parametrize("case", CASES)
def test_it_goes_on_exactly_from_every_tick(case):
    opt = options(**CASES[case])
    made = training(opt)
    phases = set()
    for _ in range(MOST.get(case, 10_000)):
        if made.done:
            break
        state, rows = frozen(made.state_dict()), rings_of(made)
        before = dict(made.files.texts)
        events = made.tick()
        phases |= {event.phase for event in events if isinstance(event, Ticked)}
        other = training(opt)
        fill_rings(other, rows)
        other.load_state_dict(state)
        assert same(frozen(other.state_dict()), state)
        assert told(other.tick()) == told(events)
        assert same(frozen(other.state_dict()), frozen(made.state_dict()))
        assert same(rings_of(other).popitem()[1][1], rings_of(made).popitem()[1][1])
        added = {name: text[len(before[name]) :] for name, text in made.files.texts.items()}
        assert other.files.texts == added
        assert other.done == made.done
    expected = {"playing", "learning"} | ({"evaluating"} if opt["eval_freq"] else set())
    assert phases == expected


def test_a_state_is_taken_in_the_middle_of_a_burst():
    made = training()
    while made.agent.optimization is None or made.agent.optimization.iterations < 2:
        made.tick()
    state = made.state_dict()
    assert state["agent"]["burst"]["iterations"] == 2
    assert np.count_nonzero(state["agent"]["burst"]["loss_history"]) == 2


def test_what_a_run_tells():
    made = training()
    events = run(made)
    episodes = [event for event in events if isinstance(event, EpisodeEnded)]
    rows = [event for event in events if isinstance(event, Row)]
    assert len(episodes) == 5
    assert [e.cells["episodes"] for e in rows if e.table == "reward"] == [1, 2, 3, 4, 5]
    bursts = [event for event in events if isinstance(event, BurstBegun)]
    assert len(bursts) == len([e for e in rows if e.table == "q_values"]) == made.memory.fillings
    assert sum(event.last for event in events if isinstance(event, Updated)) == len(bursts) > 1
    assert isinstance(events[-1], RunEnded)
    assert events[-1].rewards == tuple(episode.reward for episode in episodes)
    lines = made.files.texts["log_reward.txt"].splitlines()
    assert lines[-1].split("\t")[:2] == ["5", str(episodes[-1].step)]
    assert len(made.files.texts["log_q_values.txt"].splitlines()) == len(bursts)
    texts = [e.text for e in events if isinstance(e, Ticked) and e.phase == "learning"]
    assert texts[0] == "burst 1: memory swept"
    assert texts[1].startswith("burst 1, update 1 of at most 7, mean loss 0.0")
    assert texts[1].endswith(", at most 0:00 left")
    frames = sum(event.frames for event in events if isinstance(event, Ticked))
    assert frames == made.agent.env.frames


def test_one_state_more_is_played_after_the_last_episode():
    made = training(options(episodes=2))
    events = run(made)
    last = [event for event in events if isinstance(event, EpisodeEnded)][-1]
    assert (made.agent.count_episodes, made.step) == (3, last.step + 1)


def test_a_longer_run_is_the_same_as_one_that_was_lengthened():
    made = training(options(episodes=2, eval_freq=30, eval_episodes=1))
    events = run(made)
    assert isinstance(events.pop(), RunEnded)
    state, rows = frozen(made.state_dict()), rings_of(made)
    longer = options(episodes=5, eval_freq=30, eval_episodes=1)
    other, straight = training(longer), training(longer)
    fill_rings(other, rows)
    other.load_state_dict(state)
    then = [line.replace("episode 3/2", "episode 3/5") for line in told(events)]
    then = [line.replace("/2, state", "/5, state") for line in then]
    assert then + told(run(other)) == told(run(straight))


def test_no_episodes_play_one_state():
    made = training(options(episodes=0))
    events = run(made)
    assert (made.agent.count_episodes, made.step) == (1, 1)
    assert events[-1].rewards == ()


def saved(made, **changed):
    weights = {name: array.copy() for name, array in made.networks()["last"].items()}
    return SavedNetwork(path=Path("old.npz"), which="last", arguments={}, weights=weights | changed)


def test_a_network_to_start_from_is_the_originals_restore():
    made = training()
    run(made)
    start = saved(made)
    other = training(options(episodes=8), start=start)
    assert (other.step, other.agent.count_episodes) == (made.step, 6)
    assert other.memory.num_used == 0
    assert other.agent.episode_rewards == []
    assert same(other.networks()["last"], start.weights)
    first = next(event for event in run(other) if isinstance(event, EpisodeEnded))
    # Its mean starts anew, and its episodes are counted on.
    assert first.count_episodes == 7
    assert first.mean == first.reward


def test_a_run_cannot_have_fewer_episodes_than_there_were():
    made = training()
    run(made)
    with pytest.raises(ArgsError) as caught:
        training(start=saved(made))
    assert str(caught.value) == (
        "episodes: expected a total of at least 6, which old.npz has had, got 5"
    )
    with pytest.raises(ArgsError) as caught:
        training(options(episodes=4)).load_state_dict(made.state_dict())
    assert str(caught.value) == "episodes: expected at least 5, already trained, got 4"


def test_the_logs_beside_a_network_are_continued(tmp_path):
    made = training()
    run(made)
    start = dataclasses.replace(saved(made), path=tmp_path / "a.safetensors")
    (tmp_path / "log_reward.txt").write_text("1\t2\t3.0\t3.0\n")
    other = training(options(episodes=8), start=start)
    assert other.files.texts == {"log_reward.txt": "1\t2\t3.0\t3.0\n", "log_q_values.txt": ""}


def test_a_stopped_training_tells_its_rewards():
    made = training()
    assert list(SYSTEM.lines(Stopped(0, made), options())) == []
    run(made)
    lines = list(SYSTEM.lines(Stopped(made.step, made), options()))
    assert lines[:2] == ["", "Rewards for 5 episodes:"]
    assert lines[3] == f"- Mean:   {np.mean(made.agent.episode_rewards)}"


def test_a_network_without_mean_squares_or_counters_begins_with_those_of_a_start():
    made = training()
    run(made)
    weights = {n: a for n, a in made.networks()["last"].items() if "/RMS" not in n and "/" in n}
    kernels = {name.replace("/weights", "/kernel"): array for name, array in weights.items()}
    other = training(start=dataclasses.replace(saved(made), weights=kernels))
    assert (other.step, other.agent.count_episodes) == (0, 0)
    assert all((ms == 1).all() for ms in other.network.mean_square.values())
    for name, array in weights.items():
        np.testing.assert_array_equal(other.networks()["last"][name], array)


def test_the_seed_decides():
    first, again, other = training(), training(), training(options(seed=4))
    assert told(run(first)) == told(run(again)) != told(run(other))
    assert same(first.networks(), again.networks())


def test_evaluations_come_at_intervals_and_change_nothing():
    plain = training()
    events = run(plain)
    made = training(options(eval_freq=30, eval_episodes=2))
    evaluated = run(made)
    rows = [e.cells for e in evaluated if isinstance(e, Row) and e.table == ""]
    assert [row["states"] for row in rows] == list(range(30, made.step + 1, 30))
    assert {row["games"] for row in rows} == {2}
    assert all(r["reward_min"] <= r["reward_mean"] <= r["reward_max"] for r in rows)
    kept = [e for e in evaluated if not isinstance(e, Row) or e.table]
    kept = [e for e in kept if not isinstance(e, Ticked) or e.phase != "evaluating"]
    assert told(kept) == told(events)
    assert same(made.networks(), plain.networks())


def test_with_weights_alone_the_counters_go_on():
    made = training()
    run(made)
    other = training(options(episodes=8))
    other.load_state_dict(frozen(made.state_dict(full=False)), full=False)
    assert (other.step, other.agent.count_episodes) == (made.step, 6)
    assert same(other.networks(), made.networks())
    assert other.memory.num_used == 0


def test_rows_are_numbered_so_that_each_filling_begins_at_the_first_slot():
    made = training()
    while made.memory.fillings < 2:
        made.tick()
    made.tick()
    ring = made.rings()["states"]
    assert ring.slots is None
    assert (ring.added % made.memory.size, ring.held) == (1, 1)


DAMAGES: dict[str, tuple[object, str]] = {
    "counters.count_states": (-1, "a whole number of 0 to 9007199254740992, got -1"),
    "network": (None, "arrays by name, got None"),
    "memory.num_used": (41, "a whole number of 0 to 40, got 41"),
    "memory.q_values": (np.zeros((9, 4)), "float64 [40, 4], got float64 [9, 4]"),
    "memory.actions": (np.full(40, 4), "numbers of 0 to 3, got 4 to 4"),
    "generator.pos": (625, "a whole number of 0 to 624, got 625"),
    "generator.key": (np.zeros(3, np.uint32), "uint32 [624], got uint32 [3]"),
    "agent.end_episode": (1, "true or false, got 1"),
    "agent.reward_episode": (float("inf"), "a finite number, got inf"),
    "agent.episode_rewards": (np.zeros(3, np.int64), "a row of numbers, got int64 [3]"),
    "agent.tracer": (5, "fields by name, got 5"),
    "agent.tracer.last_input": (np.zeros((2, 6)), "float64 [21, 16], got float64 [2, 6]"),
    "agent.burst.iterations": (10**6, "a whole number of 0 to 6, got 1000000"),
    "agent.burst.max_epochs": (0.0, "one with updates, got 0.0"),
    "agent.burst.loss_history": (np.zeros(99), "float64 [100], got float64 [99]"),
    "environment": (b"x", "fields by name, got a bytes"),
    "environment.steps": ("1", "a whole number of 0 to 9007199254740992, got a str"),
    "environment.emulator": ([], "fields by name, got a list"),
    "evaluated_at": (None, "a whole number of 0 to 9007199254740992, got None"),
    "evaluation": (7, "fields by name, got 7"),
    "evaluation.player": (None, "fields by name, got None"),
}  # fmt: skip


def changed(state, path, value):
    name, _, rest = path.partition(".")
    return state | {name: changed(state.get(name) or {}, rest, value) if rest else value}


@pytest.fixture(scope="module")
def burst_state():
    made = training()
    while made.agent.optimization is None:
        made.tick()
    made.tick()
    # The network in the state, as checkpoints of before its ring have it.
    network = {"network_added": 0, "network": made.network.arrays()}
    state = frozen(made.state_dict() | network)
    evaluation = {"states": 3, "episodes": 1, "steps": 0}
    return state, state | {"evaluation": evaluation}


@pytest.mark.parametrize("path", DAMAGES)
def test_a_damaged_state_is_refused(path, burst_state):
    value, expected = DAMAGES[path]
    state = burst_state[1] if path.startswith("evaluation.") else burst_state[0]
    with pytest.raises(CheckpointError) as caught:
        training().load_state_dict(changed(state, path, value))
    assert str(caught.value) == f"{path}: expected {expected}"


def test_a_network_of_another_shape_is_refused(burst_state):
    for name, value, expected in (
        ("layer_fc_out/weights", np.zeros((6, 5), np.float32),
         "float32 [6, 4], got float32 [6, 5]; it has 5 actions, and the game has 4"),
        ("layer_conv1/bias", [0.0], "float32 [2], got a list"),
        ("layer_conv1/bias", np.zeros(2), "float32 [2], got float64 [2]"),
    ):  # fmt: skip
        with pytest.raises(CheckpointError) as caught:
            training().load_state_dict(changed(burst_state[0], f"network.{name}", value))
        assert str(caught.value) == f"network: {name}: expected {expected}"


def test_a_missing_part_is_refused(burst_state):
    for name in burst_state[0]:
        state = {key: value for key, value in burst_state[0].items() if key != name}
        if name not in ("evaluation", "network_added"):
            with pytest.raises(CheckpointError, match=r"got nothing"):
                training().load_state_dict(state)
