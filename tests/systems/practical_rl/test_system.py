"""Options: names to the letter, what is chosen by the environment, and what cannot be run."""

from __future__ import annotations

from pathlib import Path

import gymnasium
import numpy as np
import pytest

from dqn_port.errors import MemoryNeedError, UsageError
from dqn_port.events import Row, Started
from dqn_port.systems.practical_rl.system import SYSTEM
from tests.systems.practical_rl.running import options, training

FILES = Path(__file__).parents[3] / "legacy_args"
WRAPPERS = ("frame_skip", "episodic_life", "fire_reset", "clip_rewards", "preprocess", "n_frames")


def chosen(environment):
    opt = SYSTEM.load(assignments=[f"environment={environment}"])
    return [opt[name] for name in (*WRAPPERS, "architecture")]


def test_wrappers_are_chosen_by_the_environment():
    assert chosen("BreakoutNoFrameskip-v4") == [4, True, True, True, "crop64", 4, "homework"]
    assert chosen("FreewayNoFrameskip-v4") == [4, True, False, True, "crop64", 4, "homework"]
    assert chosen("toyA") == [4, True, True, True, "crop64", 4, "homework"]
    assert chosen("CartPole-v1") == [1, False, False, False, "none", 1, "dense"]
    assert chosen("gymnasium:CartPole-v1") == [1, False, False, False, "none", 1, "dense"]
    for environment in ("gymnasium:ALE/Breakout-v5", "ALE/Breakout-v5"):
        assert chosen(environment) == [1, False, False, False, "crop64", 4, "homework"]


def test_what_gymnasium_alone_knows_needs_no_prefix():
    for environment in ("ALE/Breakout-v5", "Breakout-v4", "MountainCar-v0"):
        opt = SYSTEM.load(assignments=[f"environment={environment}"])
        assert opt["environment"] == f"gymnasium:{environment}"
    with pytest.raises(UsageError, match="--trust"):
        SYSTEM.load(assignments=["environment=strange:Strange-v0"])


def test_a_roms_name_is_taken_for_the_id():
    opt = SYSTEM.load(assignments=["environment=space_invaders"])
    assert opt["environment"] == "SpaceInvadersNoFrameskip-v4"
    same = [f"{name}={opt[name]}" for name in ("environment", "seed")]
    assert SYSTEM.load(assignments=same) == opt


FAULTS = {
    "environment=spce_invaders": (
        "environment: expected CartPole-v1, toyA, an Atari game such as BreakoutNoFrameskip-v4 or "
        "breakout, or gymnasium:ID, got 'spce_invaders'; did you mean 'space_invaders'?"
    ),
    "environment=CartPole-v1 episodic_life=true": (
        "episodic_life: expected a game with lives, got CartPole-v1; set episodic_life=false"
    ),
    "environment=FreewayNoFrameskip-v4 fire_reset=true": (
        "fire_reset: expected a game with three actions or more, the second FIRE, got NOOP, UP, "
        "DOWN; set fire_reset=false"
    ),
    "environment=CartPole-v1 architecture=homework": (
        "architecture homework: expected pictures, got states [4]; set architecture=dense, or "
        "leave it out"
    ),
    "environment=toyA architecture=dense": (
        "architecture dense: expected a vector, got states [4, 64, 64]; set architecture=homework, "
        "or leave it out"
    ),
    "environment=toyA preprocess=none": (
        "preprocess none: expected a vector, got [210, 160, 3]; set preprocess=gray64"
    ),
    "environment=toyA preprocess=gray84": (
        "preprocess gray84: expected gymnasium:ALE/…, got toyA; set preprocess=crop64, or play "
        "gymnasium's game"
    ),
    "environment=CartPole-v1 preprocess=crop64": (
        "preprocess crop64: expected pictures [210, 160, 3], got [4]; leave it out"
    ),
    "environment=CartPole-v1 preprocess=gray64": (
        "preprocess gray64: expected pictures of bytes, got [4]; leave it out"
    ),
    "environment=gymnasium:Pendulum-v1": (
        "environment Pendulum-v1: expected actions 0 to n − 1, got Box(-2.0, 2.0, (1,), float32); "
        "a DQN values every action, so take an environment with discrete ones"
    ),
    "gama=0.9": (
        "--set: gama: no such key; did you mean 'gamma'?; `dqn-port args show --system "
        "practical_rl` lists all"
    ),
}


@pytest.mark.parametrize("assignments", FAULTS)
def test_what_cannot_be_run_is_refused_in_a_line(assignments):
    with pytest.raises(UsageError) as caught:
        SYSTEM.load(assignments=assignments.split())
    assert str(caught.value) == FAULTS[assignments]


@pytest.mark.parametrize(("shape", "dtype"), [((3, 96, 96), np.uint8), ((96, 96, 3), np.float32)])
def test_pictures_that_cannot_be_made_gray_are_refused_in_a_line(shape, dtype, monkeypatch):
    def painted(**_):
        env = gymnasium.make("CartPole-v1").unwrapped
        env.observation_space = gymnasium.spaces.Box(0, 1, shape, dtype)
        env.reset = lambda **_: (np.zeros(shape, dtype), {})
        env.step = lambda action: (np.zeros(shape, dtype), 1.0, False, False, {})
        return env

    name = f"Painted{np.dtype(dtype).name.title()}-v0"
    gymnasium.register(name, painted)
    try:
        with pytest.raises(UsageError) as caught:
            SYSTEM.load(assignments=[f"environment=gymnasium:{name}"])
    finally:
        del gymnasium.registry[name]
    assert str(caught.value) == (
        f"environment gymnasium:{name}: expected a vector, or pictures of bytes [height, width, 1, "
        f"3 or 4], got {np.dtype(dtype)} {list(shape)}; wrap it so that it shows one of them"
    )


def test_a_replay_that_does_not_fit_is_refused_with_one_that_does(monkeypatch):
    monkeypatch.setattr("dqn_port.memory.machine_memory", lambda: 10**8)
    with pytest.raises(MemoryNeedError) as caught:
        options("BreakoutNoFrameskip-v4", buffer_size=10_000)
    assert str(caught.value) == (
        "buffer_size: 10000 transitions take 0.18 GB, this machine has 0.10 GB; set a smaller "
        "one, --set buffer_size=3859"
    )


NUMBERS = {
    "practical_rl_breakout": (
        "BreakoutNoFrameskip-v4", 1, 16, 3 * 10**6, 10**6, 1e-4, 5000, 50, 5000, 50, 10**4, 5,
        10**4,
    ),
    "practical_rl_cartpole": (
        "CartPole-v1", 1, 32, 4 * 10**4, 10**4, 1e-4, 100, 20, 1000, 5000, 10**4, 1, 1000,
    ),
    "practical_rl_2024": (
        "gymnasium:ALE/Breakout-v5", 4, 32, 10**7, 10**6, 6.25e-5, 10**4, 100, 10**4, 10, 10**6,
        5, 10**4,
    ),
}  # fmt: skip
NAMES = (
    "environment", "timesteps_per_epoch", "batch_size", "total_steps", "decay_steps",
    "learning_rate", "refresh_target_network_freq", "loss_freq", "eval_freq", "max_grad_norm",
    "buffer_size", "n_lives", "t_max",
)  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
def test_the_numbers_of_the_files(name, monkeypatch):
    monkeypatch.setattr("dqn_port.memory.machine_memory", lambda: 10**11)
    opt = SYSTEM.load(args_file=FILES / f"{name}.json")
    assert tuple(opt[key] for key in NAMES) == NUMBERS[name]
    assert (opt["init_epsilon"], opt["final_epsilon"], opt["gamma"]) == (1, 0.1, 0.99)
    facts = SYSTEM.facts(opt)
    assert facts.length == opt["total_steps"]
    assert facts.arguments == opt


def test_the_course_of_2024_plays_bytes_oldest_first(monkeypatch):
    monkeypatch.setattr("dqn_port.memory.machine_memory", lambda: 10**11)
    opt = SYSTEM.load(
        args_file=FILES / "practical_rl_2024.json",
        assignments=["buffer_size=40", "n_steps=10", "fill_calls=3", "total_steps=1", "t_max=3"],
    )
    run = SYSTEM.training(opt)
    while not run.done:
        run.tick()
    batch = run.exp_replay.at(np.arange(38))
    assert (batch.s.shape, batch.s.dtype) == ((38, 4, 84, 84), np.uint8)
    assert np.array_equal(batch.s[0][0], batch.s[0][3])
    assert np.array_equal(batch.s2[5][:3], batch.s[5][1:])
    assert run.agent.body[0].__class__.__name__ == "_Scaled"


def test_a_picture_of_any_size_can_be_played():
    gymnasium = pytest.importorskip("gymnasium")

    class Pictures(gymnasium.Env):
        def __init__(self):
            self.action_space = gymnasium.spaces.Discrete(3)
            self.observation_space = gymnasium.spaces.Box(0, 255, (48, 40, 3), np.uint8)

        def reset(self, **_):
            self.t = 0
            return np.zeros((48, 40, 3), dtype=np.uint8), {}

        def step(self, action):
            self.t += 1
            return np.full((48, 40, 3), self.t, dtype=np.uint8), 1.0, False, self.t == 5, {}

    gymnasium.register("Pictures-v0", Pictures)
    try:
        run = training("gymnasium:Pictures-v0", bootstrap_at="terminated", t_max=20)
        while not run.done:
            run.tick()
    finally:
        del gymnasium.registry["Pictures-v0"]
    batch = run.exp_replay.at(np.arange(10))
    assert batch.s.shape == (10, 4, 64, 64)
    assert batch.truncated.any()
    assert not batch.terminated.any()


def test_the_start_tells_what_is_played():
    run = training("BreakoutNoFrameskip-v4", seed=0, buffer_size=10_000)
    assert list(SYSTEM.lines(Started(0, run), run.opt)) == [
        "BreakoutNoFrameskip-v4: 4 frames a step, no sticky actions, actions NOOP, FIRE, RIGHT, "
        "LEFT, observation uint8 [210, 160, 3], ends after 400,000 frames",
        "replay memory: 181.4 MB once it holds 10,000 transitions",
        "seed 0: training is on unclipped rewards, since the original hands its seed to "
        "clip_rewards; seed_clips_rewards=false mends that",
    ]
    run = training("CartPole-v1")
    assert list(SYSTEM.lines(Started(0, run, resumed=True), run.opt)) == [
        "CartPole-v1: 1 frame a step, no sticky actions, actions 0, 1, observation float64 [4], "
        "no time limit"
    ]
    run = training("gymnasium:CartPole-v1")
    assert list(SYSTEM.lines(Started(0, run, resumed=True), run.opt)) == [
        "gymnasium:CartPole-v1: 1 frame a step, no sticky actions, actions 0, 1, observation "
        "float32 [4], ends after 500 steps"
    ]
    run.record.env.exact = False
    assert list(SYSTEM.lines(Started(0, run, resumed=True), run.opt))[1:] == [
        "its games cannot be replayed: a checkpoint holds all but the game, which starts over"
    ]


def test_an_evaluation_prints_what_the_notebook_printed():
    row = Row(1000, cells={"buffer_size": 10000, "epsilon": 0.9100000001})
    assert list(SYSTEM.lines(row, {})) == ["buffer size = 10000, epsilon = 0.91000"]
    assert list(SYSTEM.lines(Row(20, cells={}, table="loss"), {})) == []


def test_epsilon_is_planned():
    opt = options("toyA", total_steps=10, decay_steps=4, n_steps=4, fill_calls=3, buffer_size=10)
    frames, epsilon = SYSTEM.epsilon_curve(opt)
    assert frames.tolist() == [0, 48, 64, 88]
    assert epsilon.tolist() == pytest.approx([1, 1, 0.1, 0.1])


def test_options_that_were_filled_in_are_no_differences():
    opt = SYSTEM.load(assignments=["environment=CartPole-v1", "seed=3", "gamma=0.9"])
    compared = SYSTEM.compared(opt)
    assert {other.path: other.here for other in compared.others} == {
        "environment": "CartPole-v1",
        "gamma": "0.9",
    }
    opt = SYSTEM.load(assignments=["environment=toyA", "frame_skip=2", "seed=3"])
    found = {other.path: (other.here, other.original) for other in SYSTEM.compared(opt).others}
    assert found["frame_skip"] == ("2", "4")
