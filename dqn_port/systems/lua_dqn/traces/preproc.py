"""From screens to stored bytes: rgb2y, net_downsample_2x_full_y and image.scale."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from dqn_port.errors import TraceError
from dqn_port.randoms.torch import Generator
from dqn_port.systems.lua_dqn.game_screen import PooledScreen, rgb2y
from dqn_port.systems.lua_dqn.preprocs.image_scale import Scale
from dqn_port.systems.lua_dqn.traces.replaying import agent_of_parts
from dqn_port.verify.comparing import Comparer, plural
from dqn_port.verify.kinds import Replaying
from dqn_port.verify.traces import Trace

_SEED: Final = 99
"""Of the images that are scaled."""


def replay(trace: Trace, compare: Comparer, replaying: Replaying) -> None:
    """Preprocess every screen and scale every image of the trace."""
    del replaying
    agent = agent_of_parts("net_small", 4, torch.device("cpu"), minibatch_size=1, valid_size=1)
    screens = sorted(name.removesuffix("_rgb") for name in trace.arrays if name.endswith("_rgb"))
    compare.skip("*_oldrgb2y_*", "rgb2y as it was before May 2015")
    for screen in screens:
        rgb = trace.numbers(f"{screen}_rgb", ndim=3)
        if rgb.dtype != np.uint8 or rgb.shape[2] != 3:
            raise TraceError(
                f"{trace.name}.npz: {screen}_rgb: expected uint8 [height, width, 3], "
                f"got {rgb.dtype} {list(rgb.shape)}"
            )
        compare.seen(f"{screen}_rgb")
        floats = rgb.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
        stored = agent.preprocess(floats)
        compare.array(f"{screen}_y", rgb2y(floats), family="*_y")
        compare.array(f"{screen}_out", agent.preproc.forward(floats), family="*_out")
        compare.array(f"{screen}_byte", stored, family="*_byte")
        compare.array(f"{screen}_recent", stored / np.float32(255), family="*_recent")
        if f"{screen}_byte" in trace.arrays:
            # The way of a run: palette indices, and colours that are looked up.
            compare.compare(
                f"{screen}_byte (of a game's screen)",
                trace.arrays[f"{screen}_byte"],
                agent.preprocess(_as_game_screen(rgb)),
            )
    order = trace.meta.get("order", []) if isinstance(trace.meta, dict) else []
    _scale(compare, order)
    compare.what = f"{plural(len(screens), 'screen')}, {plural(len(order), 'image')} scaled"


def _as_game_screen(rgb: NDArray[Any]) -> PooledScreen:
    """Return a screen as a game shows it, with a palette of the colours in it.

    Raises:
        TraceError: there are more colours than a palette holds.
    """
    colours, indices = np.unique(rgb.reshape(-1, 3), axis=0, return_inverse=True)
    if len(colours) > 256:
        raise TraceError(f"preproc: expected screens of 256 colours, got {len(colours)}")
    palette = np.zeros((256, 3), dtype=np.uint8)
    palette[: len(colours)] = colours
    frame = indices.reshape(1, *rgb.shape[:2]).astype(np.uint8)
    return PooledScreen(frame, palette, "max")


def _scale(compare: Comparer, order: Any) -> None:
    """Scale images that are drawn from one generator, in the order of the trace."""
    generator = Generator(_SEED)
    for row in order:
        if len(row) != 5 or not all(type(n) is int and 0 < n <= 4096 for n in row):
            raise TraceError(f"preproc.json: order: expected five sizes up to 4096, got {row}")
        c, h, w, height, width = row
        image = generator.uniform_float(c * h * w, 0, 1).reshape(c, h, w)
        stem = f"scale_{c}x{h}x{w}_to_{height}x{width}"
        if f"{stem}_in_sha_probe" in compare.trace.arrays:
            compare.array(f"{stem}_in_sha_probe", image.reshape(-1)[:16])
        else:
            compare.array(f"{stem}_in", image)
        compare.array(f"{stem}_out", Scale((h, w), (height, width)).forward(image))
