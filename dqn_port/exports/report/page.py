"""The report of one run, one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import functools
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import jinja2
from markupsafe import Markup

from dqn_port.exports.nature_scores import Scores, nature_scores
from dqn_port.exports.report import charts, figures
from dqn_port.exports.report.diagnosis import sections_of
from dqn_port.exports.report.figures import (
    PAPER_EPISODES,
    Result,
    many,
    whole,
)
from dqn_port.exports.report.told import evaluated_in, played_in, trained_frames, trained_steps
from dqn_port.fields import number
from dqn_port.files import write_whole
from dqn_port.records import Chart, RunRecord, Table
from dqn_port.registry import find_system
from dqn_port.runs.evaluations import Clip, EvaluationRecord, Image, Seen, Vectors

_LONGEST: Final = 200
"""Characters of a text from run.json; the rest is cut off."""
FRAMES_PER_SECOND: Final = 60
"""Of the Atari 2600 (NTSC)."""
_MIME: Final = {".webp": "image/webp", ".png": "image/png"}
_FRAME: Final = re.compile(r"\w+ \d+ of \d+")
"""Names of planes that are frames, the oldest first."""
_FEW_EPISODES: Final = 10
"""With fewer, a mean is a rough figure."""
_SHOWN_PACKAGES: Final = ("python", "dqn-port", "torch", "numpy", "ale-py")


_PAPER: Final = (
    "Paper: Mnih et al., Human-level control through deep reinforcement learning, Nature 518 "
    "(2015); random, human and DQN scores from its Extended Data Table 2."
)


def cited(runs: Sequence[RunRecord]) -> list[str]:
    """Return the citations of the systems of runs, and of the paper if its scores are shown."""
    systems = [find_system(name) for name in sorted({run.system for run in runs})]
    said = [line for system in systems if (line := getattr(system, "CITED", ""))]
    return said + ([_PAPER] if any(run.game in nature_scores() for run in runs) else [])


class Tile(NamedTuple):
    """A headline figure."""

    label: str
    value: str
    unit: str
    note: str
    colour: str = ""


def write_report(path: Path, run: RunRecord, evaluations: Sequence[EvaluationRecord]) -> None:
    """Write the report of a run and its evaluations to ``path``.

    The first evaluation gives the headline figures, and the first clip is shown.

    Raises:
        RunFolderError: see files.write_whole.
    """
    scores = nature_scores().get(run.game)
    is_alone = run.finished is None
    n_rows = run.n_evaluations
    context = {
        "title": f"{shown_game(run.game)} · {run.name}",
        "game": shown_game(run.game),
        "run": run,
        "tiles": _tiles(run, evaluations, scores),
        "scores": scores,
        "curves": _curves(run),
        "score_chart": charts.score_chart(run, scores),
        "closer_chart": charts.closer_chart(run, scores) if n_rows else None,
        "n_rows": n_rows,
        "constants": _constants(run),
        "paper_episodes": PAPER_EPISODES,
        "n_silent": int((evaluated_in(run) & ~played_in(run)).sum()),
        "ring": played_in(run).any(),
        "said_training": _said_training(run) if n_rows else "",
        "evaluations": [
            _evaluation(i, evaluation, run, scores) for i, evaluation in enumerate(evaluations)
        ],
        "clip": next((_shown_clip(e, e.clip) for e in evaluations if e.clip), None),
        "vectors": next((_shown_vectors(e, e.vectors) for e in evaluations if e.vectors), None),
        "diagnosis": next((sections_of(e.diagnosis) for e in evaluations if e.diagnosis), None),
        "seen": next((_shown_seen(e, e.seen) for e in evaluations if e.seen), None),
        "compared": find_system(run.system).compared(run.arguments, told=is_alone),
        "is_alone": is_alone,
        "environment": _environment(run, evaluations),
        "cited": cited([run]),
    }
    write_page(path, "run.html", context)


def write_page(path: Path, template: str, context: dict[str, Any]) -> None:
    """Render a template and write it whole.

    Raises:
        RunFolderError: see files.write_whole.
    """
    html = _templates().get_template(template).render(context)
    # A lone surrogate, of an old argument's stray byte, is written as an escape.
    content = html.encode("utf-8", "backslashreplace")
    write_whole(path, lambda file: file.write(content))


@functools.cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("dqn_port.exports.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    named = (figures.score, figures.points, figures.percent, figures.whole, figures.large)
    environment.filters["breakable"] = _breakable
    environment.filters |= {function.__name__: function for function in named}
    environment.globals |= {"many": many, "data_uri": _data_uri}
    return environment


def shown_game(game: str) -> str:
    """Write a game's name as a title: Space Invaders."""
    if not game:
        return "Unknown game"
    return game.replace("_", " ").title() if game in nature_scores() else game


def _data_uri(image: Image) -> Markup:
    kind = _MIME[Path(image.file).suffix]
    return Markup(f"data:{kind};base64,{base64.b64encode(image.content).decode()}")


def _breakable(path: str) -> Markup:
    """Let an option's path break after a dot."""
    return Markup(".<wbr>").join(path.split("."))


def training_seconds(run: RunRecord) -> float:
    """Return how long a run has trained; 0 if not known."""
    told = number(run.about.get("training_seconds"))
    return max(told or 0.0, 0.0 if run.time is None else float(run.time[-1]))


def _tiles(
    run: RunRecord, evaluations: Sequence[EvaluationRecord], scores: Scores | None
) -> list[Tile]:
    tiles = []
    results = figures.results_of(evaluations[0]) if evaluations else []
    for result in results:
        std = f"± {figures.score(result.std)}" if result.episodes > 1 else ""
        note = many(result.episodes, "episode")
        note = f"mean ± std of {note}" if result.episodes > 1 else note
        mean = figures.score(result.mean)
        tiles.append(Tile(f"{result.network.title()} network", mean, std, note, result.network))
    top = next((result for result in results if result.human is not None), None)
    if top is not None:
        note = f"{top.network} network; 0% random, 100% human"
        tiles.append(Tile("Human-normalised", figures.percent(top.human), "", note))
    if not results and len(rewards := run.scores[played_in(run)]):
        best = figures.score(float(rewards.max()))
        tiles.append(Tile("Best evaluation", best, "", "in training", "best"))
    steps, frames = trained_steps(run), trained_frames(run)
    unit = clock_unit(run.table)
    if steps is not None:
        note = "" if frames is None else f"{figures.large(frames)} frames"
        tiles.append(Tile("Trained", figures.large(steps), unit, note))
    seconds = training_seconds(run)
    if seconds:
        rate = "" if steps is None else f"{whole(steps / seconds)} {unit} a second"
        tiles.append(Tile("Training time", figures.duration(seconds), "", rate))
    return tiles


def clock_unit(table: Table) -> str:
    """Return what a table's clock counts."""
    clock = table.column(table.clock)
    return clock.heading or clock.unit or clock.name


def _constant(values: Any) -> str:
    """Write the number that all of ``values`` share; an empty string if they differ."""
    return f"{values[0]:g}" if len(values) and (values == values[0]).all() else ""


def _constants(run: RunRecord) -> list[tuple[str, str]]:
    """Return (title, value) of the curves that are left out because they are constant."""
    charts_left = [chart for chart in run.table.charts if chart.unless_constant]
    found = [(c.title, _constant(run.history.get(c.columns[0], ()))) for c in charts_left]
    return [(title, value) for title, value in found if value]


def _curves(run: RunRecord) -> list[dict[str, Any]]:
    """Return the small charts of the run's columns, with their titles, keys and captions."""
    left_out = {title for title, _ in _constants(run)}
    views = [view for view in run.views if view.n_evaluations]
    if not views:
        return []
    shown = [
        (view, chart)
        for view in views
        for chart in view.table.drawn
        if chart.title not in left_out and set(chart.columns) <= view.history.keys()
    ]
    curves = [
        drawn_curve(view, f"curve{i}", chart, beside=views) for i, (view, chart) in enumerate(shown)
    ]
    if (epsilon := charts.epsilon_chart(run)) is not None:
        note = "As the arguments set it, to the planned end."
        curve = {"title": "ε in training", "chart": epsilon, "keys": [], "note": note}
        # Before what the clock measured.
        by_clock = [bool(set(chart.columns) & view.table.measured) for view, chart in shown]
        curves.insert([*by_clock, True].index(True), curve)
    return curves


def drawn_curve(
    run: RunRecord, name: str, chart: Chart, *, beside: Sequence[RunRecord] = ()
) -> dict[str, Any]:
    """Return a small chart with its title, keys and caption."""
    colours = dict(zip(chart.columns, ("best", "second", "last"), strict=False))
    alt = chart.alt or f"{chart.title} against {{x}}"
    drawn = charts.line_chart(
        name,
        alt,
        run,
        colours,
        from_zero=chart.from_zero,
        smooth=chart.smooth,
        beside=beside,
    )
    keys = list(zip(colours.values(), chart.keys, strict=False))
    return {"title": chart.title, "chart": drawn, "keys": keys, "note": chart.note}


def _said_training(run: RunRecord) -> str:
    """Return a description of the scores of the evaluations in training, as far as it is known."""
    n = int(evaluated_in(run).sum())
    if not n:
        return " ".join(["No game has ended in an evaluation", *_how_scored(run)])
    said = "Mean return of the episodes that ended within "
    said += f"each of {many(n, 'evaluation')}" if n > 1 else "the one evaluation"
    counts = run.history.get(run.table.episodes)
    details = []
    if counts is not None:
        low, high = int(counts.min()), int(counts.max())
        each = f"{whole(low)} to {many(high, 'episode')}"
        details.append(many(high, "episode") if low == high else each)
    details += _how_scored(run)
    said += f": {' '.join(details)}" if details else ""
    return f"{said}, too few for an episode" if not played_in(run).any() else said


def _how_scored(run: RunRecord) -> list[str]:
    """Return how the scores were played, as far as it is known; options are in braces."""
    details = []
    for phrase in run.table.score_means:
        names = re.findall(r"\{(\w+)\}", phrase)
        values = {name: number(run.arguments.get(name)) for name in names}
        told = {name: _exact(value) for name, value in values.items() if value is not None}
        if len(told) == len(names) and (names or run.finished is not None):
            details.append(phrase.format(**told))
    return details


def _exact(value: float) -> str:
    return whole(value) if value == round(value) else f"{value:g}"


def _evaluation(
    index: int, record: EvaluationRecord, run: RunRecord, scores: Scores | None
) -> dict[str, Any]:
    """Return an evaluation's chart, table and captions."""
    results = figures.results_of(record)
    reason = figures.why_not_comparable(record)
    compare = None if reason else scores
    said = [
        f"Played with {figures.epsilon(record.epsilon)}",
        _counts(record),
        f"at most {whole(record.max_frames)} frames an episode"
        if record.max_frames
        else "no limit on an episode's length",
        f"up to {record.random_starts} null actions at its start"
        if record.random_starts
        else "no null actions at its start",
        *sticky_phrase([record]),
    ]
    notes = [_cut_note(result) for result in results if result.cut]
    if reason and scores is not None:
        notes.append(f"Not comparable with the paper: {reason}.")
    fewest = min(result.episodes for result in results)
    if fewest < _FEW_EPISODES:
        notes.append(
            f"{many(fewest, 'episode').capitalize()} a network: a rough figure; the paper's "
            f"agent played {PAPER_EPISODES}."
        )
    known = run.snapshot_sha256s
    if known and record.snapshot_sha256 not in known:
        notes.append("It was played with a snapshot other than the one this run ended with.")
    return {
        "record": record,
        "results": results,
        "said": "; ".join(said),
        "notes": notes,
        "compare": compare,
        "beyond": charts.returns_are_beyond(record, compare),
        "chart": charts.returns_chart(f"returns{index}", record, compare),
    }


def sticky_phrase(records: Sequence[EvaluationRecord]) -> list[str]:
    """Return a line on sticky actions, if all records tell."""
    if any(record.sticky != 0 for record in records):
        told = {record.sticky for record in records}
        known = len(told) == 1 and None not in told
        return [f"sticky actions, {records[0].sticky:g}"] if known else []
    if all(record.rom_md5 for record in records):
        return ["sticky actions off (repeat_action_probability 0)"]
    return ["no action is repeated at random"]


def _counts(record: EvaluationRecord) -> str:
    """Return how many episodes were played with which seeds."""
    counts = Counter((episode.network, episode.seed) for episode in record.episodes)
    n = set(counts.values())
    each = f"{many(max(n), 'episode')} a network" if len(n) == 1 else "episodes"
    if len(record.seeds) == 1:
        return f"{each}, evaluation seed {record.seeds[0]}"
    return f"{each} for each evaluation seed, {figures.listing([str(s) for s in record.seeds])}"


def _cut_note(result: Result) -> str:
    verb = "was" if result.cut == 1 else "were"
    return (
        f"{many(result.cut, 'episode')} of the {result.network} network {verb} cut at the limit; "
        "the score until then counts."
    )


def _which_episode(record: EvaluationRecord, index: int) -> str:
    """Return which episode it is, and how it compares."""
    episode = record.episodes[index]
    rewards = [other.reward for other in record.of(episode.network)]
    rank = ""
    if len(rewards) > 1 and episode.reward == max(rewards):
        equal = min(rewards) == max(rewards)
        rank = f", {'as in all' if equal else 'the highest of'} {len(rewards)} episodes"
    return (
        f"The {episode.network} network, evaluation seed {episode.seed}, "
        f"{figures.epsilon(record.epsilon)}: return {figures.points(episode.reward)}{rank}"
    )


def _shown_clip(record: EvaluationRecord, clip: Clip) -> dict[str, Any]:
    episode = record.episodes[clip.episode]
    length = figures.duration(clip.seconds)
    if not clip.whole:
        extent = f"Its first {length} of {figures.duration(episode.frames / FRAMES_PER_SECOND)}"
    elif episode.cut:
        extent = f"All of it, {length}, cut at the limit"
    else:
        extent = f"The whole episode, {length}"
    said = f"{_which_episode(record, clip.episode)}. {extent}, in the game's own time."
    still = record.seen.screen if record.seen is not None else None
    return {"video": clip.video, "still": still, "said": said}


def _shown_vectors(record: EvaluationRecord, vectors: Vectors) -> dict[str, Any]:
    """Return the curves of an episode without pictures."""
    begin = f"Its first {many(len(vectors.done), 'step')}"
    extent = "The whole episode" if vectors.whole else begin
    drawn = (
        ("What it saw", "What the agent saw, one line per number", vectors.seen),
        ("Values of the actions", "The actions' values, one line each", vectors.valued),
    )
    return {
        "said": f"{_which_episode(record, vectors.episode)}. {extent}.",
        "charts": [
            (title, charts.steps_chart(f"vectors{i}", alt, rows))
            for i, (title, alt, rows) in enumerate(drawn)
        ],
    }


def _shown_seen(record: EvaluationRecord, seen: Seen) -> dict[str, Any]:
    width, height = seen.strip.width // seen.frames, seen.strip.height
    said = (
        f"The game's screen after {many(seen.step, 'step')} of the clip's episode, "
        f"{seen.screen.width} × {seen.screen.height} in colour; then the agent's state at that "
        "step: "
    )
    frames = [f"Frame {i} of {seen.frames}" for i in range(1, seen.frames + 1)]
    if all(_FRAME.fullmatch(label) for label in seen.labels):
        said += (
            f"{many(seen.frames, 'frame')} of {width} × {height} bytes, the oldest first, one "
            f"every {many(record.frames_per_step, 'emulator frame')}."
        )
        labels = frames
    else:
        labels = list(seen.labels)
        said += f"{', '.join(labels)}; {width} × {height} bytes each."
    return {"screen": seen.screen, "strip": seen.strip, "labels": labels, "said": said}


def _environment(run: RunRecord, evaluations: Sequence[EvaluationRecord]) -> list[tuple[str, str]]:
    """Return the run's environment: versions, device and the like."""
    about = run.about
    rows = [
        ("Game", run.game or None),
        ("ROM, md5", run.rom_md5 or (evaluations[0].rom_md5 if evaluations else None)),
        ("Arguments, hash", run.arguments_hash),
        ("Seed", run.seed),
        ("Training episodes", about.get("episodes")),
        ("Device", about.get("device")),
        ("Threads", about.get("threads")),
        ("Platform", about.get("platform")),
        ("Finished", about.get("created")),
        ("Snapshot", run.snapshot.name if run.snapshot is not None else None),
        ("Versions", _versions(run.versions)),
    ]
    others = {_versions(e.versions) for e in evaluations} - {_versions(run.versions)}
    rows += [("Versions in evaluation", other) for other in sorted(others)]
    return [(name, str(value)[:_LONGEST]) for name, value in rows if value not in (None, "")]


def _versions(versions: dict[str, str]) -> str:
    names = [*_SHOWN_PACKAGES, *sorted(versions.keys() - set(_SHOWN_PACKAGES))]
    return ", ".join(f"{name} {versions[name]}" for name in names if name in versions)
