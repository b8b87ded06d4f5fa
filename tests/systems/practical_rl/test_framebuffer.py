"""The last frames at once."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from dqn_port.systems.practical_rl.framebuffer import FrameBuffer


class Frames(gymnasium.Env):
    """Frames of one value: 10, 11, 12 …"""

    def __init__(self, dtype):
        self.action_space = gymnasium.spaces.Discrete(2)
        self.observation_space = gymnasium.spaces.Box(0, 255, (1, 2, 2), dtype)
        self.value, self.dtype = 9, dtype

    def seen(self):
        self.value += 1
        return np.full((1, 2, 2), self.value, dtype=self.dtype)

    def reset(self, **_):
        return self.seen(), {}

    def step(self, action):
        return self.seen(), 0.0, False, False, {}


def test_the_newest_frame_comes_first_before_zeros():
    env = FrameBuffer(Frames(np.float32), 3, "pytorch")
    assert env.reset()[0][:, 0, 0].tolist() == [10, 0, 0]
    assert env.step(0)[0][:, 0, 0].tolist() == [11, 10, 0]
    assert env.reset()[0][:, 0, 0].tolist() == [12, 0, 0]


@pytest.mark.parametrize(
    ("frames", "states"),
    [(np.uint8, np.float32), (np.float32, np.float32), (np.float64, np.float64)],
)
def test_states_are_floats_whatever_the_frames_are(frames, states):
    env = FrameBuffer(Frames(frames), 3, "pytorch")
    first = env.reset()[0]
    assert first.dtype == states == env.observation_space.dtype
    assert first.max() == 10


def test_oldest_first_is_gymnasiums_stack():
    ours = FrameBuffer(Frames(np.uint8), 4, "pytorch", oldest_first=True)
    theirs = gymnasium.wrappers.FrameStackObservation(Frames(np.uint8), 4)
    pairs = [(ours.reset()[0], theirs.reset()[0])]
    pairs += [(ours.step(0)[0], theirs.step(0)[0]) for _ in range(5)]
    for one, other in pairs:
        assert np.array_equal(one, other[:, 0])
        assert one.dtype == other.dtype == np.uint8


def test_another_order_is_no_order():
    with pytest.raises(
        ValueError, match=r"^dim_order: expected pytorch or tensorflow, got 'last'$"
    ):
        FrameBuffer(Frames(np.uint8), 4, "last")
