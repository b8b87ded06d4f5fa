"""Make the parts of a training or a test from its options."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from dqn_port.arguments.trust import require_trust
from dqn_port.errors import UsageError
from dqn_port.external import import_object, place_of
from dqn_port.saved_networks import SavedNetwork
from dqn_port.systems.hvass16.agent import Agent, Learning, Network
from dqn_port.systems.hvass16.environment import AtariEnvironment, Environment, game_of
from dqn_port.systems.hvass16.epsilon_greedy import EpsilonGreedy
from dqn_port.systems.hvass16.linear_control_signal import LinearControlSignal
from dqn_port.systems.hvass16.logs import Append, LogQValues, LogReward
from dqn_port.systems.hvass16.neural_network import Layers, NeuralNetwork
from dqn_port.systems.hvass16.preprocessing import pre_process_image
from dqn_port.systems.hvass16.replay_memory import ReplayMemory
from dqn_port.systems.hvass16.replayed_environment import ReplayedEnvironment

Options = Mapping[str, Any]

GAME, WEIGHTS, TEST = 1, 2, 3
"""Streams of random numbers in addition to the agent's own: seeded by (seed, stream, …)."""
CHANNELS: Final = 2
"""Of a state: the image, and the trace."""


def state_shape(options: Options) -> tuple[int, int, int]:
    """Return height, width and channels of a state."""
    return options["state_height"], options["state_width"], CHANNELS


def make_environment(options: Options, seed: Sequence[int]) -> Environment:
    """Return the game of the options; ``seed``: of its own draws.

    Raises:
        RomError, UsageError: there is none.
    """
    game = game_of(options["env"])
    if ":" in game.name:
        return _own_environment(game.name, seed)
    return AtariEnvironment(
        game.name,
        seed=seed,
        game_path=options["game_path"],
        frame_skip=options["frame_skip"],
        in_turn=options["frame_skip_in_turn"],
        sticky=game.sticky if options["sticky"] is None else options["sticky"],
        max_steps=game.max_steps if options["max_steps"] is None else options["max_steps"],
    )


def _own_environment(name: str, seed: Sequence[int]) -> Environment:
    """Return what an external ``module:object`` returns for a seed.

    Raises:
        UsageError: the user did not trust it, or there is no such object.
    """
    require_trust("env", name)
    make = import_object("env", name)
    number = int(np.random.RandomState(list(seed)).randint(2**31 - 1))
    if not callable(make):
        raise UsageError(f"env={name}: expected what makes an environment, got {make!r:.60}")
    environment: Environment = make(number)
    needed = ("action_names", "reset", "step", "lives")
    if missing := [n for n in needed if not hasattr(environment, n)]:
        raise UsageError(
            f"env={name}: expected an environment with {', '.join(needed)}, got a "
            f"{type(environment).__name__} without {', '.join(missing)} ({place_of(name)})"
        )
    has_state = hasattr(environment, "state_dict")
    return environment if has_state else ReplayedEnvironment(make, number)


def make_network(options: Options, num_actions: int, device: str = "cpu") -> NeuralNetwork:
    """Return a network without values."""
    layers = layers_of(options)
    return NeuralNetwork(num_actions, state_shape(options), layers=layers, device=device)


def layers_of(options: Options) -> Layers:
    """Return the numbers of a run's network."""
    return Layers(
        filters=tuple(options["filters"]),
        strides=tuple(options["strides"]),
        kernel_size=options["kernel_size"],
        dense=tuple(options["dense"]),
        init_stddev=options["init_stddev"],
        rmsprop_decay=options["rmsprop_decay"],
        rmsprop_epsilon=options["rmsprop_epsilon"],
    )


def signal(options: Options, name: str) -> LinearControlSignal:
    """Return a control signal by its name."""
    start, end, over = (
        float(options[f"{name}_{what}"]) for what in ("start_value", "end_value", "num_iterations")
    )
    return LinearControlSignal(start, end, over)


def make_agent(
    options: Options,
    env: Environment,
    network: Network,
    generator: np.random.RandomState,
    *,
    append: Append | None,
    epsilon_testing: float | None = None,
) -> Agent:
    """Return an agent that trains; without ``append``, which writes its logs, one that tests."""
    num_actions = len(env.action_names)
    learning = None
    if append is not None:
        learning = Learning(
            replay_memory=ReplayMemory(
                options["replay_size"],
                num_actions,
                generator,
                state_shape=state_shape(options),
                discount_factor=options["discount_factor"],
                error_threshold=options["error_threshold"],
                as_original=options["as_original"],
            ),
            learning_rate_control=signal(options, "learning_rate"),
            loss_limit_control=signal(options, "loss_limit"),
            max_epochs_control=signal(options, "max_epochs"),
            replay_fraction=signal(options, "replay_fraction"),
            log_reward=LogReward(append),
            log_q_values=LogQValues(append),
            batch_size=options["batch_size"],
            min_epochs=options["min_epochs"],
        )
    testing = options["epsilon_testing"] if epsilon_testing is None else epsilon_testing
    return Agent(
        env,
        network,
        EpsilonGreedy(signal(options, "epsilon"), num_actions, generator, epsilon_testing=testing),
        functools.partial(
            pre_process_image,
            revision=options["preprocessing"],
            height=options["state_height"],
            width=options["state_width"],
        ),
        learning=learning,
        decay=options["motion_decay"],
        threshold=options["motion_threshold"],
        mean_of=options["mean_of"],
        as_original=options["as_original"],
    )


def count_in(network: SavedNetwork, name: str) -> int:
    """Return a counter that a saved network holds; 0 where it holds none."""
    value: Any = network.weights.get(name)
    whole = isinstance(value, np.ndarray) and value.dtype.kind in "iu" and value.size == 1
    return max(int(value.item()), 0) if whole else 0
