"""Show what the filters of the convolutions respond to: guided backpropagation to the screen.

simple_dqn: nvis/callbacks.py, nvis/data.py, nvis/image.py.

Legend: H history_length; n filters shown of a convolution.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import conv_transpose2d

from dqn_port.errors import UsageError
from dqn_port.systems.simple_dqn.layers import CONVOLUTIONS, Network
from dqn_port.systems.simple_dqn.player import Player

Array = NDArray[Any]

_SIDE: Final = 120
"""Pixels of a picture on the page."""


@dataclass(frozen=True, kw_only=True)
class Filter:
    """The strongest response of one filter."""

    layer: str
    """Index in Neon's flat list of layers, four digits: 0000, 0002, 0004."""
    number: int
    batch: int
    row: int
    """Position of the state in its batch."""
    position: int
    """Row · width + column in the filter's output."""
    activation: float
    """There, before the relu."""
    seen: NDArray[np.uint8]
    """Guided backpropagation: uint8 [h, w, H]."""
    state: NDArray[np.uint8]
    """The state: uint8 [h, w, H]."""


def find_filters(
    network: Network, states: NDArray[np.uint8], *, n: int, batch_size: int
) -> Iterator[Filter]:
    """Yield the first n filters of every convolution.

    states: uint8 [N, H, h, w]. They are processed in batches, in order; the last batch is filled up
    from the beginning.

    Raises:
        UsageError: there is no state.
    """
    if len(states) == 0:
        raise UsageError(
            "filters: expected at least one state, got none; play a game of one step or more"
        )
    best: dict[tuple[int, int], Filter] = {}
    network.eval()
    with torch.no_grad():
        for batch, inputs in enumerate(_batches(states, batch_size)):
            x = torch.from_numpy(inputs).to(_dtype(network))
            met: list[Tensor] = []
            for layer, (output, _) in enumerate(_outputs(network, x)):
                for number in range(min(n, output.shape[1])):
                    activation, row, position = _strongest(output[:, number])
                    before = best.get((layer, number))
                    if before is not None and activation <= before.activation:
                        continue
                    met.append(x[row])
                    image = _backpropagated(network, x[row], layer, number, position, activation)
                    best[layer, number] = Filter(
                        layer=f"{layer * (3 if len(network.norms) else 2):04d}",
                        number=number,
                        batch=batch,
                        row=row,
                        position=position,
                        activation=activation,
                        seen=_scaled(image, [image]),
                        # Quirk: stretched together with the other states of this batch so far, not
                        # alone.
                        state=_scaled(x[row], met),
                    )
    yield from (best[key] for key in sorted(best))


def filters_of_game(player: Player, name: str) -> tuple[str, str]:
    """Play one game; return the page of the network's filters, and a line about it.

    A history and a game of any length are accepted; the original needed more than history_length +
    random_starts steps.
    """
    states = []
    while True:
        step = player.step()
        states.append(np.stack(list(step.seen.values())))
        if step.ended:
            break
    n, batch_size = (player.options[key] for key in ("visualization_filters", "batch_size"))
    found = list(find_filters(player.network, np.stack(states), n=n, batch_size=batch_size))
    seen = f"{len(states)} state{'' if len(states) == 1 else 's'}"
    said = f"{len(found)} filters, by {seen} of one game; one state is enough"
    return page(found, title=f"{name}, {seen} of {player.game}"), said


def _dtype(network: Network) -> torch.dtype:
    return next(network.parameters()).dtype


def _batches(states: NDArray[np.uint8], batch_size: int) -> Iterator[Array]:
    for start in range(0, len(states), batch_size):
        indexes = np.arange(start, start + batch_size) % len(states)
        yield states[indexes] / 255


def _outputs(network: Network, x: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return (output before relu and normalisation, input) of every convolution."""
    found = []
    for i in range(1, len(CONVOLUTIONS) + 1):
        output = network.operations[f"conv{i}"](x)
        found.append((output, x))
        x = output
        if f"conv{i}" in network.norms:
            x = network.norms[f"conv{i}"](x)
        x = x.relu()
    return found


def _strongest(output: Tensor) -> tuple[float, int, int]:
    """Return (value, row, position) of the largest in [B, h, w], first by position, then row."""
    flat = output.flatten(1).T
    at = int(flat.argmax())
    position, row = divmod(at, flat.shape[1])
    return float(flat[position, row]), row, position


def _backpropagated(
    network: Network, state: Tensor, layer: int, number: int, position: int, activation: float
) -> Tensor:
    """Return the gradient image of one filter at one position: [H, h, w].

    Quirk: batch normalisation is left out in the backward pass
    (tests/systems/simple_dqn/test_filters.py).
    """
    outputs = _outputs(network, state[None])
    gradient = torch.zeros_like(outputs[layer][0])
    gradient[0, number].view(-1)[position] = activation
    for i in range(layer, -1, -1):
        below = outputs[i][1]
        weight: Any = network.operations[f"conv{i + 1}"].weight
        stride = CONVOLUTIONS[i][2]
        rest = [(size - side) % stride
                for size, side in zip(below.shape[2:], weight.shape[2:], strict=True)]  # fmt: skip
        gradient = conv_transpose2d(
            gradient.relu(), weight, stride=stride, output_padding=tuple(rest)
        )
        gradient = gradient * (below > 0)
    return gradient[0]


def _scaled(image: Tensor, among: Sequence[Tensor]) -> NDArray[np.uint8]:
    """Return [H, h, w] as uint8 [h, w, H], the range of ``among`` stretched to 0..255; else 0."""
    low, high = min(float(i.min()) for i in among), max(float(i.max()) for i in among)
    pixels: Array = image.permute(1, 2, 0).cpu().numpy()
    if high == low:
        return np.zeros(pixels.shape, dtype=np.uint8)
    kind = pixels.dtype.type
    return ((pixels - kind(low)) / kind(high - low) * kind(255)).astype(np.uint8)


def page(filters: Sequence[Filter], *, title: str) -> str:
    """Return the page: for every filter the gradient image and the state with the strongest
    response.

    The original loaded Bokeh from a server that no longer exists; here the pictures are in the
    page.
    """
    blocks = []
    for layer in sorted({found.layer for found in filters}):
        figures = "".join(
            f"<figure><figcaption>Feature Map {found.number}</figcaption>"
            f"{_picture(found.seen)}{_picture(found.state)}</figure>"
            for found in filters
            if found.layer == layer
        )
        blocks.append(f"<section><h2>{layer}</h2>{figures}</section>")
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f"<title>Deconv Visualization</title><style>figure{{display:inline-block}}</style></head>"
        f"<body><h1>Deconv Visualization</h1><p>{html.escape(title)}</p>{''.join(blocks)}"
        "</body></html>\n"
    )


def colours(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the last three screens of uint8 [h, w, H] as red, green and blue, the newest blue.

    The original took screens 1 to 3 of any history, and failed with fewer than four.
    """
    last = image[..., -3:]
    return np.concatenate([last[..., :1]] * (3 - last.shape[2]) + [last], axis=2)


def _picture(image: NDArray[np.uint8]) -> str:
    file = io.BytesIO()
    Image.fromarray(colours(image)).save(file, "PNG")
    text = base64.b64encode(file.getvalue()).decode()
    return f'<img width="{_SIDE}" height="{_SIDE}" alt="" src="data:image/png;base64,{text}">'
