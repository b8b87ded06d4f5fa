"""The agent of the Nature paper. Lua: NeuralQLearner.lua.

Legend: B minibatch_size, H hist_len, D state_dim, A actions. Actions are 0-based indices.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from dqn_port.errors import DivergedError
from dqn_port.fields import Fields
from dqn_port.randoms.torch import Generator
from dqn_port.systems.lua_dqn.options import param
from dqn_port.systems.lua_dqn.rmsprop import CentredRmsprop, add_scaled
from dqn_port.systems.lua_dqn.schedule import anneal_epsilon, anneal_lr
from dqn_port.systems.lua_dqn.slots import (
    LayerReport,
    Minibatch,
    Network,
    Preproc,
    Replay,
    Screen,
)
from dqn_port.systems.lua_dqn.state import state_of, take_state
from dqn_port.torch7.means import mean_all
from dqn_port.torch7.values import LuaTable, TorchObject

Q_MAX: Final = 1.0
"""Lua quirk: the Qmax printed after an evaluation is this constant
(tests/systems/lua_dqn/test_loop_traces.py).
"""

_VALIDATION_CHUNK: Final = 60
"""Held-out transitions evaluated at once, to save memory; a multiple of twelve, so that the sums
are those of one batch (native/products.py)."""


class NeuralQLearner:
    """Q-learning with a network, a replay memory and a target network.

    ``network`` gives the action values; ``transitions`` is the replay memory.
    """

    PARAMS = (
        param("lr", "number", 0.01, "learning rate at the start", low=0),
        param("lr_end", "number", None, "learning rate at the end", default_from="lr", low=0),
        param("lr_endt", "number", 1_000_000, "steps to reach lr_end", unit="agent steps", low=1),
        param("ep", "number", 1, "ε at the start", low=0, high=1),
        param("ep_end", "number", None, "ε at the end", default_from="ep", low=0, high=1),
        param("ep_endt", "number", 1_000_000, "steps to reach ep_end", unit="agent steps", low=1),
        param("wc", "number", 0, "L2 weight cost", low=0),
        param("minibatch_size", "integer", 1, "size of a minibatch", unit="transitions", low=1),
        param("valid_size", "integer", 500, "sample for V and TD", unit="transitions", low=1),
        param("discount", "number", 0.99, "discount of future rewards", unit="per step",
               low=0, high=1),
        param("update_freq", "integer", 1, "steps between learnings", unit="agent steps", low=1),
        param("n_replay", "integer", 1, "updates per learning", unit="minibatches", low=1),
        param("learn_start", "integer", 0, "steps before learning starts",
               unit="agent steps", low=0),
        param("replay_memory", "integer", 1_000_000, "size of the replay memory",
               unit="transitions", low=1),
        param("hist_len", "integer", 1, "frames in a state", unit="frames", low=1),
        param("rescale_r", "truth", None, "divide rewards by the largest seen; 0 is on too"),
        param("max_reward", "number", None, "larger rewards are clipped to this"),
        param("min_reward", "number", None, "smaller rewards are clipped to this"),
        param("clip_delta", "number", None, "clip TD errors to ± this; 0 zeroes all", low=0),
        param("target_q", "integer", None, "steps between copies to the target network; "
               "absent: none", unit="agent steps", low=0),
        param("ncols", "integer", 1, "channels in a frame", unit="colour channels", low=1),
        param("input_dims", "table", None, "shape of a state",
               default_is="{hist_len*ncols, 84, 84}"),
        param("state_dim", "integer", None, "numbers in a frame", low=1,
               default_is="the preproc's"),
        param("preproc", "string", None, "preprocessing of screens (required)"),
        param("network", "string", None, "network by name or file; option network wins"),
        param("transition_params", "table", None, "read and ignored, as in the original"),
        param("best", "truth", None, "take a file's best network rather than its last"),
    )  # fmt: skip

    def __init__(
        self,
        params: Mapping[str, Any],
        *,
        n_actions: int,
        network: Network,
        preproc: Preproc,
        transitions: Replay,
        generator: Generator,
        device: torch.device,
    ) -> None:
        """``params``: with every default filled in (setup.py), nil as None."""
        self.params = dict(params)
        self.n_actions = n_actions
        self.network, self.preproc, self.transitions = network, preproc, transitions
        self.generator, self.device = generator, device

        self.ep_start: float = params["ep"]
        self.ep: float = self.ep_start
        self.ep_end: float = params["ep_end"]
        self.ep_endt: float = params["ep_endt"]
        self.lr_start: float = params["lr"]
        self.lr: float = self.lr_start
        self.lr_end: float = params["lr_end"]
        self.lr_endt: float = params["lr_endt"]
        self.wc: float = params["wc"]
        self.minibatch_size: int = params["minibatch_size"]
        self.valid_size: int = params["valid_size"]
        self.discount: float = params["discount"]
        self.update_freq: int = params["update_freq"]
        self.n_replay: int = params["n_replay"]
        self.learn_start: int = params["learn_start"]
        # Lua quirk: 0 is true, so rescale_r = 0 turns it on (tests/systems/lua_dqn/test_quirks.py).
        self.rescale_r = params["rescale_r"] is not None and params["rescale_r"] is not False
        self.max_reward: float | None = params["max_reward"]
        self.min_reward: float | None = params["min_reward"]
        self.clip_delta: float | None = params["clip_delta"]
        self.target_q: int | None = params["target_q"]

        self.num_steps = 0
        self.learn_from = self.learn_start
        """Steps before learning begins: more where a run resumes without its replay."""
        self.r_max = 1.0
        self.bestq: float | None = None
        self.greedy = False
        """Whether the last action was chosen greedily."""
        self.last_state: NDArray[np.uint8] | None = None
        self.last_action: int | None = None
        self.last_terminal = False
        self.v_avg: float | None = None
        self.tderr_avg: float | None = None
        self.q_max = Q_MAX
        self.valid: Minibatch | None = None
        self.optimiser = CentredRmsprop(network.w)
        self.target_network: Network | None = network.clone() if self.target_q is not None else None

    def preprocess(self, rawstate: Screen | NDArray[Any]) -> NDArray[np.uint8]:
        """Return the state that is stored: uint8 [D].

        Lua quirk: the floats are truncated to bytes, not rounded
        (tests/systems/lua_dqn/test_image_scale.py).
        """
        state = self.preproc.forward(rawstate)
        return (state * np.float32(255)).astype(np.uint8)

    def clip_reward(self, reward: float) -> float:
        """Return a reward clipped to min_reward … max_reward."""
        if self.max_reward is not None:
            reward = min(reward, self.max_reward)
        if self.min_reward is not None:
            reward = max(reward, self.min_reward)
        return reward

    def perceive(
        self,
        reward: float,
        rawstate: Screen | NDArray[Any],
        terminal: bool,
        testing: bool = False,
        testing_ep: float | None = None,
    ) -> int | None:
        """Store what happened, learn, and return the next action's index; None at a terminal.

        ``reward`` came with ``rawstate``; with ``testing`` nothing is stored or learnt and ε is
        ``testing_ep``. Lua: NeuralQLearner.lua, perceive.

        Lua quirk: the last state is kept while testing, too, so that the first training step after
        an evaluation stores a transition from it; and the target network is copied at every step
        of an evaluation that begins when num_steps is 1 modulo target_q
        (tests/systems/lua_dqn/test_loop_traces.py).

        Raises:
            DivergedError: a TD error or an action value is not a finite number.
        """
        state = self.preprocess(rawstate)
        reward = self.clip_reward(reward)
        if self.rescale_r:
            self.r_max = max(self.r_max, reward)
        self.transitions.add_recent_state(state, term=terminal)
        if self.last_state is not None and not testing:
            assert self.last_action is not None
            self.transitions.add(self.last_state, self.last_action, reward, term=self.last_terminal)
        if self.num_steps == self.learn_start + 1 and not testing:
            self.sample_validation_data()

        action = 0 if terminal else self.e_greedy(testing_ep)
        if (
            self.num_steps > self.learn_from
            and not testing
            and self.num_steps % self.update_freq == 0
        ):
            for _ in range(self.n_replay):
                self.q_learn_minibatch()
        if not testing:
            self.num_steps += 1
        self.last_state, self.last_action, self.last_terminal = state, action, terminal
        if self.target_q and self.num_steps % self.target_q == 1:
            assert self.target_network is not None
            self.target_network.copy_from(self.network)
        return None if terminal else action

    def e_greedy(self, testing_ep: float | None = None) -> int:
        """Choose an action for the current state. Lua: eGreedy.

        Lua quirk: ``ep`` keeps the testing value until it is computed again
        (tests/systems/lua_dqn/test_loop_traces.py).
        """
        t = max(0, self.num_steps - self.learn_start)
        self.ep = (
            testing_ep
            if testing_ep is not None
            else anneal_epsilon(t, start=self.ep_start, end=self.ep_end, endt=self.ep_endt)
        )
        self.greedy = self.generator.uniform() >= self.ep
        if not self.greedy:
            return self.generator.random(1, self.n_actions) - 1
        return self.choose_greedily(self.transitions.get_recent())

    def choose_greedily(self, state: NDArray[np.uint8]) -> int:
        """Return the action of the highest value in the full state uint8 [H, D]. Lua: greedy.

        Lua quirk: a draw among the tied best is made even where one action is best
        (tests/systems/lua_dqn/test_loop_traces.py).
        """
        s = torch.from_numpy(state.reshape(1, -1)).to(self.device)
        q: list[float] = self.network.forward(s).reshape(-1).tolist()
        self.bestq = max(q)
        best = [a for a, value in enumerate(q) if value == self.bestq]
        if not all(map(math.isfinite, q)):
            raise DivergedError(
                f"network: expected finite action values, got {q} at step {self.num_steps}; "
                "lower lr"
            )
        return best[self.generator.random(1, len(best)) - 1]

    def get_q_update(
        self, batch: Minibatch, *, keep: bool = True
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return (targets float32 [B, A], delta float32 [B], q2_max float32 [B]).

        delta = r (÷ r_max) + (1 − term) · discount · max_a Q_target(s2, a) − Q(s, a), clipped;
        targets hold delta at the action taken and 0 elsewhere. ``keep``: store what ``backward``
        needs.
        Lua: getQUpdate.
        """
        r, a = batch.r.to(self.device), batch.a.to(self.device)[:, None]
        goes_on = 1 - batch.term.to(self.device).float()
        target_network = self.target_network or self.network
        q2_max = target_network.forward(batch.s2.to(self.device)).amax(dim=1)
        delta = r / self.r_max if self.rescale_r else r.clone()
        delta += q2_max * self.discount * goes_on
        value = self.network.forward_for_update if keep else self.network.forward
        q = value(batch.s.to(self.device))
        delta -= q.gather(1, a)[:, 0]
        if self.clip_delta is not None:
            delta.clamp_(-self.clip_delta, self.clip_delta)
        targets = torch.zeros_like(q).scatter_(1, a, delta[:, None])
        return targets, delta, q2_max

    def q_learn_minibatch(self) -> None:
        """Draw a minibatch and take one step of the optimiser. Lua: qLearnMinibatch.

        Lua quirk: the gradients of the minibatch are summed, not averaged
        (tests/systems/lua_dqn/test_update_traces.py).
        """
        assert self.transitions.size() > self.minibatch_size
        self.learn(self.transitions.sample(self.minibatch_size))

    def learn(self, batch: Minibatch) -> None:
        """Take one step of the optimiser on ``batch``."""
        targets, delta, _ = self.get_q_update(batch)
        # A GPU would have to be waited for at every update; the loop checks the weights instead.
        if self.device.type == "cpu" and not bool(torch.isfinite(delta).all()):
            raise DivergedError(
                f"network: expected finite TD errors, got {delta.tolist()[:4]}… at step "
                f"{self.num_steps}; lower lr"
            )
        self.network.backward(targets)
        if self.wc != 0:
            add_scaled(self.network.dw, self.network.w, -self.wc)
        t = max(0, self.num_steps - self.learn_start)
        self.lr = anneal_lr(t, start=self.lr_start, end=self.lr_end, endt=self.lr_endt)
        self.optimiser.step(self.network.w, self.network.dw, self.lr)

    def sample_validation_data(self) -> None:
        """Hold out valid_size transitions. Lua: sample_validation_data."""
        batch = self.transitions.sample(self.valid_size)
        self.valid = Minibatch(*(tensor.clone() for tensor in vars(batch).values()))

    def compute_validation_statistics(self) -> None:
        """Set v_avg and tderr_avg from the held-out transitions.

        v_avg = q_max · mean(q2_max), tderr_avg = mean |delta| after clipping.
        Lua: compute_validation_statistics.
        """
        assert self.valid is not None, "the validation sample is drawn when learning starts"
        values, errors = [], []
        for at in range(0, self.valid_size, _VALIDATION_CHUNK):
            part = slice(at, at + _VALIDATION_CHUNK)
            chunk = Minibatch(*(tensor[part] for tensor in vars(self.valid).values()))
            _, delta, q2_max = self.get_q_update(chunk, keep=False)
            values.append(q2_max)
            errors.append(delta.abs())
        self.v_avg = self.q_max * mean_all(torch.cat(values))
        self.tderr_avg = mean_all(torch.cat(errors))

    def report(self) -> list[LayerReport]:
        """Return the norms of the network's layers. Lua: report."""
        return self.network.report()

    def fields(self) -> dict[str, Any]:
        """Return the agent's fields of plain types, by their Lua names."""
        state = {
            "numSteps": self.num_steps,
            "n_actions": self.n_actions,
            "ep": self.ep,
            "ep_start": self.ep_start,
            "lr": self.lr,
            "lr_start": self.lr_start,
            "r_max": self.r_max,
            "v_avg": self.v_avg,
            "tderr_avg": self.tderr_avg,
            "q_max": self.q_max,
            "bestq": self.bestq,
            "lastAction": None if self.last_action is None else self.last_action + 1,
            "lastTerminal": self.last_terminal,
        }
        return self.params | {name: value for name, value in state.items() if value is not None}

    def to_lua(self) -> TorchObject:
        """Return the dqn.NeuralQLearner that Torch7 loads, without what train_agent leaves out.

        Lua quirk: Torch7 keeps the last state as floats, before it is truncated to bytes; here it
        is the bytes divided by 255 (tests/systems/lua_dqn/test_snapshot.py).
        """
        parts = {
            "network": self.network.to_lua(),
            "transitions": self.transitions.to_lua(n_actions=self.n_actions),
        }
        if hasattr(self.preproc, "to_lua"):
            parts["preproc"] = self.preproc.to_lua()
        if self.target_network is not None:
            parts["target_network"] = self.target_network.to_lua()
        fields: dict[str, Any] = self.fields() | getattr(self.network, "settings", {}) | parts
        if self.last_state is not None:
            fields["lastState"] = np.divide(self.last_state, 255, dtype=np.float32)
        return TorchObject("dqn.NeuralQLearner", LuaTable(fields.items()))

    def state_dict(self) -> dict[str, Any]:
        """Return what resuming needs, without the transitions and the generator."""
        return state_of(self)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what ``state_dict`` returned.

        Raises:
            CheckpointError: a field is missing or does not fit this agent.
        """
        take_state(self, Fields(state, "agent"))

    def __repr__(self) -> str:
        fields = "\n".join(f"  {name}: {value}" for name, value in sorted(self.fields().items()))
        return f"NeuralQLearner\n{fields}\nnetwork: {self.network.description()}"
