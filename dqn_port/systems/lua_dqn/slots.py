"""The Protocols of the slots, and the records that they exchange.

Legend of shapes, here and in the slots: B transitions, H hist_len, D state_dim (84·84 = 7056 in
the Atari setting), A actions. Indices are 0-based.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dqn_port.randoms.torch import Generator
from dqn_port.torch7.values import TorchObject

if TYPE_CHECKING:
    # Only for types: commands without a network, such as roms, should not wait for PyTorch.
    import torch


class Screen(Protocol):
    """A pooled screen as the environment shows it. Lua: the tensor of GameScreen:grab."""

    def rgb(self) -> NDArray[np.float32]:
        """Return float32 [3, height, width], 0..1."""

    def luminance(self) -> NDArray[np.float32]:
        """Return Y = 0.299 R + 0.587 G + 0.114 B of ``rgb``: float32 [height, width], 0..1."""


State = tuple[Screen, float, bool]
"""(screen, reward, terminal), as returned by an environment's ``get_state`` and steps."""


@dataclass(frozen=True, kw_only=True)
class EnvironmentArgs:
    """What an environment is built from: its options, and the generator."""

    env: str
    game_path: str
    env_params: Mapping[str, Any]
    pool_frms: Mapping[str, Any]
    """type and size, every default filled in."""
    actrep: int
    random_starts: int
    generator: Generator


class GameEnvironment(Protocol):
    """A game to play. Lua: alewrap.GameEnvironment."""

    @property
    def actions(self) -> Sequence[int]:
        """The emulator's numbers of the actions that an agent may choose from."""

    def get_state(self) -> State:
        """Return the current (screen, reward, terminal)."""

    def step(self, action: int, *, training: bool = False) -> State:
        """Play ``action`` (an emulator's number) for up to actrep frames."""

    def new_game(self) -> State:
        """Play at random to the end of the game, then show the first frame of a new one."""

    def next_random_game(self) -> State:
        """Start a new game after a random number of null frames."""

    def state_dict(self) -> dict[str, Any]:
        """Return the exact state, without the generator's.

        It consists of dicts with str keys, None, bool, int below 2^53, float, str and NumPy arrays,
        all of them copies.
        """

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state_dict`` returned, of an environment of the same arguments.

        All of ``state`` is restored or, with a CheckpointError, nothing. It may be a stranger's.
        """


class Preproc(Protocol):
    """Turns a screen into the state that is stored."""

    @property
    def state_dim(self) -> int:
        """D, the size of a state."""

    def forward(self, rawstate: Screen | NDArray[Any]) -> NDArray[np.float32]:
        """Return float32 [D], 0..1."""

    def to_lua(self) -> TorchObject:
        """Return the object that Torch7 loads, for a snapshot."""


@dataclass(frozen=True, kw_only=True)
class LayerReport:
    """Mean and maximum of the absolute weights and gradients of one layer, without biases."""

    layer: str
    weight_norm: float
    weight_max: float
    grad_norm: float
    grad_max: float


class Network(Protocol):
    """Turns states into action values; all parameters are in one flat vector."""

    lua_class: str
    """Class of its snapshots, by which parts.py finds the reader."""
    w: torch.Tensor
    """float32 [n_params]: layer by layer, weight then bias."""
    dw: torch.Tensor
    """float32 [n_params]: the gradient that ``backward`` leaves."""

    def forward(self, s: torch.Tensor) -> torch.Tensor:
        """Return Q, float32 [B, A], without storing anything for a gradient.

        s: uint8 [B, H·D], 0..255, as in the replay memory, or float32, 0..1.
        """

    def forward_for_update(self, s: torch.Tensor) -> torch.Tensor:
        """Return Q as ``forward`` does and store what ``backward`` needs.

        That may include s itself, which must not change before ``backward``.
        """

    def backward(self, targets: torch.Tensor) -> None:
        """Set ``dw`` to the sum over the batch of targets · dQ/dw; targets: float32 [B, A]."""

    def clone(self) -> Network:
        """Return an independent copy."""

    def to(self, device: torch.device) -> Network:
        """Return a copy on ``device``."""

    def copy_from(self, other: Network) -> None:
        """Copy the parameters of ``other``."""

    def is_finite(self) -> bool:
        """Tell whether every parameter is a finite number."""

    def report(self) -> list[LayerReport]:
        """Return the norms of every layer with weights."""

    def to_lua(self) -> TorchObject:
        """Return the object that Torch7 loads, for a snapshot; its tensors may be our memory."""

    def description(self) -> str:
        """Return the layers as Torch7 prints them."""

    def flattened_size(self) -> int | None:
        """Return the number of features after the convolutions; None without convolutions."""


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """What a network is built from. Lua: the agent's fields read by ``create_network``."""

    n_actions: int
    hist_len: int
    ncols: int
    input_dims: tuple[int, ...]


@dataclass(frozen=True)
class Minibatch:
    """Transitions drawn from a replay: views of its buffer, valid until it is filled again."""

    s: torch.Tensor
    """uint8 [B, H·D], 0..255."""
    a: torch.Tensor
    """int64 [B], 0-based."""
    r: torch.Tensor
    """float32 [B], after clipping."""
    s2: torch.Tensor
    """uint8 [B, H·D], 0..255."""
    term: torch.Tensor
    """uint8 [B]: 1 where s2 is terminal."""


class Replay(Protocol):
    """A memory of transitions and of the last frames."""

    @property
    def num_entries(self) -> int:
        """The number of transitions held."""

    def add_recent_state(self, s: NDArray[np.uint8], *, term: bool) -> None:
        """Add a frame, uint8 [D], as the newest."""

    def get_recent(self) -> NDArray[np.uint8]:
        """Return the current full state, uint8 [H, D]."""

    def add(self, s: NDArray[np.uint8], a: int, r: float, *, term: bool) -> None:
        """Store a transition; ``term`` is the terminal flag of ``s`` itself."""

    def sample(self, batch_size: int) -> Minibatch:
        """Draw transitions."""

    def size(self) -> int:
        """Return the number of transitions. Lua: TransitionTable:size."""

    def to_lua(self, *, n_actions: int) -> TorchObject:
        """Return the object that Torch7 loads, for a snapshot: without the transitions."""

    added: int
    """The number of transitions ever stored; the n-th is at n modulo the ring's length."""

    @property
    def ring(self) -> Mapping[str, NDArray[Any]]:
        """The memory of the transitions, arrays of one length, for saving and restoring."""

    def state_dict(self) -> dict[str, Any]:
        """Return what else resuming needs."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state_dict`` returned."""


class Agent(Protocol):
    """Plays and learns. Lua: NeuralQLearner as train_agent uses it."""

    num_steps: int
    learn_start: int
    learn_from: int
    network: Network
    transitions: Replay
    generator: Generator
    v_avg: float | None
    tderr_avg: float | None
    q_max: float
    ep: float
    lr: float

    def perceive(
        self,
        reward: float,
        rawstate: Screen | NDArray[Any],
        terminal: bool,
        testing: bool = False,
        testing_ep: float | None = None,
    ) -> int | None:
        """Store what happened, learn, and return the next action's index; None at a terminal."""

    def compute_validation_statistics(self) -> None:
        """Set v_avg and tderr_avg from the held-out transitions."""

    def report(self) -> list[LayerReport]:
        """Return the norms of the network's layers."""

    def to_lua(self) -> TorchObject:
        """Return the object that Torch7 loads, for a snapshot; field ``network`` is its network."""

    def state_dict(self) -> dict[str, Any]:
        """Return what resuming needs, without the transitions and the generator."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state_dict`` returned."""
