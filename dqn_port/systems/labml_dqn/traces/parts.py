"""Replay the separate parts: schedules, pictures, choices and the loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from dqn_port.errors import ArgsError, TraceError
from dqn_port.systems.labml_dqn.choice import sample_action
from dqn_port.systems.labml_dqn.picture import Shrinking, gray_of
from dqn_port.systems.labml_dqn.q_func_loss import q_func_loss
from dqn_port.systems.labml_dqn.schedule import Piecewise
from dqn_port.systems.labml_dqn.traces.formulas import picture
from dqn_port.verify.comparing import Comparer, plural
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace


def replay_schedule(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Compare every value, every printed form and every refusal."""
    cases = trace.key("cases", list)
    for case in cases:
        name = case["name"]
        schedule = Piecewise([(x, y) for x, y in case["ep"]], outside_value=case["out"])
        compare.value(f"{name}.y", case["y"], [schedule(x) for x in case["x"]])
        compare.value(f"{name}.str", case["str"], str(schedule))
    for points, error in trace.key("refused", list):
        try:
            Piecewise([(x, y) for x, y in points])
            got = "accepted"
        except ArgsError:
            got = "AssertionError"
        compare.value(f"refused {points}", error, got)
    compare.what = plural(len(cases), "schedule")


def _pictures() -> dict[str, Any]:
    pic1 = np.zeros((210, 160, 3), dtype=np.uint8)
    pic1[50:90, 30:100] = (200, 72, 72)
    pic1[120:123] = (66, 158, 130)
    pic1[:, 80] = 255
    return {"pic0": picture(77), "pic1": pic1}


def replay_process_obs(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Compare the small pictures of three big ones."""
    pictures = _pictures() | {"breakout": trace.numbers("breakout_rgb", ndim=3)}
    compare.seen("breakout_rgb")
    for name, rgb in pictures.items():
        gray, grays = gray_of(rgb.astype(np.uint8)), np.arange(256, dtype=np.uint8)
        height, width = gray.shape
        compare.array(f"{name}_out", Shrinking(height, width, grays).shrink(gray, gray))
    compare.what = plural(len(pictures), "picture")


def replay_sample_action(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Compare the actions for each stream of random numbers in turn."""
    calls = trace.key("calls", list)
    generators: dict[int, torch.Generator] = {}
    for call in calls:
        seed, n = call["seed_before_first_of_group"], call["n"]
        if seed not in generators:
            generators[seed] = torch.Generator().manual_seed(seed)
        q = torch.from_numpy(trace.numbers(f"q{n}", ndim=2))
        compare.seen(f"q{n}")
        action = sample_action(q.clone, q.shape[0], q.shape[1], call["eps"], generators[seed])
        compare.array(f"action{n}", action.numpy())
    for seed, expected in trace.key("next_rand", dict).items():
        got = torch.rand(1, generator=generators[int(seed)]).item()
        compare.value(f"next_rand.{seed}", expected, got)
    compare.what = plural(len(calls), "choice")


def replay_loss(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Compare TD errors, losses, gradients and priorities of given values."""
    cases = trace.key("cases", list)
    for name, _, _, gamma, with_gradient in cases:
        inputs = ("q", "action", "double_q", "target_q", "done", "reward", "weights")
        if any(f"{name}_{key}" not in trace.arrays for key in inputs):
            raise TraceError(f"{trace.name}.npz: expected {name}_{', '.join(inputs)}, got fewer")
        given = {key: torch.from_numpy(trace.arrays[f"{name}_{key}"]) for key in inputs}
        compare.seen(*(f"{name}_{key}" for key in inputs))
        q = given.pop("q").requires_grad_()
        action = given.pop("action").to(torch.int64)
        floats: Any = {key: tensor.to(torch.float32) for key, tensor in given.items()}
        loss = q_func_loss(q, action, discount=gamma, **floats)
        loss.loss.backward()  # type: ignore[no-untyped-call]
        td_error = loss.td_error.numpy()
        got = {
            "td_error": td_error,
            "loss": loss.loss.detach().numpy(),
            "grad_q": q.grad.numpy() if q.grad is not None else None,
            "new_priorities": np.abs(td_error) + np.float32(1e-6),
        }
        for key, array in got.items():
            compare.array(f"{name}_{key}", array)
        compare.value(
            f"{name}: td_error has a gradient", with_gradient, loss.td_error.requires_grad
        )
    compare.value("new_priorities_dtype", trace.meta.get("new_priorities_dtype"),
                  got["new_priorities"].dtype.name)  # fmt: skip
    compare.what = plural(len(cases), "loss")
