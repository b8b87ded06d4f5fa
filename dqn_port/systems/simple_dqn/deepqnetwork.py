"""The network, its target, and one step of learning.

simple_dqn: deepqnetwork.py.

Legend: B minibatch, H history_length, A actions; q = Q(pre-state); t its targets; δ = q − t.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from dqn_port.convolutions import convolutions_in
from dqn_port.errors import DivergedError, SnapshotError
from dqn_port.fields import Fields
from dqn_port.interfaces import Convolution
from dqn_port.systems.simple_dqn.layers import Network
from dqn_port.systems.simple_dqn.optimizers import optimizer_of
from dqn_port.systems.simple_dqn.passes import NeonPasses, input_of, passes_of
from dqn_port.systems.simple_dqn.replay_memory import Minibatch

Array = NDArray[Any]

DTYPES: Final = {"float32": torch.float32, "float64": torch.float64}


class DeepQNetwork:
    """Predicts and learns Q-values."""

    def __init__(
        self,
        options: Mapping[str, Any],
        n_actions: int,
        *,
        device: torch.device = torch.device("cpu"),  # noqa: B008
    ) -> None:
        """Draw the weights, then the target's, both by option random_seed.

        Quirk: the target is another network until it is copied for the first time
        (tests/systems/simple_dqn/test_quirks.py).
        """
        self.n_actions, self.device = n_actions, device
        self.batch_size: int = options["batch_size"]
        self._discount_rate: float = options["discount_rate"]
        self._min_reward, self._max_reward = options["min_reward"], options["max_reward"]
        self._clip_error: float = options["clip_error"]
        self._dtype = DTYPES[options["datatype"]]
        self.optimizer = optimizer_of(
            options["optimizer"],
            learning_rate=options["learning_rate"],
            decay_rate=options["decay_rate"],
            counts_updates=options["neon"] == "2.6",
        )
        random = np.random.RandomState(options["random_seed"])
        self.model = Network(
            history_length=options["history_length"],
            screen_height=options["screen_height"],
            screen_width=options["screen_width"],
            n_actions=n_actions,
            batch_norm=options["batch_norm"],
            dtype=self._dtype,
        )
        self.target_model = self.model
        self.model.draw_weights(random)
        if options["target_steps"]:
            self.target_model = copy.deepcopy(self.model)
            self.target_model.draw_weights(random)
        self.model.to(device).eval()
        self.target_model.to(device).eval()
        self._passes = passes_of(self.model, device, self.batch_size)
        self._target_passes = passes_of(self.target_model, device, self.batch_size)
        self.rng_state: tuple[Any, ...] = random.get_state(legacy=True)  # type: ignore[assignment]
        """Neon's generator; nothing more is drawn from it."""
        self.states: dict[str, list[torch.Tensor]] = {
            name: [torch.zeros_like(w) for _ in range(self.optimizer.n_states)]
            for name, w in self._learnt().items()
        }
        """The optimiser's state, by the tensor's name."""
        self.train_iterations = 0
        self.last_target_q: Array = np.empty(0)
        """Of the last update: the target's Q of the post-states, [B, A]."""
        self.last_deltas: Array = np.empty(0)
        """Of the last update: δ after clipping, [B, A]."""

    @property
    def is_exact(self) -> bool:
        """Whether every float32 of it is the one that Neon's CPU backend made."""
        return isinstance(self._passes, NeonPasses)

    def _learnt(self) -> dict[str, torch.Tensor]:
        return {
            f"{layer.name}.{name}": layer.params[name]
            for layer in self.model.tensors()
            for name in layer.learnt
        }

    def predict(self, states: NDArray[np.uint8]) -> Array:
        """Return Q of states, uint8 [n, H, h, w]: [n, A] in the network's datatype.

        The original predicts B rows, whatever is asked for; each row is what it is alone.
        """
        return self._passes.predict(states)

    def convolutions_of(self, state: NDArray[np.uint8]) -> list[Convolution]:
        """Return the convolutions, and what they make of a state, uint8 [H, h, w]."""
        return convolutions_in(
            self.model.convolutional(), input_of(state[None], next(self.model.parameters()))
        )

    def clipped(self, rewards: Any) -> Any:
        """Return rewards as used in training: clipped to min_reward … max_reward."""
        return np.clip(rewards, self._min_reward, self._max_reward)

    def update_target_network(self) -> None:
        """Copy the network to its target; does nothing without a target network."""
        if self.target_model is not self.model:
            self.target_model.load_state_dict(self.model.state_dict())

    def train(self, minibatch: Minibatch, epoch: int) -> float:
        """Learn from a minibatch and return its cost.

        Raises:
            DivergedError: the cost is no longer finite.
        """
        target_q = self._target_passes.predict(minibatch.poststates)
        before = self._passes.learn(minibatch.prestates)
        targets = before.copy()
        rewards = self.clipped(minibatch.rewards)
        future = self._discount_rate * target_q.max(axis=1).astype(np.float64)
        rows = np.arange(len(before))
        targets[rows, minibatch.actions] = rewards + np.where(minibatch.terminals, 0.0, future)
        with np.errstate(invalid="ignore"):
            deltas = before - targets
        # The cost is that of the errors before they are clipped.
        cost = float(np.mean(np.sum(np.square(deltas), axis=1) * before.dtype.type(0.5)))
        if not math.isfinite(cost):
            raise DivergedError(
                f"network: expected finite Q-values, got a cost of {cost} at update "
                f"{self.train_iterations + 1}; lower learning_rate or set clip_error"
            )
        if self._clip_error:
            np.clip(deltas, -self._clip_error, self._clip_error, out=deltas)
        gradients = self._passes.gradients(deltas)
        self.train_iterations += 1
        with torch.no_grad():
            for (name, w), g in zip(self._learnt().items(), gradients, strict=True):
                self.optimizer.optimize(
                    w,
                    g,
                    self.states[name],
                    batch_size=self.batch_size,
                    epoch=epoch,
                    updates=self.train_iterations,
                )
        self.last_target_q, self.last_deltas = target_q, deltas
        return cost

    # Saving and loading weights.

    def weights(self) -> dict[str, Array]:
        """Return the network's tensors and the optimiser's states by name: the very memory."""
        arrays = {name: _array(tensor) for name, tensor in self._named(self.model).items()}
        for name, states in self.states.items():
            arrays |= {f"{name}.state{i}": _array(state) for i, state in enumerate(states)}
        return arrays

    def load_weights(self, weights: Mapping[str, Array]) -> None:
        """Load the result of ``weights``, all or nothing; states may be absent or another
        optimiser's, and are zero then.

        The target remains a different network until it is copied.

        Raises:
            SnapshotError: a tensor is missing or of another shape.
        """
        own = self.weights()
        for name, array in own.items():
            given = weights.get(name)
            if given is None and ".state" in name:
                continue
            if given is None or given.shape != array.shape:
                got = "nothing" if given is None else f"shape {list(given.shape)}"
                raise SnapshotError(
                    f"{name}: expected shape {list(array.shape)}, got {got}; the network is of "
                    "other options: screen size, history_length, batch_norm or another game"
                )
        with torch.no_grad():
            for name, tensor in self._named(self.model).items():
                tensor.copy_(torch.from_numpy(np.asarray(weights[name])))
            for name, states in self.states.items():
                *there, more = (weights.get(f"{name}.state{i}") for i in range(len(states) + 1))
                # What another optimiser kept means something else.
                other = more is not None or any(values is None for values in there)
                for state, values in zip(states, there, strict=True):
                    if other or values is None:
                        state.zero_()
                    else:
                        state.copy_(torch.from_numpy(np.asarray(values)))

    @staticmethod
    def _named(model: Network) -> dict[str, torch.Tensor]:
        return {
            f"{layer.name}.{name}": tensor
            for layer in model.tensors()
            for name, tensor in layer.params.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """Return everything that changes."""
        state: dict[str, Any] = {
            "train_iterations": self.train_iterations,
            "weights": self.weights(),
        }
        if self.target_model is not self.model:
            named = self._named(self.target_model)
            state["target"] = {name: _array(tensor) for name, tensor in named.items()}
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load the result of ``state_dict``, all or nothing.

        Raises:
            CheckpointError: it does not fit.
        """
        fields = Fields(state, "network")
        iterations = fields.integer("train_iterations", low=0)
        inner = fields.inner("weights")
        weights = {name: inner.array(name, array) for name, array in self.weights().items()}
        target: dict[str, Array] = {}
        if self.target_model is not self.model:
            inner = fields.inner("target")
            named = self._named(self.target_model)
            target = {name: inner.array(name, _array(tensor)) for name, tensor in named.items()}
        self.load_weights(weights)
        with torch.no_grad():
            for name, array in target.items():
                self._named(self.target_model)[name].copy_(torch.from_numpy(array))
        self.train_iterations = iterations


def _array(tensor: torch.Tensor) -> Array:
    array: Array = tensor.detach().cpu().numpy()
    return array
