"""Frames of games and made images, as both revisions preprocessed and traced them."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dqn_port.games.ale.emulator import AleEmulator
from dqn_port.systems.hvass16.motion_tracer import MotionTracer
from dqn_port.systems.hvass16.preprocessing import (
    REVISIONS,
    pre_process_image,
    rgb_to_grayscale,
)
from dqn_port.systems.hvass16.traces.formulas import mix
from dqn_port.verify.comparing import Comparer
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

_SHAPE: Final = (210, 160, 3)
_NUMBERS: Final = ("act", "k", "reward", "over", "lives", "kind")
_TOLD_EVERY: Final = 50


def replay(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Play the games of the trace, make its images, and compare all of it."""
    games = trace.key("games", dict)
    for game in games:
        _play(game, trace, compare, replaying)
    _made(trace, compare)
    for revision in REVISIONS:
        _tracer(revision, trace, compare)
    compare.what = f"{' and '.join(games)}, made images and a tracer, in both revisions"


def _play(game: str, trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    about = trace.key(game, dict, of=trace.meta["games"], where="games")
    steps = trace.key("steps", int, of=about, where=f"games.{game}")
    h = trace.key("lcg_start", int, of=about, where=f"games.{game}")
    emulator = AleEmulator(game, reset="ale", frame_cap=10**6)
    actions = [int(action.value) for action in emulator.ale.getMinimalActionSet()]
    compare.value(f"{game}: actions_of_ale", about.get("actions_of_ale"), actions)
    screen = np.empty(_SHAPE[:2], dtype=np.uint8)
    columns: dict[str, list[Any]] = {}
    tracers: dict[str, MotionTracer] = {}
    for row in range(steps + 1):
        act, k, reward, kind = -1, 0, 0.0, 0
        if row and emulator.game_over():
            emulator.reset_game()
        elif row:
            h = (h * 25173 + 13849) % 65536
            act, k, kind = h // 256 % len(actions), 2 + h // 16 % 3, 1
            reward = sum(emulator.act(actions[act]) for _ in range(k))
        emulator.get_screen(screen)
        frame = emulator.palette[screen]
        gray = rgb_to_grayscale(frame)
        over = int(emulator.game_over())
        found: dict[str, Any] = dict(
            zip(_NUMBERS, (act, k, reward, over, emulator.lives(), kind), strict=True)
        )
        found |= {"frame_sha256": _sha256(frame), "gray_minmax": (gray.min(), gray.max())}
        for revision in REVISIONS:
            if kind == 0:
                tracers[revision] = MotionTracer(frame, _process(revision))
            else:
                tracers[revision].process(frame)
            tracer, name = tracers[revision], f"{revision}_"
            state = tracer.get_state()
            found[name + "state_sha256"] = _sha256(state)
            found[name + "state_sum"] = state.sum(axis=(0, 1), dtype=np.int64)
            for what, values in (
                ("state", state),
                ("image", tracer.last_input),
                ("trace", tracer.last_output),
            ):
                if compare.holds(f"{game}_{name}{what}_{row}"):
                    compare.array(f"{game}_{name}{what}_{row}", values)
        for name, value in found.items():
            columns.setdefault(name, []).append(value)
        if row % _TOLD_EVERY == 0:
            replaying.tell(row, steps)
    # The frames first: no other frame gives the same states.
    for name in ("frame_sha256", *(n for n in columns if n != "frame_sha256")):
        compare.array(f"{game}_{name}", np.array(columns[name]), where=_row)


def _process(revision: str) -> Callable[[NDArray[np.uint8]], NDArray[Any]]:
    return functools.partial(pre_process_image, revision=revision)


def _row(index: tuple[int, ...]) -> str:
    return f"row {index[0]:,}"


def _sha256(array: NDArray[Any]) -> NDArray[np.uint8]:
    return np.frombuffer(hashlib.sha256(array.tobytes()).digest(), dtype=np.uint8)


def _made(trace: Trace, compare: Comparer) -> None:
    """Resize images by formula."""
    about = trace.key("made_images", dict)
    e = np.arange(np.prod(_SHAPE)).reshape(_SHAPE)
    edges = np.zeros(_SHAPE)
    edges[:, 80:], edges[105:, :40] = 255, 128
    edges[0, 0], edges[209, 159] = 255, 0
    images = {
        "noise": mix(e, trace.key("noise_t", int, of=about)) >> 24,
        "dim": (mix(e, trace.key("dim_t", int, of=about)) >> 24) % 7 + 40,
        "flat": np.full(_SHAPE, trace.key("flat", int, of=about)),
        "black": np.zeros(_SHAPE),
        "edges": edges,
    }
    for name, image in images.items():
        for revision in REVISIONS:
            made = pre_process_image(image.astype(np.uint8), revision)
            expected = f"made_{revision}_{name}"
            compare.array(expected, made)
            if expected in trace.arrays:
                compare.value(f"{expected}: dtype", trace.arrays[expected].dtype, made.dtype)


def _tracer(revision: str, trace: Trace, compare: Comparer) -> None:
    """Follow a made motion for eight frames."""
    frame = np.full(_SHAPE, 60, dtype=np.uint8)
    frame[0, 0], frame[209, 159] = 0, 255
    tracer = MotionTracer(frame, _process(revision))
    outputs, states = [], [tracer.get_state()]
    dtypes = [str(tracer.last_output.dtype)]
    for j, more in enumerate((19, 20, 21, 22, 0, 40, 0, 0), start=1):
        image = frame.copy()
        image[20:60, 20:60] = 60 + more
        image[100:140, 10 * j : 10 * j + 20] = 200
        tracer.process(image)
        outputs.append(tracer.last_output)
        states.append(tracer.get_state())
        dtypes.append(str(tracer.last_output.dtype))
    compare.array(f"tracer_{revision}_output", np.array(outputs))
    compare.array(f"tracer_{revision}_state", np.array(states))
    name = f"tracer_{revision}_dtypes"
    if name in trace.meta:
        compare.value(name, trace.meta[name], dtypes)
