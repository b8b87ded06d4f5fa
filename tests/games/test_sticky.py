"""Sticky actions: drawn from a seed, saved with their generator, and gone on with exactly."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from dqn_port.errors import CheckpointError
from dqn_port.games.ale.emulator import AleEmulator

STICKY = 0.25


def make(*, sticky=STICKY, seed=5, game="breakout"):
    return AleEmulator(game, reset="ale", sticky=sticky, seed=seed)


def play(emulator, n):
    """Return what n frames of a fixed course show; a new game follows a game's end."""
    shown, screen = [], np.empty((emulator.height, emulator.width), dtype=np.uint8)
    for i in range(n):
        if emulator.game_over():
            emulator.reset_game()
        reward = emulator.act(emulator.actions[i // 3 % len(emulator.actions)])
        emulator.get_screen(screen)
        digest = hashlib.sha256(screen.tobytes()).hexdigest()
        shown.append((digest, reward, emulator.lives(), emulator.game_over()))
    return shown


@pytest.mark.parametrize("game", ["breakout", "pong", "qbert"])
@pytest.mark.parametrize("frames", [0, 150, 900])
def test_it_goes_on_exactly(game, frames):
    emulator = make(game=game)
    play(emulator, frames)
    state = emulator.state_dict()
    after = play(emulator, 200)
    other = make(game=game, seed=6)
    play(other, 40)
    other.load_state_dict(state)
    assert play(other, 200) == after


def test_the_seed_decides_and_without_sticky_actions_it_does_not():
    assert play(make(), 400) == play(make(), 400) != play(make(seed=6), 400)
    assert play(make(sticky=0.0), 400) == play(make(sticky=0.0, seed=6), 400)


def test_a_state_without_sticky_actions_is_as_it_was():
    assert "sticky" not in make(sticky=0.0).state_dict()


def line(emulator, state):
    before = emulator.state_dict()["sha256"]
    with pytest.raises(CheckpointError) as caught:
        emulator.load_state_dict(state)
    assert emulator.state_dict()["sha256"] == before
    return str(caught.value)


def test_what_is_refused():
    emulator = make()
    play(emulator, 30)
    state = emulator.state_dict()
    sticky = state["sticky"]
    bad = sticky["random"].copy()
    bad[624] = 625
    where = "environment.emulator.sticky"
    for value, expected in (
        (None, f"{where}: expected fields by name, got None"),
        ({"probability": 0.5}, f"{where}.probability: expected 0.25, got 0.5; "
                               "the state is of another game"),
        ({"probability": STICKY}, f"{where}.random: expected int64 [625], got nothing"),
        (sticky | {"random": bad},
         f"{where}.random: expected 624 words of 32 bits and a position of 0 to 624, got words "
         f"of {bad[:624].min()} to {bad[:624].max()} and position 625"),
    ):  # fmt: skip
        assert line(emulator, state | {"sticky": value}) == expected
    assert line(make(sticky=0.0), state) == (
        f"{where}.probability: expected 0.0, got 0.25; the state is of another game"
    )
    bad = sticky["random"].copy()
    bad[:624] = bad[:624][::-1]
    refused = line(emulator, state | {"sticky": sticky | {"random": bad}})
    assert refused.startswith("environment.emulator: expected 30 frames replayed to end at")
