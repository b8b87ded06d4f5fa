"""Every part measures what it says, in tiny sizes; no time is asserted. And the stand-in is one."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from dqn_port.bench.report import bench
from dqn_port.errors import BenchError
from dqn_port.systems.labml_dqn.bench import PARTS, parts, stand_in
from dqn_port.systems.labml_dqn.model import empty_model
from dqn_port.systems.labml_dqn.system import SYSTEM
from dqn_port.systems.labml_dqn.traces.formulas import put_weights, stack
from tests.systems.labml_dqn.building import options

GOLDEN = Path(__file__).parents[2] / "golden" / "labml"
FIGURES = {
    "update": {"update", "floor", "ratio", "rate_mkl", "rate_onednn", "rate_openblas"},
    "stand_in": {"ours", "stand_in", "ratio"},
    "fill": {"fill", "bare", "ratio"},
    "trees": {
        *(f"{what}_{held}" for what in ("draw", "write") for held in (16, 64)),
        "draw_ratio", "write_ratio",
    },
}  # fmt: skip


@pytest.mark.parametrize("part", FIGURES)
def test_a_part_is_measured(part, monkeypatch):
    monkeypatch.setattr(parts, "_HELD", (16, 64))
    monkeypatch.setattr(parts, "_WARM_UP", 1)
    small = options(game="breakout")
    report = bench(SYSTEM, PARTS[part], small, name=part, steps=2, repeats=2)
    figures = json.loads(json.dumps(report.to_json()))["figures"]
    assert set(figures) == FIGURES[part]
    for figure in figures.values():
        assert len(figure["values"]) == 2
        assert figure["low"] > 0


def test_every_part_is_tried():
    assert set(PARTS) == set(FIGURES)


def test_the_stand_in_plays_no_toy():
    with pytest.raises(BenchError) as caught:
        bench(SYSTEM, PARTS["stand_in"], options())
    assert str(caught.value) == "stand_in: expected an Atari game, got toyA; set game=breakout"


def test_the_toy_is_filled_without_bare_emulation():
    report = bench(SYSTEM, PARTS["fill"], options(), steps=2, repeats=1)
    assert set(report.to_json()["figures"]) == {"fill"}


def test_the_operations_of_a_forward_pass_by_hand():
    first, second, third = 20**2 * 32 * 8**2 * 4, 9**2 * 64 * 4**2 * 32, 7**2 * 64 * 3**2 * 64
    linear = [3136 * 512, 512 * 256, 256 * 4, 512 * 256, 256]
    expected = [2.0 * n for n in (first, second, third, *linear)]
    assert sorted(parts.flop_of_forward(empty_model(4))) == sorted(expected)
    # What floor.py leaves out is the gradient of the first one's input.
    assert parts.flop_of_forward(empty_model(4))[0] == 2.0 * first


@pytest.mark.parametrize("group", ["update", "update_clip"])
def test_the_stand_in_meets_the_trace_of_an_update(group):
    meta = json.loads((GOLDEN / f"{group}.json").read_text())
    trace = np.load(GOLDEN / f"{group}.npz")
    document = json.loads(Path("legacy_args/labml_breakout.json").read_text())
    changes = {name: meta[name] for name in ("capacity", "alpha", "gamma")}
    changes |= {"learning_rate": meta["lr"], "mini_batch_size": meta["batch"]}
    trainer = stand_in.Trainer(document | changes)
    replay, capacity = trainer.replay_buffer, meta["capacity"]
    for i in range(capacity):
        reward = ((i * 5) % 9 - 4) * 0.5 * meta["rscale"]
        replay.add(obs=stack(i, 0), action=(i * 7 + 3) % 4, reward=reward, next_obs=stack(i, 1),
                   done=i % 7 == 0)  # fmt: skip
    every = np.arange(capacity)
    replay.update_priorities(every, ((every * 37 % capacity + 1) / 16).astype(np.float32))
    put_weights(trainer.model, meta["salt"])
    put_weights(trainer.target_model, meta["salt"] + 1)
    random.seed(meta["seed"])
    torch.set_num_threads(1)
    for epoch in range(meta["epochs"]):
        learnt = trainer.train(meta["beta"])
        # What another processor rounds differently grows, and would make other priorities; see
        # traces/training.py.
        replay.update_priorities(learnt["indexes"], trace["new_priorities"][epoch])
        close = {"rtol": 0, "atol": 1e-5 * 2**epoch}
        assert learnt["indexes"].tolist() == trace["indexes"][epoch].tolist()
        np.testing.assert_allclose(learnt["weights"], trace["sample_weights"][epoch], rtol=1e-6)
        np.testing.assert_allclose(learnt["td_error"], trace["td_error"][epoch], **close)
        np.testing.assert_allclose(learnt["loss"], trace["loss"][epoch], **close)


def test_games_of_the_stand_in_show_what_the_system_shows():
    ours, theirs = (one for one in (training_game("breakout"), stand_in.Game("breakout", "", 4)))
    np.testing.assert_array_equal(ours.reset(), theirs.reset())
    for step in range(60):
        action = step * 7 % 4
        got, expected = theirs.step(action), ours.step(action)
        np.testing.assert_array_equal(got[0], expected.obs)
        assert got[1:] == (expected.reward, expected.done)


def training_game(name):
    from dqn_port.games.picture_games import open_game
    from dqn_port.systems.labml_dqn.game import Game
    from dqn_port.systems.labml_dqn.no_frameskip import NoFrameskip

    return Game(NoFrameskip(open_game(name)), 1)
