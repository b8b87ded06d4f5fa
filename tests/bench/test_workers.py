"""Processes that are measured, and how they take turns."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dqn_port.bench.machine import cores_for
from dqn_port.bench.races import WARM_UP, take_turns, turns
from dqn_port.bench.workers import Worker
from dqn_port.errors import BenchError
from dqn_port.systems.lua_dqn.bench import versus
from dqn_port.systems.lua_dqn.bench.versus import (
    our_options,
    settings_of_sb3,
    start_sb3,
)
from dqn_port.systems.lua_dqn.bench.worker import start_training
from tests.bench.running import pong_options, toy_options

ECHO = """
import sys, time
from dqn_port.bench.workers import serve
def prepare(settings):
    print("noise of a library")
    return lambda steps: {"seconds": steps * settings["each"]}
serve(prepare)
"""


def worker(code, *, limit_s=60.0, **settings):
    return Worker("it", [sys.executable, "-c", code], settings, limit_s=limit_s)


def test_a_worker_takes_its_settings_and_answers_line_by_line():
    with worker(ECHO, each=0.5) as echo:
        assert echo.about == {"ready": True}
        assert (echo.run(4), echo.run(1)) == (2.0, 0.5)


def test_a_worker_that_fails_is_told_by_its_last_line():
    with pytest.raises(BenchError) as fault:
        worker("raise SystemExit('no game\\nno such game')")
    assert str(fault.value) == "it: expected an answer, got its end with 1: no such game"


def test_a_worker_that_hangs_is_given_up():
    with pytest.raises(BenchError) as fault:
        worker("import time; time.sleep(60)", limit_s=0.2)
    assert str(fault.value) == "it: expected an answer, got its end with -9: without a word"


def test_a_worker_that_cannot_be_started():
    with pytest.raises(BenchError) as fault:
        Worker("it", ["/nowhere/python"], {})
    assert str(fault.value) == "it: cannot be started: /nowhere/python: No such file or directory"


def test_no_one_is_always_first():
    assert list(turns(4, "ours", "sb3")) == [("ours", "sb3"), ("sb3", "ours")] * 2


def test_two_trainings_take_turns():
    opt, cores = our_options(toy_options(), threads=1, random_steps=40), cores_for(1)
    with start_training(opt, cores) as ours, start_training(opt, cores) as other:
        figures = take_turns({"ours": ours, "sb3": other}, rounds=3, steps=8)
    assert {name: len(figure.values) for name, figure in figures.items()} == {
        "ours": 3, "sb3": 3, "ratio": 3,
    }  # fmt: skip
    rates = zip(figures["ours"].values, figures["sb3"].values, strict=True)
    assert figures["ratio"].values == tuple(a / b for a, b in rates)


STAND_IN = {
    "__init__": """
        __version__ = "0"
        class DQN:
            def __init__(self, policy, env, **options):
                self.options = options
            def learn(self, total_timesteps, callback):
                import sys
                played = 0
                while callback({}, {}):
                    played += 1
                    print("noise", flush=True)
                    print(played, sorted(self.options.items()), file=sys.stderr, flush=True)
        """,
    "common/__init__": "",
    "common/env_util": "def make_atari_env(name, **options): return name",
    "common/vec_env": "def VecFrameStack(env, **options): return env",
}


def sb3_worker(folder, settings):
    """Start sb3_worker.py with something that has the face of Stable-Baselines3 and learns nothing.

    What can be wrong in the worker, counting and waiting, is seen without it.
    """
    package = folder / "stable_baselines3"
    (package / "common").mkdir(parents=True)
    for name, text in STAND_IN.items():
        lines = text.splitlines()
        (package / f"{name}.py").write_text("\n".join(line.removeprefix(" " * 8) for line in lines))
    script = Path(versus.__file__).with_name("sb3_worker.py")
    command = [sys.executable, "-P", str(script)]
    return Worker("it", command, settings, environment={"PYTHONPATH": str(folder)})


def test_the_other_worker_counts_its_steps_and_waits_between(tmp_path):
    opt = our_options(pong_options(), threads=1, random_steps=600)
    settings = settings_of_sb3(opt, cores_for(1))
    with sb3_worker(tmp_path, settings) as worker:
        assert worker.about["ready"] is True
        assert worker.about["versions"]["stable_baselines3"] == "0"
        assert worker.run(WARM_UP) > 0
        assert worker.run(3) > 0
        worker._errors.seek(0)
        lines = worker._errors.read().decode().splitlines()
        # The callback is asked once a step, and the last step waits inside of it.
        before = settings["learning_starts"] + 10 * settings["train_freq"]
        assert lines[-1].startswith(f"{before + WARM_UP + 3 - 1} ")


def test_both_are_asked_for_the_same():
    opt = our_options(pong_options(), threads=2, random_steps=600)
    assert settings_of_sb3(opt, [0, 1]) == {
        "game": "Pong",
        "cores": [0, 1],
        "threads": 2,
        "learning_starts": 600,
        "epsilon": 0.1,
        "buffer_size": 16_000,
        "batch_size": 32,
        "train_freq": 4,
        "target_update_interval": 1000,
        "seed": 1,
    }
    assert opt.agent_params["ep_endt"] == 1, "ε is at its end as soon as learning has started"


def test_without_the_other_environment_it_says_what_to_do(tmp_path):
    with pytest.raises(BenchError) as fault:
        start_sb3(tmp_path / "python", {})
    assert str(fault.value) == (
        f"{tmp_path / 'python'}: does not exist; run `make bench` to make the environment "
        "of Stable-Baselines3, or --only parts, which needs none"
    )
