"""What a page shows of a diagnosis: values against returns, states, convolutions."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from dqn_port.exports.report import figures
from dqn_port.exports.report.drawing import COLOURS, Size, draw, value_axis, value_axis_below
from dqn_port.exports.report.figures import MINUS, many, whole
from dqn_port.runs.diagnosis import KINDS, Diagnosis, Moment, Plane, ShownConvolution

_SIZES: Final = (Size(640, 420, left=68, right=20), Size(350, 320, left=60, right=14))
_MOST_ACTIONS: Final = 18
"""Most actions shown of a state: as many as an Atari game has."""
_SHOWN_NUMBERS: Final = 16
_KERNELS_WIDTH: Final = 1_000
"""Pixels."""

_TITLES: Final = {
    "spread_high": ("The values differ most", "Q of the best action minus Q of the worst is "
                    "largest: the choice matters."),
    "spread_low": ("The values differ least", "Q of the best action minus Q of the worst is "
                   "smallest: the network expects about the same of all."),
    "td_error": ("The largest TD errors", "|r + γ · max Q(s′) − Q(s, a)|: the next step surprised "
                 "the network most."),
    "miss": ("Furthest from the return", "|return − V|: the network was most wrong about what was "
             "to come."),
    "first_reward": ("Around the first reward", "The steps around the first one with a reward."),
    "lost_life": ("Before a lost life", "The last steps before the first life is lost."),
    "q_high": ("The highest value", "Of any action in any state."),
    "q_low": ("The lowest value", "Of any action in any state."),
}  # fmt: skip


def sections_of(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return what the template diagnosis_sections.html takes."""
    kinds = []
    for kind in KINDS:
        moments = [moment for moment in diagnosis.moments if moment.kind == kind]
        if moments:
            title, said = _TITLES[kind]
            cards = [_card(moment, diagnosis) for moment in moments]
            kinds.append({"title": title, "said": said, "cards": cards})
    return {
        "said": _said(diagnosis),
        "chart": _scatter(diagnosis) if diagnosis.points else None,
        "open": any(is_open for _, _, is_open in diagnosis.points),
        "returns": _returns(diagnosis),
        "notes": _notes(diagnosis),
        "kinds": kinds,
        "convolutions": [_convolution(each) for each in diagnosis.convolutions],
        "convolved": _where(diagnosis, *diagnosis.convolved) if diagnosis.convolved else "",
    }


def value(number: float | None) -> str:
    """Write one of the network's values: 0.537, −12.3, 101.5."""
    if number is None:
        return figures.NONE
    size = abs(number)
    text = f"{number:.3f}" if size < 10 else f"{number:.1f}" if size < 10_000 else f"{number:.3g}"
    return text.replace("-", MINUS)


def _said(diagnosis: Diagnosis) -> str:
    """Say what was played, and what is compared."""
    n = len(diagnosis.episodes)
    said = (
        f"The {diagnosis.network} network played {many(n, 'episode')}, "
        f"{many(diagnosis.steps, 'step')} in all, with {figures.epsilon(diagnosis.epsilon)} and "
        f"seed {diagnosis.seed}."
    )
    if diagnosis.discount is not None and diagnosis.compared:
        rewards = "rewards as they are learnt" if diagnosis.learnt else "the game's own rewards"
        said += (
            f" V, the value of the best action, is compared with the return that came: {rewards}, "
            f"discounted by {diagnosis.discount:g} a step, up to what training takes for an end. "
            f"Over {many(diagnosis.compared, 'step')} V averages {value(diagnosis.mean_value)}, "
            f"the return {value(diagnosis.mean_return)}; they differ by "
            f"{value(diagnosis.mean_error)} on average"
        )
        correlation = diagnosis.correlation
        said += "." if correlation is None else f"; correlation {value(correlation)}."
    return said


def _returns(diagnosis: Diagnosis) -> str:
    """Say what the episodes scored in the game's own rewards."""
    rewards = [episode.reward for episode in diagnosis.episodes]
    shown = figures.listing([figures.points(reward) for reward in rewards])
    said = f"Raw returns, the game's own rewards undiscounted: {shown}"
    return (
        f"{said}."
        if len(rewards) == 1
        else f"{said}; mean {figures.score(float(np.mean(rewards)))}."
    )


def _notes(diagnosis: Diagnosis) -> list[str]:
    """Say what a reader should know, and what the system does not tell."""
    kinds = {moment.kind for moment in diagnosis.moments}
    n, cut = len(diagnosis.episodes), sum(not e.ended for e in diagnosis.episodes)
    notes = []
    if cut and diagnosis.discount is not None:
        which = "The episode was" if n == 1 else f"{whole(cut)} of {whole(n)} episodes were"
        notes.append(
            f"{which} cut before the game's end: the value of the last state stands in for what "
            "would have come, and that state is left out."
        )
    if diagnosis.distinct < n:
        notes.append(
            f"Different episodes: {whole(diagnosis.distinct)} of {whole(n)}; the others repeat one "
            "step by step. A larger --epsilon makes them differ."
        )
    if diagnosis.discount is None:
        notes.append(
            "The system does not tell its discount, so there are no returns to compare with and no "
            "TD errors."
        )
    elif not diagnosis.learnt:
        notes.append("The system does not tell how rewards are learnt; they are the game's own.")
    if not diagnosis.actions:
        notes.append("The system does not name its actions, so they are numbered.")
    if "first_reward" not in kinds:
        notes.append("No step earned a reward.")
    if "lost_life" not in kinds:
        notes.append("No life was lost, or the system does not tell.")
    if not diagnosis.convolutions:
        notes.append("The network has no convolutions, or the system does not show them.")
    return notes


def _scatter(diagnosis: Diagnosis) -> Markup:
    """Return values against returns, with the line on which they are equal."""
    x, y, is_open = np.asarray(diagnosis.points).T
    low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
    room = 0.04 * (high - low) or 0.1 * abs(high) or 0.5
    low, high = low - room, high + room

    def plot(axes: Axes, size: Size) -> None:
        axes.plot([low, high], [low, high], color=COLOURS["muted"], linewidth=1, dashes=(5, 4))
        for which, faces in ((is_open == 0, COLOURS["best"]), (is_open != 0, "none")):
            axes.scatter(
                x[which],
                y[which],
                s=12,
                facecolors=faces,
                edgecolors=COLOURS["best"],
                linewidths=0.8,
                alpha=0.55,
                zorder=3,
            )
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
        value_axis_below(axes, size, "return, discounted")
        value_axis(axes, size, ticks=6)
        axes.set_ylabel("value V")

    alt = f"Values of {whole(len(x))} states against their returns; equal on the dashed line"
    return draw("values", alt, _SIZES, plot)


def _where(diagnosis: Diagnosis, episode: int, step: int) -> str:
    """Say in which episode a step was, and where."""
    steps = max(diagnosis.episodes[episode].steps, step + 1)
    share = round(100 * step / steps)
    return f"Episode {episode + 1}, after {whole(step)} of {many(steps, 'step')} ({share}%)"


def _card(moment: Moment, diagnosis: Diagnosis) -> dict[str, Any]:
    """Return a state with what the network saw and how it valued the actions."""
    low = min(moment.valued)
    order: Sequence[int] = range(len(moment.valued))
    if len(order) > _MOST_ACTIONS:
        best = sorted(order, key=lambda i: (i != moment.done, -moment.valued[i]))
        order = sorted(best[:_MOST_ACTIONS])
    actions = [
        {
            "name": diagnosis.actions[i] if i < len(diagnosis.actions) else f"action {i}",
            "value": value(moment.valued[i]),
            "bar": round(100 * (moment.valued[i] - low) / (moment.spread or 1)),
            "done": i == moment.done,
        }
        for i in order
    ]
    numbers = [("V", moment.value), ("spread", moment.spread)]
    numbers += [
        (name, number)
        for name, number in (("return", moment.returned), ("TD error", moment.td_error))
        if number is not None
    ]
    told = [f"{name} {value(number)}" for name, number in numbers]
    if moment.earned:
        told.append(f"reward {figures.points(moment.earned)}")
    return {
        "where": _where(diagnosis, moment.episode, moment.step),
        "planes": [_picture(plane) for plane in moment.planes],
        "vectors": [(vector.label, _numbers(vector.numbers)) for vector in moment.vectors],
        "actions": actions,
        "more": len(moment.valued) - len(order),
        "told": " · ".join(told),
    }


def _numbers(numbers: Sequence[float]) -> str:
    shown = ", ".join(value(number) for number in numbers[:_SHOWN_NUMBERS])
    return shown + (", …" if len(numbers) > _SHOWN_NUMBERS else "")


def _picture(plane: Plane) -> dict[str, Any]:
    source = Markup(f"data:image/png;base64,{base64.b64encode(plane.png).decode()}")
    return {
        "source": source,
        "label": plane.label,
        "width": plane.width,
        "height": plane.height,
    }


def _convolution(shown: ShownConvolution) -> dict[str, Any]:
    """Return a convolution's pictures, kernels large enough to see every number."""
    kernels = _picture(shown.kernels)
    times = max(1, _KERNELS_WIDTH // shown.kernels.width)
    kernels |= {side: times * kernels[side] for side in ("width", "height")}
    numbers = (("min", shown.least), ("max", shown.most), ("mean", shown.mean), ("sd", shown.std))
    return {
        "name": shown.name,
        "filters": shown.filters,
        "kernels": kernels,
        "outputs": _picture(shown.outputs),
        "scale": f"{shown.scale:.3g}",
        "said": ", ".join(f"{name} {n:.5f}".replace("-", MINUS) for name, n in numbers),
    }
