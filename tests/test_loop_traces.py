"""Whole runs of train_agent against the original's, every perceive call."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dqn_port.assemble import setup
from dqn_port.train import Training
from tests.golden_files import arrays, meta
from tests.trace_options import options_of_trace

DISCRETE = [
    "numSteps",
    "testing",
    "reward",
    "terminal",
    "ret",
    "lastAction",
    "greedy",
    "ndraw",
    "insertIndex",
    "numEntries",
    "state_bytesum",
    "recent_sum",
]


class Recorder:
    """Play a trace's run through Training and note what the trace notes."""

    def __init__(self, group):
        self.env, _, self.agent, self.opt = setup(options_of_trace(group))
        self.columns = {name: [] for name in (*DISCRETE, "bestq", "ep", "lr", "r_max")}
        self.sample_index, self.best, self.weights = [], [], {}
        self.q = []
        self._perceive, self.agent.perceive = self.agent.perceive, self.perceive
        table = self.agent.transitions
        self._fill_buffer, table.fill_buffer = table.fill_buffer, self.fill_buffer
        forward = self.agent.network.forward

        def noting(s):
            q = forward(s)
            if len(q) == 1:
                self.q.append((len(self.columns["ret"]) + 1, q[0].numpy().copy()))
            return q

        self.agent.network.forward = noting
        self.w_steps = set(arrays(group)["w_numSteps"].tolist())

    def fill_buffer(self):
        self._fill_buffer()
        self.sample_index += list(self.agent.transitions.last_indices + 1)

    def perceive(self, reward, rawstate, terminal, testing=False, testing_ep=None):
        agent, table = self.agent, self.agent.transitions
        before = agent.num_steps
        agent.greedy = False
        action = self._perceive(reward, rawstate, terminal, testing, testing_ep)
        row = {
            "numSteps": before,
            "testing": testing,
            "reward": reward,
            "terminal": terminal,
            "ret": 0 if action is None else action + 1,
            "lastAction": agent.last_action + 1,
            "greedy": agent.greedy,
            "ndraw": agent.generator.n_draws - agent.network.w.numel(),
            "insertIndex": 0
            if table.num_entries == 0
            else (table.insert_index - 1) % table.max_size + 1,
            "numEntries": table.num_entries,
            "state_bytesum": int(agent.last_state.sum()),
            "recent_sum": int(table.get_recent().sum()),
            "bestq": agent.bestq if agent.greedy else np.nan,
            "ep": agent.ep,
            "lr": agent.lr,
            "r_max": agent.r_max,
        }
        for name, value in row.items():
            self.columns[name].append(value)
        if not testing and agent.num_steps in self.w_steps:
            self.weights[agent.num_steps] = agent.network.w.detach().numpy().copy()
        return action

    def run(self):
        training = Training(self.env, self.agent, self.opt, save=lambda state: Path("unsaved"))
        best = None
        for _ in training.run():
            if training.state.best_network is not best:
                best = training.state.best_network
                self.best.append(
                    (len(self.columns["ret"]) + 1, self.agent.num_steps, best.w.detach().double())
                )
        return training.state


@pytest.mark.parametrize("group", ["loop_A_s1", "loop_B_s1", "loop_C_s1", "loop_breakout"])
def test_the_run_is_the_originals_in_every_call(group):
    expected = arrays(group)
    recorder = Recorder(group)
    state = recorder.run()
    got = {name: np.array(column) for name, column in recorder.columns.items()}
    assert len(got["ret"]) == meta(group)["ncalls"]
    for name in DISCRETE:
        column = expected[f"p_{name}"]
        if name == "recent_sum":
            # The original summed floats, byte / 255 each.
            column = np.rint(column * 255)
        np.testing.assert_array_equal(got[name], column, name)
    np.testing.assert_array_equal(got["ep"], expected["p_ep"])
    np.testing.assert_array_equal(got["lr"], expected["p_lr"])
    np.testing.assert_array_equal(got["r_max"], expected["p_r_max"])
    np.testing.assert_allclose(got["bestq"], expected["p_bestq"], atol=1e-4, rtol=0)
    np.testing.assert_array_equal(recorder.sample_index, expected["sample_index"])
    np.testing.assert_array_equal([call for call, _ in recorder.q], expected["q_call"])
    np.testing.assert_allclose([q for _, q in recorder.q], expected["q"], atol=1e-4, rtol=0)
    for k, num_steps in enumerate(expected["w_numSteps"].tolist()):
        np.testing.assert_allclose(
            recorder.weights[num_steps], expected["w"][k], atol=1e-5, rtol=0, err_msg=str(num_steps)
        )
    agent = recorder.agent
    for name, vector in (
        ("g", agent.optimiser.g),
        ("g2", agent.optimiser.g2),
        ("dw", agent.network.dw),
    ):
        np.testing.assert_allclose(vector, expected[f"final_{name}"].reshape(-1), atol=1e-5, rtol=0)

    changes = meta(group)["best_network_changes"]
    assert [(c["call"], c["numSteps"]) for c in changes] == [best[:2] for best in recorder.best]
    for change, (_, _, w) in zip(changes, recorder.best, strict=True):
        assert abs(w.sum().item() - float(change["sum"])) < 1e-2
        assert abs((w * w).sum().item() - float(change["ss"])) < 1e-3

    histories = state.histories
    for name in ("reward_history", "reward_counts", "episode_counts", "qmax_history"):
        np.testing.assert_array_equal(getattr(histories, name), expected[f"h_{name}"].reshape(-1))
    for name in ("v_history", "td_history"):
        np.testing.assert_allclose(
            getattr(histories, name), expected[f"h_{name}"].reshape(-1), atol=1e-6, rtol=0
        )
