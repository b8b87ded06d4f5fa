"""Every system's life in the workshop, on the one game that all can be given: toyA."""

from __future__ import annotations

import html
import itertools
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dqn_port.events import Finished, Ticked
from dqn_port.exports.plots import each_alone, panels_of
from dqn_port.registry import SYSTEMS, find_system
from dqn_port.runs.record import read_run
from dqn_port.runs.run import Run
from dqn_port.runs.run_folder import newest_snapshot
from tests.cli.running import run
from tests.comparing import assert_same_runs, contents

SMALL: dict[str, dict[str, Any]] = {
    "lua_dqn": {
        "framework": "toyfw", "env": "toyA", "agent": "NeuralQLearner", "steps": 120,
        "eval_freq": 60, "eval_steps": 130, "save_freq": 60, "prog_freq": 60, "actrep": 4,
        "random_starts": 3, "seed": 1,
        "agent_params": {
            "network": "net_small", "preproc": "net_downsample_2x_full_y", "hist_len": 4,
            "learn_start": 40, "replay_memory": 100, "bufferSize": 32, "valid_size": 10,
            "minibatch_size": 4, "ep_endt": 50, "lr": 0.001, "discount": 0.9,
        },
    },
    "simple_dqn": {
        "game": "toyA", "backend": "cpu", "screen_width": 36, "screen_height": 36,
        "batch_size": 4, "replay_size": 60, "random_seed": 3, "random_starts": 5,
        "random_steps": 60, "train_steps": 30, "test_steps": 80, "epochs": 2, "target_steps": 5,
        "exploration_decay_steps": 20,
    },
    "labml_dqn": {
        "game": "toyA", "seed": 3, "updates": 8, "n_workers": 2, "worker_steps": 2,
        "train_epochs": 2, "mini_batch_size": 4, "capacity": 12, "update_target_model": 2,
        "eval_updates": 4, "eval_games": 2, "eval_frames": 60,
    },
    "practical_rl": {
        "environment": "toyA", "seed": 1, "batch_size": 2, "total_steps": 12, "decay_steps": 4,
        "loss_freq": 2, "refresh_target_network_freq": 3, "eval_freq": 6, "n_steps": 4,
        "fill_calls": 3, "buffer_size": 10, "learning_rate": 0.001, "n_lives": 1, "t_max": 30,
    },
    "hvass16": {
        "env": "toyA", "seed": 1, "episodes": 4, "replay_size": 80, "batch_size": 8,
        "replay_fraction_start_value": 0.5, "state_height": 21, "state_width": 16,
        "dense": [16], "eval_freq": 40, "eval_episodes": 1, "max_epochs_start_value": 1.0,
    },
}  # fmt: skip
"""Trainings of seconds, with an evaluation at least."""
SAID = {
    "lua_dqn": "in 130 steps with ε 0.05.",
    "simple_dqn": "in 80 steps with ε 0.05.",
    "labml_dqn": "2 episodes with ε 0.05, whole games in an environment of their own, "
    "each of at most 60 frames.",
    "practical_rl": "1 episode played greedily, whole games in an environment of their own, with "
    "unclipped rewards, each life of at most 30 steps.",
    "hvass16": "1 episode with ε 0.01, whole games in an environment of their own.",
}
"""How its report says that scores were played."""
BY_NAME = pytest.mark.parametrize("name", SMALL)


def args_of(name: str, folder: Path) -> Path:
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"system": name} | SMALL[name]))
    return path


def new_run(name: str, folder: Path, **how: Any) -> Run:
    system = find_system(name)
    return Run(system, system.load(args_file=args_of(name, folder)), folder / "out", **how)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Name → the folder of a finished run, made when it is asked for."""
    made: dict[str, Path] = {}

    def of(name: str) -> Path:
        if name not in made:
            whole = new_run(name, tmp_path_factory.mktemp(name))
            assert isinstance(list(whole.train())[-1], Finished)
            made[name] = whole.folder
        return made[name]

    return of


def test_all_systems_are_here():
    assert SMALL.keys() == SYSTEMS.keys()


@BY_NAME
def test_stopped_and_killed_at_awkward_ticks_it_goes_on_to_the_bit(name, finished, tmp_path):
    whole = finished(name)
    for ticks in itertools.chain((1, 7, 13), itertools.repeat(41)):
        part = new_run(name, tmp_path)
        events = part.train()
        n = 0
        for event in events:
            n += isinstance(event, Ticked)
            if n == ticks:
                part.save_checkpoint()
            if n == ticks + 3:
                # Killed: what came after the checkpoint never was.
                break
        ended = isinstance(event, Finished)
        events.close()
        if ended:
            break
    assert_same_runs(whole, part.folder)


@BY_NAME
def test_scores_are_played_at_their_frames_and_change_nothing_else(name, finished, tmp_path):
    """Also where it was killed between two of them, and goes on."""
    whole = contents(finished(name))
    every = {"labml_dqn": 30, "simple_dqn": 400}.get(name, 100)
    parts = [new_run(name, tmp_path, score_every=every) for _ in range(2)]
    events = parts[0].train()
    for event in events:
        if isinstance(event, Ticked) and event.all_frames > 1.3 * every:
            parts[0].save_checkpoint()
        if isinstance(event, Ticked) and event.all_frames > 2.1 * every:
            break
    events.close()
    frames = max(e.all_frames for e in parts[1].train() if isinstance(e, Ticked))
    found = contents(parts[1].folder)
    rows = found.pop("history-scores.csv")
    assert found == whole
    assert [int(row["frames"]) // every for row in rows] == list(range(1, frames // every + 1))
    assert {row["games"] for row in rows} == {"20"}
    assert all(-8 < float(row["score"]) < 60 and float(row["sd"]) > 0 for row in rows)
    _, columns = read_run(parts[1].folder).further["scores"]
    assert columns["step"].tolist() == [int(row["step"]) for row in rows]


@BY_NAME
def test_its_run_is_checked_shown_played_recorded_and_reported(name, finished, capsys, tmp_path):
    folder = finished(name)
    checked = run(capsys, "check", folder)
    assert (checked.code, "DAMAGED" in checked.out) == (0, False), checked.out
    assert f"{name}: toyA, seed" in run(capsys, "history", "show", folder).out
    few = ("--episodes", "1", "--max-frames", "80")
    assert "toyA: the last network of" in run(capsys, "evaluate", folder, *few).out
    gif = tmp_path / "game.gif"
    assert run(capsys, "play", folder, "--gif", gif, "--max-frames", "60").code == 0
    assert gif.read_bytes()[:3] == b"GIF"
    record, page, hdf5 = (tmp_path / n for n in ("evaluation-a", "a.html", "a.h5"))
    assert run(capsys, "record", folder, "-o", record, *few).code == 0
    told = json.loads((record / "evaluation.json").read_text())
    assert (told["game"], told["clip"]["whole"]) == ("toyA", True)
    assert run(capsys, "report", folder, "--evaluation", record, "-o", page).code == 0
    text = page.read_text()
    assert "toyA" in text
    assert "None was recorded" not in text
    assert "Values and returns" in text
    assert run(capsys, "history", "export", folder, "--evaluation", record, "-o", hdf5).code == 0
    assert "evaluated, last network" in run(capsys, "history", "show", hdf5).out
    assert run(capsys, "history", "export", folder, "--csv", "-o", tmp_path / "a.csv").code == 0
    assert run(capsys, "export-weights", folder, "-o", tmp_path / "a.pt").code == 0


LEARNT = {
    "lua_dqn": -2.0, "simple_dqn": -1.0, "labml_dqn": -2.0, "practical_rl": -1.0, "hvass16": -1.0,
}  # fmt: skip
"""What training by SMALL makes of two points lost."""
DISCOUNTS = {"lua_dqn": 0.9, "hvass16": 0.97}


@BY_NAME
def test_its_player_tells_what_values_are_of(name, finished):
    path = newest_snapshot(finished(name), name)
    assert path is not None
    system = find_system(name)
    player: Any = system.open_player(path, assignments=["threads=1"])
    assert player.discount == DISCOUNTS.get(name, 0.99)
    assert list(player.actions) == ["NOOP", "FIRE", "RIGHT", "LEFT"]
    lives, learnt, n_lost = None, set(), 0
    for _ in range(200):
        # Only the first action: the ball is missed soon.
        step = player.step(0)
        # Hidden frames, those of resets, lose lives that end nothing.
        seen = step.frames <= player.frames_per_step or name == "hvass16"
        if lives is not None and seen and step.ended != "limit":
            lost = step.lives is not None and step.lives < lives
            assert step.terminal == (lost or step.ended == "game"), step
            n_lost += lost
        if step.earned == -2 and seen:
            learnt.add(step.learnt)
        lives = None if step.ended in ("game", "limit") else step.lives
    assert n_lost > 5
    assert learnt == {LEARNT[name]}


@BY_NAME
def test_its_player_shows_the_convolutions_of_its_network(name, finished):
    path = newest_snapshot(finished(name), name)
    assert path is not None
    system = find_system(name)
    step = system.open_player(path, assignments=["threads=1"]).step()
    shown = step.convolve()
    weights = [w for w in system.export(path).state.values() if np.ndim(w) == 4]
    if name == "hvass16":
        # TensorFlow's order: [height, width, in, out].
        weights = [w.transpose(3, 2, 0, 1) for w in weights]
    assert len(shown) == len(weights) == 3
    for convolution, kernels in zip(shown, weights, strict=True):
        np.testing.assert_array_equal(convolution.kernels, kernels)
        assert convolution.outputs.ndim == 3
        assert len(convolution.outputs) == len(kernels)
        assert convolution.outputs.min() >= 0
    # What a convolution makes of the outputs before it, somewhere in the middle.
    before, after = shown[1].outputs, shown[2].outputs
    k = shown[2].kernels.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(before, (k, k), axis=(1, 2))
    products = np.einsum("cyxij,fcij->fyx", windows, shown[2].kernels)
    y, x = products.shape[1] // 2, products.shape[2] // 2
    more = (before.shape[1] - products.shape[1]) // 2 if name == "hvass16" else 0
    stride = round(before.shape[1] / after.shape[1]) if name == "practical_rl" else 1
    found = after[:, y // stride + more, x // stride + more]
    bias = found - products[:, y // stride * stride, x // stride * stride]
    exported = {n: v for n, v in system.export(path).state.items() if np.ndim(v) == 1}
    biases = [v for v in exported.values() if len(v) == len(found)]
    expected = np.zeros(len(found)) if name == "simple_dqn" else biases[-1]
    np.testing.assert_allclose(bias[found > 0], expected[found > 0], atol=1e-5)


@BY_NAME
def test_its_network_is_diagnosed(name, finished, capsys, tmp_path):
    page = tmp_path / "a.html"
    words = ("--episodes", "3", "--max-frames", "400")
    result = run(capsys, "diagnose", finished(name), "-o", page, *words)
    assert (result.code, result.err) == (0, "")
    text = page.read_text()
    assert len(text) < 5_000_000
    for shown in ("Values and returns", "The values differ most", "Kernels", "NOOP", "RIGHT"):
        assert shown in text
    assert "does not tell" not in text
    assert "During training" in text


@pytest.mark.parametrize("name", sorted(SMALL.keys() - {"lua_dqn"}))
def test_a_player_uses_as_many_threads_as_it_is_given(name, finished, monkeypatch):
    folder, used = finished(name), list[int]()
    monkeypatch.setattr(torch, "set_num_threads", used.append)
    system, path = find_system(name), newest_snapshot(folder, name)
    assert path is not None
    options = system.load(args_file=folder / "args.json", assignments=["threads=1"])
    system.player(options, system.load_network(path), seed=1)
    assert used == [1]


@BY_NAME
def test_what_its_report_says_of_scores(name, finished, capsys, tmp_path):
    page = tmp_path / "a.html"
    assert run(capsys, "report", finished(name), "-o", page).code == 0
    text = " ".join(html.unescape(re.sub("<[^>]+>", " ", page.read_text())).split())
    assert "Mean return of the episodes that ended within " in text
    assert f"{SAID[name]} The ring marks the best" in text
    assert ("whose network was kept" in text) == bool(find_system(name).HISTORY[0].best)
    assert "Hollow" not in text


def longer(name):
    """Words for a run that goes on counting, as hvass16's does, from another's network."""
    return ("--length", "9") if name == "hvass16" else ()


@BY_NAME
def test_a_run_starts_from_the_network_of_another(name, finished, capsys, tmp_path):
    words = ("--network", finished(name), "--name", "two", "--out", tmp_path, *longer(name))
    started = run(capsys, "train", *words)
    assert started.code == 0, started.err
    assert "starts from the network of" in started.err
    checked = run(capsys, "check", tmp_path / "two")
    assert checked.code == 0, checked.out


@pytest.mark.parametrize("name", [name for name in SYSTEMS if name != "lua_dqn"])
def test_a_run_starts_from_a_networks_file_alone(name, finished, capsys, tmp_path):
    alone = tmp_path / "alone.safetensors"
    shutil.copyfile(newest_snapshot(finished(name), name), alone)
    out = tmp_path / "out"
    words = ("--network", alone, "--name", "two", "--out", out, *longer(name))
    started = run(capsys, "train", *words)
    assert started.code == 0, started.err
    here, there = (json.loads((f / "args.json").read_text()) for f in (out / "two", finished(name)))
    system = find_system(name)
    own = ["name", system.option_of("start")] + [system.option_of("length")] * bool(longer(name))
    assert {k: v for k, v in here.items() if k not in own} == {
        k: v for k, v in there.items() if k not in own
    }


@BY_NAME
def test_its_options_are_listed_with_a_meaning(name, capsys):
    shown = run(capsys, "args", "show", "--system", name, "--json")
    rows = json.loads(shown.out)
    assert len(rows) > 10
    assert all(row["meaning"] for row in rows)


@BY_NAME
def test_the_curves_of_all_its_tables_are_reported_and_plotted(name, finished, capsys, tmp_path):
    page, picture = tmp_path / f"{name}.html", tmp_path / f"{name}.svg"
    assert run(capsys, "report", finished(name), "-o", page).code == 0
    titles = {html.unescape(text) for text in re.findall("<h3>(.*?)</h3>", page.read_text())}
    charts = [chart for table in find_system(name).HISTORY for chart in table.charts]
    assert {chart.title for chart in charts if not chart.unless_constant} <= titles
    drawn = run(capsys, "plot", finished(name), "-o", picture)
    n = len(getattr(find_system(name), "PLOTS", ())) or 1 + len(titles & {c.title for c in charts})
    assert drawn.out == f"1 run, {n} panels: {picture}\n"


def test_all_systems_stand_in_one_picture_over_emulator_frames(finished, capsys, tmp_path):
    picture = tmp_path / "all.png"
    drawn = run(capsys, "plot", *map(finished, SMALL), "-o", picture, "--x", "frames")
    assert (drawn.err, drawn.out) == ("", f"5 runs, 1 panel: {picture}\n")
    runs = [read_run(finished(name)) for name in ("simple_dqn", "hvass16")]
    (panel,) = panels_of(each_alone(runs), fields=["score"], x="frames")
    simple, hvass = panel.lines
    # 60 steps at random and 30 of training an epoch, 4 frames each; tests come after them.
    assert simple.x.tolist() == [4 * 90, 4 * 120]
    # 2, 3 or 4 frames a state.
    assert hvass.x.tolist() == [3 * 40 * (i + 1) for i in range(len(hvass.x))]


def test_the_homeworks_plots_are_reported_in_steps(finished, capsys, tmp_path):
    page = tmp_path / "a.html"
    assert run(capsys, "report", finished("practical_rl"), "-o", page).code == 0
    labels = set(re.findall(r'aria-label="([^"]*)"', page.read_text()))
    plots = ("Mean reward per life, as learnt", "TD loss history, smoothed", "Initial state V")
    assert {f"{title} against step" for title in (*plots, "Grad norm history, smoothed")} <= labels


@BY_NAME
def test_an_argument_that_it_does_not_know_is_one_line(name, capsys):
    refused = run(capsys, "train", "--system", name, "--set", "sede=3")
    assert refused.code == 2
    assert "sede: no such key" in refused.error


def test_a_game_with_pictures_that_is_seen_as_numbers_is_recorded_as_both(capsys, tmp_path):
    args = tmp_path / "pole.json"
    table = SMALL["practical_rl"] | {"environment": "CartPole-v1", "system": "practical_rl"}
    args.write_text(json.dumps(table))
    assert run(capsys, "train", "--args", args, "--out", tmp_path, "--quiet").code == 0
    record, page = tmp_path / "evaluation-pole", tmp_path / "pole.html"
    assert run(capsys, "record", tmp_path / "pole", "-o", record, "--episodes", "1").code == 0
    told = json.loads((record / "evaluation.json").read_text())
    assert (told["clip"]["whole"], told["seen"]) == (True, None)
    assert len(told["vectors"]["seen"]) == told["episodes"][0]["steps"]
    assert run(capsys, "report", tmp_path / "pole", "-o", page).code == 0
    assert "What the agent saw, one line per number" in page.read_text()


@BY_NAME
def test_exported_weights_are_read_back(name, finished, capsys, tmp_path):
    folder, weights = finished(name), tmp_path / "w.pt"
    assert run(capsys, "export-weights", folder, "-o", weights).code == 0
    args, limit = args_of(name, tmp_path), ("--max-frames", "400", "--episodes", "2")
    played = run(capsys, "evaluate", folder, *limit)
    again = run(capsys, "evaluate", weights, "--args", args, *limit)
    assert (again.code, again.err) == (0, played.err)
    # All but the first line, which names the file, is the same.
    assert again.out.splitlines()[1:] == played.out.splitlines()[1:]
    alone = tmp_path / f"alone{find_system(name).SUFFIX}"
    told = run(capsys, "export-weights", folder, "-o", alone)
    assert told.out.endswith(f" evaluate {alone} --episodes 5\n")
    again = run(capsys, "evaluate", alone, *limit)
    assert again.out.splitlines()[1:] == played.out.splitlines()[1:]
    words = ("--out", tmp_path, "--name", "again", "--quiet")
    trained = run(capsys, "train", "--args", args, "--network", weights, *words)
    assert trained.code == 0, trained.err
