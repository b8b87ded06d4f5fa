"""Whole runs of the original's agent: every state, burst, batch, loss, line and log."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.errors import ReplayError
from dqn_port.events import Event, Row
from dqn_port.systems.hvass16.agent import Agent
from dqn_port.systems.hvass16.environment import AtariEnvironment, Frame
from dqn_port.systems.hvass16.generators import random_state_dict
from dqn_port.systems.hvass16.happenings import BurstBegun, Updated
from dqn_port.systems.hvass16.lines import lines_of, progress
from dqn_port.systems.hvass16.logs import LogReward
from dqn_port.systems.hvass16.neural_network import NeuralNetwork
from dqn_port.systems.hvass16.options import OPTIONS
from dqn_port.systems.hvass16.setup import make_agent
from dqn_port.systems.hvass16.traces.formulas import ScriptedNetwork, probes, sums, tensors
from dqn_port.verify.comparing import Comparer
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

_SIGNALS: Final = {
    "frac": "replay_fraction", "eps": "epsilon", "lr": "learning_rate", "limit": "loss_limit",
    "epochs": "max_epochs",
}  # fmt: skip
"""A plan's name of a control signal → ours."""
_FLAGS: Final = ("greedy", "end_life", "end_episode")
_RESTORED_RUN: Final = 2
_TESTED: Final = 3
_Q: Final = 1e-6
"""How far a real network's Q-values may be off; the smallest gap between two is 0.005."""
_Q_SWEPT: Final = 5e-5
"""The same of values that up to 300 states' sweep has added up, with γ 0.97."""
_WEIGHT: Final = 1e-6


def replay(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Play the trace's course again."""
    played = Course(trace, replaying)
    played.play()
    if played.scripted:
        _compare_scripted(trace, compare, played)
    else:
        _compare_real(trace, compare, played)
    for i, burst in enumerate(played.bursts):
        floats = (0.0, 0.0) if played.scripted else (_Q_SWEPT, _Q)
        compare.array(f"burst{i}_q_values", burst["q_values"], tolerance=floats[0])
        compare.array(f"burst{i}_errors", burst["errors"], tolerance=floats[0])
        compare.array(f"burst{i}_losses", np.array(burst["losses"]), tolerance=floats[1] * 10)
        compare.array(f"burst{i}_batches", np.array(burst["batches"]).reshape(-1, played.batch))
    n, bursts = len(played.columns["states"]), len(played.bursts)
    compare.what = f"{n:,} states of {played.plan['game']}, {bursts} bursts"


def _compare_scripted(trace: Trace, compare: Comparer, played: Course) -> None:
    for name, values in played.columns.items():
        compare.array(name, np.array(values), where=_state)
    for name, values in played.network.arrays().items():
        compare.array(f"final_{name}", values)
    compare.value("raised", trace.meta.get("raised"), played.raised)
    compare.value("replay_asked_by_agent", trace.meta.get("replay_asked_by_agent"), _ASKED)
    expected = trace.key("events", list)
    compare.value("number of events", len(expected), len(played.events))
    for at, (told, got) in enumerate(zip(expected, played.events, strict=False)):
        compare.value("events", told, got, f"event {at}")
    if "log_read" in trace.meta:
        compare.value("log_read", trace.meta["log_read"], played.log_read())


def _compare_real(trace: Trace, compare: Comparer, played: Course) -> None:
    columns = played.columns
    q = np.array(columns.pop("q_values"))
    compare.array("q_values", q, tolerance=_Q, where=_state)
    gaps = np.sort(q, axis=1)
    compare.array("q_gap", gaps[:, -1] - gaps[:, -2], tolerance=2 * _Q, where=_state)
    for name in ("states", "episodes", "action", "epsilon", "reward", "end_life", "end_episode",
                 "num_used", "state8"):  # fmt: skip
        compare.array(name, np.array(columns[name]), where=_state)
    expected = trace.key("events", list)
    told = [event for event in played.events if event["event"] in _REAL_EVENTS]
    compare.value("number of events", len(expected), len(told))
    for at, (event, got) in enumerate(zip(expected, told, strict=False)):
        compare.value("events", event, {key: got.get(key) for key in event}, f"event {at}")
    for i, burst in enumerate(played.bursts):
        compare.array(f"burst{i}_w_probes", burst["w_probes"], tolerance=_WEIGHT)
        sums = burst["w_stats"]
        compare.array(f"burst{i}_w_stats", sums, tolerance=1e-4 * (1 + np.abs(sums)), sums=True)
    gap = float((gaps[:, -1] - gaps[:, -2]).min())
    compare.number("smallest_q_gap", trace.meta["smallest_q_gap"], gap, tolerance=2 * _Q)
    name = "smallest_distance_of_an_error_to_threshold"
    nearest = min(float(np.abs(burst["errors"] - 0.1).min()) for burst in played.bursts)
    compare.number(name, trace.meta[name], nearest, tolerance=_Q_SWEPT)
    files = [f"checkpoint-{event['states']}.{ending}" for event in told
             if event["event"] == "optimized"
             for ending in ("data-00000-of-00001", "index", "meta")]  # fmt: skip
    logs = sorted({name for name, text in played.logs.items() if text})
    compare.value("checkpoint_files", trace.meta.get("checkpoint_files"),
                  ["checkpoint", *files, *logs])  # fmt: skip


_ASKED: Final = next(p.default for p in OPTIONS if p.name == "replay_size")
_REAL_EVENTS: Final = ("optimized", "end of first run", "restored")


def _state(index: tuple[int, ...]) -> str:
    return f"state {index[0] + 1:,}"


class _TraceEnvironment(AtariEnvironment):
    """The traces' game: 2, 3, 4 frames in turn, without random draws, optionally without
    rewards."""

    def __init__(self, plan: Mapping[str, Any], course: Course) -> None:
        super().__init__(plan["game"], seed=(0,), in_turn=True)
        self._course, self._no_reward = course, plan.get("no_reward", False)

    def reset(self) -> Frame:
        """Start a new game, and note it."""
        frame = super().reset()
        self._course.note("reset", lives=self.lives())
        return frame

    def step(self, action: int, shown: list[Frame] | None = None) -> tuple[Frame, float, bool]:
        """Play an action."""
        frame, reward, done = super().step(action, shown)
        return frame, 0.0 if self._no_reward else reward, done


class Course:
    """A trace's runs, one after another, with one game and one generator."""

    def __init__(self, trace: Trace, replaying: Replaying) -> None:
        """Raises: TraceError, where the plan is none."""
        self.plan = plan = trace.key("plan", dict)
        self.scripted = plan["network"] == "scripted"
        self._replaying, self._total = replaying, len(trace.arrays.get("states", ()))
        self.options = {param.name: param.default for param in OPTIONS}
        for short, name in _SIGNALS.items():
            for what, value in zip(
                ("start_value", "end_value", "num_iterations"), plan[short], strict=True
            ):
                self.options[f"{name}_{what}"] = value
        height, width, _ = plan["state"]
        self.options |= {
            "env": plan["game"],
            "replay_size": plan["size"],
            "state_height": height,
            "state_width": width,
            "as_original": True,
        }
        self.batch: int = self.options["batch_size"]
        self.generator = np.random.RandomState(plan["seed"])
        self.columns: dict[str, list[Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.bursts: list[dict[str, Any]] = []
        self.logs = {"log_q_values.txt": "", "log_reward.txt": ""}
        self.stdout = ""
        self.raised: str | None = None
        self.agent: Agent | None = None
        self._rewards: list[list[Any]] = []
        self._checkpoint: tuple[dict[str, Any], int, int] = ({}, 0, 0)
        self.env = _TraceEnvironment(plan, self)
        self.network = self._new_network()

    def _new_network(self) -> Any:
        actions, salt = len(self.env.action_names), self.plan["salt"]
        if self.scripted:
            return ScriptedNetwork(salt, actions, self.plan.get("scale", 1.0))
        device = str(self._replaying.device)
        network = NeuralNetwork(actions, tuple(self.plan["state"]), device=device)
        network.load_arrays(tensors(network, salt), "weights by formula")
        return network

    def note(self, event: str, **more: Any) -> None:
        """Record an event at the agent's present state."""
        agent = self.agent
        counts = (0, 0) if agent is None else (agent.count_states, agent.count_episodes)
        self.events.append({"event": event, "states": counts[0], "episodes": counts[1]} | more)

    def _print(self, text: str) -> None:
        self.stdout += f"{text}\n"

    def _append(self, name: str, text: str) -> None:
        self.logs[name] += text

    def _make_agent(self) -> Agent:
        self.note("replay_made", size_asked=_ASKED)
        agent = make_agent(
            self.options, self.env, self.network, self.generator, append=self._append
        )
        assert agent.learning is not None
        memory = agent.learning.replay_memory
        draw = memory.random_indices

        def random_indices() -> NDArray[np.int64]:
            indices = draw()
            self.bursts[-1]["batches"].append(indices)
            return indices

        memory.random_indices = random_indices  # type: ignore[method-assign]
        play_state, add = agent.play_state, memory.add

        def played(*args: Any, **kwargs: Any) -> None:
            play_state(*args, **kwargs)
            self._note_state(agent)

        def added(*args: Any) -> None:
            add(*args)
            self.columns["num_used"][-1] = memory.num_used

        agent.play_state = played  # type: ignore[method-assign]
        memory.add = added  # type: ignore[method-assign, assignment]
        return agent

    def _note_state(self, agent: Agent) -> None:
        training = agent.training
        digest = hashlib.sha256(agent.state.tobytes()).digest()[:8]
        row: dict[str, Any] = {
            "states": agent.count_states,
            "episodes": agent.count_episodes,
            "action": agent.action,
            "greedy": int(agent.action == np.argmax(agent.q_values)),
            "epsilon": agent.epsilon,
            "reward": agent.reward,
            "end_life": int(agent.end_life) if training else -1,
            "end_episode": int(agent.end_episode),
            "lives": agent.num_lives,
            "num_used": -1,
            "rng_pos": random_state_dict(self.generator)["pos"],
            "state8": np.uint64(int.from_bytes(digest, "big") if training else 0),
            "q_values": agent.q_values,
        }
        for name, value in row.items():
            self.columns.setdefault(name, []).append(value)
        done = len(self.columns["states"])
        if done % 100 == 0:
            self._replaying.tell(done, self._total)

    def play(self) -> None:
        """Play all runs."""
        episodes = self.plan["episodes"]
        if not self.scripted:
            self._restoring(f"Failed to restore checkpoint from: {_FOLDER}")
            self._print("Initializing variables instead.")
        self.agent = self._make_agent()
        try:
            self._run(episodes)
        except ReplayError as error:
            reason = str(error).removeprefix("replay memory: the original stops here with ")
            kind, _, rest = reason.partition(": ")
            self.raised = f"{kind}: {rest.rpartition(': ')[0]}"
            self.note("raised", what=self.raised)
            return
        if not self.scripted:
            memory = self.agent.learning.replay_memory if self.agent.learning else None
            self.note("end of first run", num_used=memory.num_used if memory else 0)
            self._print("--- new process: a new agent restores the last checkpoint")
            self.network = self._new_network()
            self._restoring(f"Restored checkpoint from: {_FOLDER}/checkpoint-{self._checkpoint[1]}")
            self._restore()
            self.note("restored")
            self._run(_TESTED)
            return
        self.note("run_again")
        self._print("--- second call of run(), same agent")
        self._run(_RESTORED_RUN)
        self.note("new_agent")
        self._print("--- a new agent from the last checkpoint")
        self._restore()
        self._run(_RESTORED_RUN)
        self.note("testing")
        self._print("--- the same agent, training = False, rewards reset, render")
        agent = self.agent
        agent.training, agent.episode_rewards = False, []
        before = agent.count_states
        self._run(_TESTED)
        # The original shows, and sleeps after, every state of a test.
        shown = agent.count_states - before
        self.note("end", renders=shown, sleeps=shown, sleep=0.01,
                  episode_rewards=agent.episode_rewards)  # fmt: skip

    def _restoring(self, outcome: str) -> None:
        self._print("Trying to restore last checkpoint ...")
        self._print(outcome)

    def _restore(self) -> None:
        """Make a new agent from the last checkpoint."""
        weights, states, episodes = self._checkpoint
        if self.scripted:
            self.network.load_arrays(weights)
        else:
            self.network.load_arrays(weights, "checkpoint")
        self.agent_made(self._make_agent(), states, episodes)

    def agent_made(self, agent: Agent, states: int, episodes: int) -> None:
        """Let a new agent continue from a checkpoint's counters."""
        agent.count_states, agent.count_episodes = states, episodes
        self.agent = agent

    def _run(self, num_episodes: int) -> None:
        agent = self.agent
        assert agent is not None
        agent.begin(num_episodes)
        while not agent.done:
            self._take(agent, agent.tick())

    def _take(self, agent: Agent, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Row) and event.table == LogReward.TABLE:
                cells = event.cells
                self._rewards.append([str(cells["episodes"]), str(cells["states"]),
                                      round(cells["reward"], 1)])  # fmt: skip
                mean = repr(cells["mean"])
                self.note("log_reward", reward=cells["reward"], mean=mean)
            elif isinstance(event, BurstBegun):
                self._burst_begins(agent, event)
            elif isinstance(event, Updated):
                self.bursts[-1]["losses"].append(event.loss)
                # The original overwrote every update's line with the next.
                self.stdout += "\r" + progress(event)
                if event.last:
                    self._burst_ends(agent, event)
                continue
            if not isinstance(event, Updated) and type(event).__name__ != "RunEnded":
                for line in lines_of(event):
                    self._print(line)

    def _burst_begins(self, agent: Agent, event: BurstBegun) -> None:
        assert agent.learning is not None
        memory, n = agent.learning.replay_memory, event.num_used
        self.note("sweep", num_used=n)
        self.note("log_q_values")
        self.note("optimize", learning_rate=repr(event.learning_rate),
                  loss_limit=repr(event.loss_limit), max_epochs=repr(event.max_epochs))  # fmt: skip
        self.bursts.append(
            {
                "q_values": memory.q_values[:n].copy(),
                "errors": memory.estimation_errors[:n].copy(),
                "losses": [],
                "batches": [],
                "begun": event,
            }
        )

    def _burst_ends(self, agent: Agent, event: Updated) -> None:
        assert agent.learning is not None
        memory, burst = agent.learning.replay_memory, self.bursts[-1]
        begun: BurstBegun = burst["begun"]
        counts = {
            "num_samples_err_lo": memory.num_samples_err_lo,
            "num_samples_err_hi": memory.num_samples_err_hi,
            "num_err_lo": len(memory.idx_err_lo),
            "num_err_hi": len(memory.idx_err_hi),
        }
        told = {
            "num_used": begun.num_used,
            "learning_rate": repr(begun.learning_rate),
            "loss_limit": repr(begun.loss_limit),
            "max_epochs": repr(begun.max_epochs),
        }
        self.note("optimized", iterations=event.iteration + 1,
                  **(counts if self.scripted else told))  # fmt: skip
        # The agent finishes the state in the same tick, after the original's checkpoint.
        path = f"{_FOLDER}/checkpoint-{event.step}"
        self.note("checkpoint", path=path)
        self.note("replay_reset")
        self.stdout += "\n"
        self._print("Saved checkpoint.")
        weights = {name: values.copy() for name, values in self.network.arrays().items()}
        self._checkpoint = (weights, event.step, agent.count_episodes)
        if not self.scripted:
            values = [p.detach().cpu().numpy() for p in self.network.parameters()]
            burst["w_stats"] = np.array([sums(v) for v in values])
            burst["w_probes"] = np.array([probes(v, t) for t, v in enumerate(values)])

    def log_read(self) -> dict[str, Any]:
        """Return what the original's readers returned for the first lines, and the sizes of
        both."""
        first = self._rewards[:3]
        return {
            "reward_count_episodes": [row[0] for row in first],
            "reward_count_states": [row[1] for row in first],
            "reward_episode": [row[2] for row in first],
            "types": ["<class 'tuple'>", "<class 'str'>", "float64",
                      [2, len(self._rewards)], [4, len(self.bursts)]],
        }  # fmt: skip


_FOLDER: Final = "checkpoints/Toy-v0"
