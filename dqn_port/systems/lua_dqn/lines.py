"""The lines that the original prints, made from the events of a training.

Lua: the print and io.write calls of train_agent.lua and initenv.lua. Numbers are written as Lua
writes them, ``%.14g``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from dqn_port.events import Event, Saved, Started
from dqn_port.systems.lua_dqn.options import OPTIONS, shown_value
from dqn_port.systems.lua_dqn.setup import names_snapshot, network_name
from dqn_port.systems.lua_dqn.slots import LayerReport
from dqn_port.systems.lua_dqn.train_agent import Evaluated, Reported


def lua_number(value: float) -> str:
    """Return a number as Lua's print writes it."""
    if math.isnan(value):
        return "nan"
    return f"{value:.14g}"


def lines_of(event: Event, *, verbose: int = 2) -> Iterator[str]:
    """Yield the original's lines for an event, without line ends.

    ``verbose``: the run's option; below 2 the layers' norms are left out.
    """
    if isinstance(event, Started):
        yield from _started(event)
    elif isinstance(event, Reported):
        yield f"Steps: \t{event.step}"
        if verbose >= 2:
            yield from _report(event.layers)
    elif isinstance(event, Evaluated):
        v, td, qmax = (lua_number(x) for x in (event.v, event.td, event.qmax))
        yield f"V\t{v}\tTD error\t{td}\tQmax\t{qmax}"
        yield ""
        yield (
            f"Steps: {event.step} (frames: {event.frames}), reward: {event.reward:.2f}, "
            f"epsilon: {event.epsilon:.2f}, lr: {event.lr:G}, "
            f"training time: {int(event.training_seconds)}s, "
            f"training rate: {int(event.training_rate)}fps, "
            f"testing time: {int(event.testing_seconds)}s, "
            f"testing rate: {int(event.testing_rate)}fps,  "
            f"num. ep.: {event.episodes},  num. rewards: {event.rewards}"
        )
    elif isinstance(event, Saved):
        yield f"Saved:\t{event.path}"


def _started(event: Started) -> Iterator[str]:
    opt, agent = event.training.ready.opt, event.training.ready.agent
    yield f"Torch Threads:\t{opt.threads}"
    if event.device == "cpu":
        yield "Using CPU code only. GPU device id:\t-1"
    else:
        yield f"Using GPU device id:\t{event.device.partition(':')[2]}"
    yield f"Torch Seed:\t{opt.seed}"
    yield ""
    yield f"Playing:\t{opt.env}"
    created = not names_snapshot(network_name(opt))
    if created:
        yield f"Creating Agent Network from {network_name(opt)}"
    if opt.verbose >= 2:
        flattened = agent.network.flattened_size() if created else None
        if flattened is not None:
            yield agent.network.description()
            yield f"Convolutional layers flattened output size:\t{flattened}"
        yield "Set up Torch using these options:"
        for option in OPTIONS:
            yield f"{option.name}\t{shown_value(getattr(opt, option.name))}"
    yield "Iteration ..\t0"


def _report(layers: tuple[LayerReport, ...]) -> Iterator[str]:
    columns = (
        ("Weight norms:", [row.weight_norm for row in layers]),
        ("Weight max:", [row.weight_max for row in layers]),
        ("Weight grad norms:", [row.grad_norm for row in layers]),
        ("Weight grad max:", [row.grad_max for row in layers]),
    )
    for title, values in columns:
        cells = [
            f"{row.layer}: {lua_number(value)}" for row, value in zip(layers, values, strict=True)
        ]
        yield title
        yield f"nn.Sequential: [{' '.join(cells)}]"
