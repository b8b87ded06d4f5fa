"""What a picture of runs shows: lines of hand-made tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dqn_port.errors import HistoryError
from dqn_port.exports.plots import each_alone, panels_of, seeds_together
from dqn_port.records import Chart, Column, RunRecord, Table
from dqn_port.registry import find_system
from dqn_port.runs.record import EMPTY_COUNT

GAMES = Table(
    clock="step",
    score="reward",
    columns=(
        Column(name="step", heading="steps", dtype="int64", unit="agent steps", meaning="of it"),
        Column(name="frames", dtype="int64", unit="emulator frames", meaning="of it"),
        Column(name="reward", unit="points", meaning="of games"),
        Column(name="rate", unit="s-1", meaning="of steps"),
        Column(name="phase", dtype="text", meaning="of it"),
    ),
    charts=(
        Chart(title="Both", columns=("reward", "rate"), keys=("points", "speed"), from_zero=True),
    ),
)
LOSSES = Table(
    name="loss",
    clock="step",
    columns=(
        Column(name="step", dtype="int64", unit="updates", meaning="of it"),
        Column(name="reward", meaning="of another kind"),
        Column(name="loss", meaning="of it"),
    ),
    charts=(Chart(title="Loss, doubled", columns=("loss",), smooth=lambda values: 2 * values),),
)


def run_of(name="a", system="lua_dqn", step=(10, 20, 30), reward=(1.0, 2.0, 6.0), **history):
    n = len(step)
    told = {
        "step": np.array(step),
        "frames": 4 * np.array(step),
        "reward": np.array(reward),
        "rate": np.full(n, 3.0),
        "phase": np.array(["play"] * n, dtype=object),
    }
    losses = {"step": np.array([0, 1]), "reward": np.array([8.0, 9.0]), "loss": np.array([0.5, 1])}
    return RunRecord(
        folder=Path(f"/runs/{name}"),
        system=system,
        table=GAMES,
        name=name,
        game="toyA",
        arguments={"seed": 1, "name": name},
        arguments_hash="",
        seed=1,
        about={},
        finished=True,
        history=told | history,
        time=None,
        snapshot=None,
        further={"loss": (LOSSES, losses)},
    )


def shown(runs, **how):
    """Title → label → the points of a line."""
    return {
        panel.title: {
            line.label: list(zip(line.x.tolist(), line.y.tolist(), strict=True))
            for line in panel.lines
        }
        for panel in panels_of(each_alone(runs), **how)
    }


def test_a_run_is_drawn_as_its_tables_ask_for_its_score_first():
    assert shown([run_of()]) == {
        "Score": {"": [(10, 1), (20, 2), (30, 6)]},
        "Both": {"points": [(10, 1), (20, 2), (30, 6)], "speed": [(10, 3), (20, 3), (30, 3)]},
        "Loss, doubled": {"": [(0, 1), (1, 2)]},
    }
    score, both, loss = panels_of(each_alone([run_of()]))
    assert (score.x, score.y) == ("agent steps", "mean return of whole games (points)")
    assert (both.y, both.from_zero) == ("points", True)
    assert (loss.x, loss.y) == ("step (updates)", "loss")


def test_fields_are_columns_of_any_table_over_any_other():
    panels = shown([run_of()], fields=["rate", "loss.reward", "history.reward"], x="step")
    assert panels == {
        "rate": {"": [(10, 3), (20, 3), (30, 3)]},
        "reward": {"": [(10, 1), (20, 2), (30, 6)]},
    }
    (panel,) = panels_of(each_alone([run_of()]), fields=["rate"], x="frames")
    assert (panel.x, panel.y) == ("emulator frames", "rate (1/s)")
    assert panel.lines[0].x.tolist() == [40, 80, 120]
    assert shown([run_of()], fields=["loss"], raw=True) == {
        "Loss, doubled": {"": [(0, 0.5), (1, 1)]}
    }


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (
            {"fields": ["loss.los"]},
            "/runs/a: --fields: expected some of step, frames, reward, rate, loss.step, "
            "loss.reward, loss.loss, got 'loss.los'; did you mean 'loss.loss'?",
        ),
        (
            {"fields": ["loss"], "x": "frames"},
            "/runs/a: --x: expected a column of its table loss, one of step, reward, loss, got "
            "'frames'",
        ),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(how, message):
    with pytest.raises(HistoryError) as caught:
        panels_of(each_alone([run_of()]), **how)
    assert str(caught.value) == message


def test_runs_over_each_other_have_their_names_or_else_their_folders():
    assert list(shown([run_of(), run_of("b")])["Score"]) == ["a", "b"]
    moved = replace(run_of(), folder=Path("/other/a"))
    assert list(shown([run_of(), moved])["Score"]) == ["/runs/a", "/other/a"]


def test_of_several_systems_the_score_is_drawn_over_what_all_have():
    other = Table(
        clock="update",
        score="mean",
        columns=(
            Column(name="update", dtype="int64", meaning="of it"),
            Column(name="frames", dtype="int64", meaning="of it"),
            Column(name="mean", meaning="of it"),
        ),
    )
    history = {"update": np.array([1]), "frames": np.array([50]), "mean": np.array([4.0])}
    runs = [run_of(), replace(run_of("b", "labml_dqn"), table=other, history=history, further={})]
    assert shown(runs, x="frames") == {"Score": {"a": [(40, 1), (80, 2), (120, 6)], "b": [(50, 4)]}}
    with pytest.raises(HistoryError) as caught:
        shown(runs)
    assert str(caught.value) == (
        "--x: expected one for all runs, got step and update; name a column that all of them have, "
        "such as frames"
    )


def test_rows_without_a_number_are_left_out_and_runs_without_one_say_so():
    assert shown([run_of(reward=(1, np.nan, 3))])["Score"] == {"": [(10, 1), (30, 3)]}
    counts = run_of(frames=np.array([4, EMPTY_COUNT, 8]))
    assert shown([counts], fields=["frames"]) == {"frames": {"": [(10, 4), (30, 8)]}}
    with pytest.raises(HistoryError) as caught:
        shown([run_of(step=(), reward=())], fields=["reward"])
    assert str(caught.value) == "/runs/a: expected rows to draw, got none yet"


def test_phases_are_lines_of_their_own_and_a_row_alone_is_a_level():
    words = np.array(["random", "train", "train"], dtype=object)
    table = replace(GAMES, curves="phase")
    (panel,) = panels_of(each_alone([replace(run_of(phase=words), table=table)]), fields=["reward"])
    assert [(line.label, line.is_level, line.y.tolist()) for line in panel.lines] == [
        ("random", True, [1]),
        ("train", False, [2, 6]),
    ]


def seeded(name, seed, **how):
    return replace(run_of(name, **how), arguments={"seed": seed, "lr": how.pop("lr", 0.1)})


def test_seeds_are_their_mean_and_the_band_between_them():
    runs = [
        seeded("a", 1, step=(0, 10, 20), reward=(0, 4, 4)),
        seeded("b", 2, step=(5, 20), reward=(4, 10)),
    ]
    (group,) = seeds_together(runs)
    assert group.label == "lua_dqn toyA, 2 seeds"
    (line,) = panels_of([group], fields=["reward"])[0].lines
    # Where both are, from 5 on; the first is 2 there, and the second 6 at 10.
    assert line.x.tolist() == [5, 10, 20]
    assert line.y.tolist() == [3, 5, 7]
    assert line.band is not None
    assert [side.tolist() for side in line.band] == [[2, 4, 4], [4, 6, 10]]
    assert line.label == "lua_dqn toyA, 2 seeds"


def test_only_runs_that_differ_by_their_seed_alone_are_together():
    runs = [seeded("a", 1), seeded("b", 2), replace(run_of("c"), arguments={"seed": 1, "lr": 9})]
    groups = seeds_together(runs)
    assert [[run.name for run in group.runs] for group in groups] == [["a", "b"], ["c"]]
    assert [group.label for group in groups] == ["lua_dqn toyA, 2 seeds", "c"]


def test_seeds_that_share_no_x_are_refused():
    runs = [seeded("a", 1, step=(0, 10, 20)), seeded("b", 2, step=(40, 50, 60))]
    with pytest.raises(HistoryError) as caught:
        panels_of(seeds_together(runs), fields=["reward"])
    assert str(caught.value) == (
        "--band: expected seeds that share a part of their x, got those of lua_dqn toyA, 2 seeds, "
        "where one begins at 40 and another ends at 20"
    )


def test_the_homeworks_four_plots_are_drawn_in_steps():
    system = find_system("practical_rl")
    evaluations, losses = system.HISTORY
    n = 300
    history = {c.name: np.arange(3) * 1000 for c in evaluations.columns}
    loss = {"step": np.arange(n) * 20, "td_loss": np.ones(n), "grad_norm": np.arange(n) * 2.0}
    run = replace(
        run_of(system="practical_rl"),
        table=evaluations,
        history=history,
        further={"loss": (losses, loss)},
    )
    panels = panels_of(each_alone([run]))
    assert [panel.title for panel in panels] == [
        "Mean reward per life, as learnt",
        "TD loss history, smoothed",
        "Initial state V",
        "Grad norm history, smoothed",
    ]
    assert {panel.x for panel in panels} == {"step (updates)"}
    (line,) = panels[3].lines
    assert line.x.tolist() == loss["step"].tolist()
    # The mean of 2·100 to 2·199 stands amid those rows.
    assert line.y[150] == pytest.approx(2 * 149.5)
