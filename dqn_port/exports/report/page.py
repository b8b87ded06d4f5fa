"""The report of one run, one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import functools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import jinja2
from markupsafe import Markup

from dqn_port.exports.nature_scores import Scores, nature_scores
from dqn_port.exports.report import charts, figures
from dqn_port.exports.report.arguments import differences
from dqn_port.exports.report.figures import (
    PAPER_EPISODES,
    PAPER_EPSILON,
    Result,
    many,
    number,
    whole,
)
from dqn_port.exports.report.told import played_in, rewards_of
from dqn_port.files import write_whole
from dqn_port.runs.evaluations import Clip, EvaluationRecord, Image, Seen
from dqn_port.runs.record import RunRecord

_LONGEST: Final = 200
"""Characters of a text that run.json tells; the rest is cut off."""
FRAMES_PER_SECOND: Final = 60
"""Of the Atari 2600 (NTSC)."""
_MIME: Final = {".webp": "image/webp", ".png": "image/png"}
_FEW_EPISODES: Final = 10
"""Of fewer a mean is a rough figure."""
_SHOWN_PACKAGES: Final = ("python", "dqn-port", "torch", "numpy", "ale-py")


class Tile(NamedTuple):
    """A headline figure."""

    label: str
    value: str
    unit: str
    note: str
    colour: str = ""


def write_report(path: Path, run: RunRecord, evaluations: Sequence[EvaluationRecord]) -> None:
    """Write the report of a run and what was evaluated of it to ``path``.

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
        "curves": _curves(run) if n_rows else [],
        "score_chart": charts.score_chart(run, scores),
        "closer_chart": charts.closer_chart(run, scores) if n_rows else None,
        "n_rows": n_rows,
        "qmax": _constant(run.history.get("qmax", ())),
        "paper_episodes": PAPER_EPISODES,
        "n_silent": int((~played_in(run)).sum()),
        "said_training": _said_training(run) if n_rows else "",
        "evaluations": [
            _evaluation(i, evaluation, run, scores) for i, evaluation in enumerate(evaluations)
        ],
        "clip": next((_shown_clip(e, e.clip) for e in evaluations if e.clip), None),
        "seen": next((_shown_seen(e, e.seen) for e in evaluations if e.seen), None),
        "differences": differences(run.arguments, told=is_alone),
        "is_alone": is_alone,
        "environment": _environment(run, evaluations),
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
    """Let an option's path go on in the next line after a dot."""
    return Markup(".<wbr>").join(path.split("."))


def trained_steps(run: RunRecord) -> int | None:
    """Return how many agent steps a run has trained, as far as it tells; None where it does not."""
    steps = number(run.arguments.get("steps")) if run.finished else None
    if steps is not None:
        return int(steps)
    rows = run.history.get("step")
    return None if rows is None else int(rows[-1] if len(rows) else 0)


def training_seconds(run: RunRecord) -> float:
    """Return how long a run has trained; 0 where it does not tell."""
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
    if not results and len(rewards := rewards_of(run)[played_in(run)]):
        best = figures.score(float(rewards.max()))
        tiles.append(Tile("Best evaluation", best, "", "in training", "best"))
    steps, actrep = trained_steps(run), number(run.arguments.get("actrep"))
    if steps is not None:
        frames = "" if actrep is None else f"{figures.large(steps * actrep)} frames"
        tiles.append(Tile("Trained", figures.large(steps), "steps", frames))
    seconds = training_seconds(run)
    if seconds:
        rate = "" if steps is None else f"{whole(steps / seconds)} steps a second"
        tiles.append(Tile("Training time", figures.duration(seconds), "", rate))
    return tiles


def _constant(values: Any) -> str:
    """Write the one number that all of ``values`` are; nothing where they differ."""
    return f"{values[0]:g}" if len(values) and (values == values[0]).all() else ""


def _curves(run: RunRecord) -> list[dict[str, Any]]:
    """Return the small charts of what is told, with their titles, keys and captions."""
    frames = ("training_rate", "testing_rate")

    def chart(name: str, alt: str, **how: Any) -> Markup | None:
        there = all(column in run.history for column in how["columns"])
        return charts.line_chart(name, alt, run, **how) if there else None

    curves: list[dict[str, Any]] = [
        {
            "title": "Value of the held-out states",
            "chart": chart("v", "V of the held-out states against {x}", columns={"v": "best"}),
            "keys": [],
            "note": "Mean over the states of max Q, in clipped reward, discounted.",
        },
        {
            "title": "TD error of the held-out transitions",
            "chart": chart("td", "Mean absolute TD error against {x}", columns={"td": "best"}),
            "keys": [],
            "note": "Mean of its absolute value, after clipping.",
        },
        {
            "title": "ε in training",
            "chart": charts.epsilon_chart(run),
            "keys": [],
            "note": "By the arguments, to the planned end; evaluations in training have "
            f"{figures.epsilon(PAPER_EPSILON)}.",
        },
        {
            "title": "Frames a second",
            "chart": chart(
                "rate",
                "Frames a second in training and evaluation, against frames of training",
                columns=dict(zip(frames, ("best", "second"), strict=True)),
                from_zero=True,
            ),
            "keys": [("best", "training"), ("second", "evaluation")],
            "note": "Emulator frames by the clock, before each evaluation and in it.",
        },
    ]
    if not _constant(run.history.get("qmax", ())):
        curves.append(
            {
                "title": "Qmax",
                "chart": chart("qmax", "Qmax against {x}", columns={"qmax": "best"}),
                "keys": [],
                "note": "In the original it is constant.",
            }
        )
    return [curve for curve in curves if curve["chart"] is not None]


def _said_training(run: RunRecord) -> str:
    """Say what the scores of the evaluations in training are, as far as it is told."""
    n = run.n_evaluations
    said = "Mean return of the episodes that ended within "
    said += f"each of {many(n, 'evaluation')}" if n > 1 else "the one evaluation"
    counts, steps = run.history.get("episodes"), number(run.arguments.get("eval_steps"))
    details = []
    if counts is not None:
        low, high = int(counts.min()), int(counts.max())
        each = f"{whole(low)} to {many(high, 'episode')}"
        details.append(many(high, "episode") if low == high else each)
    if steps is not None:
        details.append(f"in {whole(steps)} steps")
    if run.finished is not None:
        details.append(f"with {figures.epsilon(PAPER_EPSILON)}")
    said += f": {' '.join(details)}" if details else ""
    return f"{said}, too few for an episode" if not played_in(run).any() else said


def _evaluation(
    number: int, record: EvaluationRecord, run: RunRecord, scores: Scores | None
) -> dict[str, Any]:
    """Return an evaluation's chart, table and captions."""
    results = figures.results_of(record)
    reason = figures.why_not_comparable(record)
    compare = None if reason else scores
    said = [
        f"Played with {figures.epsilon(record.epsilon)}",
        _counts(record),
        f"an episode ends after {whole(record.max_frames)} frames at the latest"
        if record.max_frames
        else "only the game ends an episode",
        f"up to {record.random_starts} null actions at its start"
        if record.random_starts
        else "no null actions at its start",
        "sticky actions off (repeat_action_probability 0)"
        if record.rom_md5
        else "no action is repeated at random",
    ]
    notes = [_cut_note(result) for result in results if result.cut]
    if reason and scores is not None:
        notes.append(f"Not comparable with the paper: {reason}.")
    fewest = min(result.episodes for result in results)
    if fewest < _FEW_EPISODES:
        notes.append(
            f"{many(fewest, 'episode').capitalize()} a network: a rough figure; the paper's agent "
            f"played {PAPER_EPISODES}."
        )
    known = run.snapshot_sha256s
    if known and record.snapshot_sha256 not in known:
        notes.append("It was played with another snapshot than the one this run ended with.")
    return {
        "record": record,
        "results": results,
        "said": "; ".join(said),
        "notes": notes,
        "compare": compare,
        "beyond": charts.returns_are_beyond(record, compare),
        "chart": charts.returns_chart(f"returns{number}", record, compare),
    }


def _counts(record: EvaluationRecord) -> str:
    """Say how many episodes were played with which seeds."""
    counts = Counter((episode.network, episode.seed) for episode in record.episodes)
    n = set(counts.values())
    each = f"{many(max(n), 'episode')} a network" if len(n) == 1 else "episodes"
    if len(record.seeds) == 1:
        return f"{each}, evaluation seed {record.seeds[0]}"
    return f"{each} with each of evaluation seeds {figures.listing([str(s) for s in record.seeds])}"


def _cut_note(result: Result) -> str:
    verb = "was" if result.cut == 1 else "were"
    return (
        f"{many(result.cut, 'episode')} of the {result.network} network {verb} cut by the limit; "
        "what was scored until then counts."
    )


def _which_episode(record: EvaluationRecord, index: int) -> str:
    """Say which episode it is, and how it compares."""
    episode = record.episodes[index]
    rewards = [other.reward for other in record.of(episode.network)]
    rank = ""
    if len(rewards) > 1 and episode.reward == max(rewards):
        equal = min(rewards) == max(rewards)
        rank = f", {'that of all' if equal else 'the highest of'} {len(rewards)} episodes"
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
        extent = f"All of it, {length}, up to the limit that cut it"
    else:
        extent = f"The whole episode, {length}"
    said = f"{_which_episode(record, clip.episode)}. {extent}, in the game's own time."
    still = record.seen.screen if record.seen is not None else None
    return {"video": clip.video, "still": still, "said": said}


def _shown_seen(record: EvaluationRecord, seen: Seen) -> dict[str, Any]:
    width, height = seen.strip.width // seen.frames, seen.strip.height
    said = (
        f"The game's screen after {many(seen.step, 'step')} of the clip's episode, "
        f"{seen.screen.width} × {seen.screen.height} in colour; then the agent's state at that "
        f"step: {many(seen.frames, 'frame')} of {width} × {height} bytes, the oldest first, one "
        f"every {many(record.actrep, 'emulator frame')}."
    )
    return {"screen": seen.screen, "strip": seen.strip, "frames": seen.frames, "said": said}


def _environment(run: RunRecord, evaluations: Sequence[EvaluationRecord]) -> list[tuple[str, str]]:
    """Return what the run ran on."""
    about = run.about
    rows = [
        ("Game", run.game or None),
        ("ROM, md5", run.rom_md5 or (evaluations[0].rom_md5 if evaluations else None)),
        ("Arguments, hash", run.arguments_hash),
        ("Seed", run.seed),
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
