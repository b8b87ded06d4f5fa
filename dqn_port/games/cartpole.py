"""CartPole as gym 0.17.2 had it: float64 states, no time limit, and its seeding."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from dqn_port.fields import Fields

_GRAVITY: Final = 9.8
_MASS_OF_POLE: Final = 0.1
_TOTAL_MASS: Final = _MASS_OF_POLE + 1.0
_HALF_LENGTH: Final = 0.5
_POLE_MASS_LENGTH: Final = _MASS_OF_POLE * _HALF_LENGTH
_FORCE: Final = 10.0
_TAU: Final = 0.02
"""Seconds between two steps."""
_MOST_X: Final = 2.4
_MOST_ANGLE: Final = 12 * 2 * math.pi / 360


def gym_generator(seed: int) -> np.random.RandomState:
    """Return NumPy's legacy generator, seeded with SHA-512 of the decimal seed as gym 0.17.2 did.

    gym: utils/seeding.py, np_random
    """
    digest = hashlib.sha512(str(seed).encode()).digest()
    number = int.from_bytes(digest[:8], "little")
    words = []
    while number:
        number, word = divmod(number, 2**32)
        words.append(word)
    return np.random.RandomState(words)


class CartPole(gymnasium.Env[Any, Any]):
    """A pole on a cart, pushed left (0) or right (1); 1 for every step until one is out of bounds.

    gym: envs/classic_control/cartpole.py

    States: float64 [4], position, velocity, angle (radians) and angular velocity. Every one is a
    new array.
    """

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012  # gymnasium's own declaration

    def __init__(self) -> None:
        self.action_space = gymnasium.spaces.Discrete(2)
        high = np.array([2 * _MOST_X, np.inf, 2 * _MOST_ANGLE, np.inf])
        self.observation_space = gymnasium.spaces.Box(-high, high, dtype=np.float64)
        self._generator = np.random.RandomState()
        self._state = np.zeros(4)
        self._out = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float64], dict[str, Any]]:
        """Stand near the middle again; without a seed by the generator's next four draws."""
        del options
        if seed is not None:
            self._generator = gym_generator(seed)
        self._state = self._generator.uniform(-0.05, 0.05, size=4)
        self._out = False
        return self._state, {}

    def step(self, action: int) -> tuple[NDArray[np.float64], float, bool, bool, dict[str, Any]]:
        """Push for 0.02 seconds. A pole that is down goes on falling, for no reward."""
        x, x_dot, theta, theta_dot = self._state.tolist()
        force = _FORCE if action == 1 else -_FORCE
        cos, sin = math.cos(theta), math.sin(theta)
        temp = (force + _POLE_MASS_LENGTH * theta_dot**2 * sin) / _TOTAL_MASS
        theta_acc = (_GRAVITY * sin - cos * temp) / (
            _HALF_LENGTH * (4.0 / 3.0 - _MASS_OF_POLE * cos**2 / _TOTAL_MASS)
        )
        x_acc = temp - _POLE_MASS_LENGTH * theta_acc * cos / _TOTAL_MASS
        x, x_dot = x + _TAU * x_dot, x_dot + _TAU * x_acc
        theta, theta_dot = theta + _TAU * theta_dot, theta_dot + _TAU * theta_acc
        self._state = np.array([x, x_dot, theta, theta_dot])
        reward = 0.0 if self._out else 1.0
        self._out = not (-_MOST_X <= x <= _MOST_X and -_MOST_ANGLE <= theta <= _MOST_ANGLE)
        return self._state, reward, self._out, False, {}

    def render(self) -> NDArray[np.uint8]:
        """Return a picture: uint8 [200, 300, 3]."""
        picture = Image.new("RGB", (300, 200), "white")
        draw = ImageDraw.Draw(picture)
        x, _, theta, _ = self._state.tolist()
        centre, axle = 150 * (1 + x / _MOST_X), 140.0
        draw.line((0, 150, 300, 150), fill="black")
        draw.rectangle((centre - 15, axle - 10, centre + 15, axle + 10), fill="black")
        tip = (centre + 60 * math.sin(theta), axle - 60 * math.cos(theta))
        draw.line((centre, axle, *tip), fill=(202, 152, 101), width=6)
        draw.ellipse((centre - 3, axle - 3, centre + 3, axle + 3), fill=(129, 132, 203))
        return np.asarray(picture)

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state."""
        state = self._generator.get_state(legacy=False)["state"]
        return {"state": self._state, "out": self._out, "key": state["key"], "pos": state["pos"]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state, all of it or nothing.

        Raises:
            CheckpointError: a field is missing or damaged.
        """
        fields = Fields(state, "environment.CartPole")
        values = fields.array("state", self._state).copy()
        out = fields.boolean("out")
        key = fields.array("key", np.empty(624, dtype=np.uint32))
        pos = fields.integer("pos", low=0, high=624)
        self._generator.set_state(("MT19937", key, pos, 0, 0.0))
        self._state, self._out = values, out
