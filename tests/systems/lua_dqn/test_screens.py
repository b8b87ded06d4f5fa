from __future__ import annotations

import cv2
import numpy as np
import pytest

from dqn_port.systems.lua_dqn import screens
from dqn_port.systems.lua_dqn.player import picture_of
from dqn_port.systems.lua_dqn.preprocs.net_downsample_2x_full_y import NetDownsample2xFullY
from dqn_port.systems.lua_dqn.screens import options_to_watch, sheet, title, watch, write_sheet
from dqn_port.systems.lua_dqn.setup import setup
from tests.tools.running import TOY_A, TOY_B

PONG = (
    "framework=alewrap",
    "env=pong",
    "agent=NeuralQLearner",
    "actrep=4",
    "random_starts=30",
    'pool_frms={"type": "max", "size": 2}',
    "agent_params.hist_len=4",
    "agent_params.preproc=net_downsample_2x_full_y",
    "agent_params.network=net_small",
)
# Where the first cell of a sheet is, in pixels, and what lies between and after its pictures.
LEFT, TOP = 16, 16 + 2 * 24
BETWEEN, AFTER, BELOW = 4, 24, 48


def options(assignments, **more):
    return options_to_watch(
        assignments=[*assignments, *(f"{key}={value}" for key, value in more.items())]
    )


def cells_of(assignments, n, **more):
    return list(watch(setup(options(assignments, **more)), n))


def test_the_screens_are_those_of_the_actions_in_the_captions():
    cells = cells_of(PONG, 12)
    env = setup(options(PONG)).env
    assert [cell.step for cell in cells] == list(range(12))
    assert cells[0].action is None
    for cell in cells:
        screen, reward, terminal = (
            env.get_state() if cell.action is None else env.step(cell.action, training=True)
        )
        np.testing.assert_array_equal(cell.rgb, picture_of(screen))
        y = NetDownsample2xFullY().forward(screen)
        np.testing.assert_array_equal(cell.state.reshape(-1), np.floor(y * np.float32(255)))
        assert (cell.reward, cell.terminal) == (reward, terminal)
    assert env.frames == 1 + 4 * 11


def test_every_action_is_equally_likely():
    cells = cells_of(TOY_B, 400)
    counts = [sum(cell.action == action for cell in cells) for action in (0, 1, 3, 4)]
    starts = sum(cell.action is None for cell in cells)
    assert sum(counts) + starts == 400
    assert min(counts) > 60
    assert max(counts) < 130


def test_after_a_terminal_an_episode_starts():
    cells = cells_of(TOY_B, 60)
    ends = [cell.step for cell in cells if cell.terminal]
    assert ends
    assert [cell.step for cell in cells if cell.action is None] == [0, *(end + 1 for end in ends)]


@pytest.mark.parametrize(("random_starts", "called"), [(0, "new_game"), (3, "next_random_game")])
def test_how_an_episode_starts_depends_on_random_starts(random_starts, called, monkeypatch):
    ready = setup(options(TOY_B, random_starts=random_starts))
    calls = []
    for name in ("new_game", "next_random_game"):
        inner = getattr(ready.env, name)
        monkeypatch.setattr(
            ready.env, name, lambda inner=inner, name=name: (calls.append(name), inner())[1]
        )
    ends = sum(cell.terminal for cell in list(watch(ready, 40))[:-1])
    assert ends
    # nextRandomGame begins with newGame.
    assert calls.count(called) == ends
    assert calls[0] == called


def test_captions_say_step_action_reward_and_end():
    captions = [cell.caption for cell in cells_of(TOY_B, 60)]
    assert captions[:2] == ["0  start", "1  action 0"]
    assert captions[5] == "5  action 4  reward -2  terminal"
    assert any("reward +" in caption for caption in captions)


def test_the_sheet_shows_screens_and_states_where_they_belong(tmp_path):
    path = tmp_path / "sheet.png"
    write_sheet(options(PONG), path, 7)
    picture = cv2.imread(str(path))[..., ::-1]
    cells = cells_of(PONG, 7)
    height, width = 210 + BELOW, 160 + BETWEEN + 210 + AFTER
    # Three columns make the sheet's shape nearest to that of a screen.
    for i, cell in enumerate(cells):
        y, x = TOP + i // 3 * height, LEFT + i % 3 * width
        np.testing.assert_array_equal(picture[y : y + 210, x : x + 160], cell.rgb)
        gray = picture[y : y + 210, x + 160 + BETWEEN : x + width - AFTER]
        np.testing.assert_array_equal(gray[1::5, 1::5, 0], cell.state[::2, ::2])
        assert (gray == gray[..., :1]).all()
        # The caption's line is written below, and nothing else.
        assert (picture[y + 210 : y + 234, x : x + width] != screens._BACKGROUND).any()
        assert (picture[y + 234 : y + height, x : x + width] == screens._BACKGROUND).all()
    assert picture.shape == (TOP + 3 * height + 16, 2 * LEFT + 3 * width, 3)


def test_small_screens_are_enlarged_by_whole_pixels():
    cells = cells_of(TOY_B, 1)
    assert cells[0].state.shape == (10, 10)
    picture = sheet(cells, "toyB")
    shown = picture[TOP : TOP + 150, LEFT : LEFT + 150]
    np.testing.assert_array_equal(shown, cells[0].rgb.repeat(15, 0).repeat(15, 1))
    gray = picture[TOP : TOP + 150, LEFT + 150 + BETWEEN : LEFT + 300 + BETWEEN]
    np.testing.assert_array_equal(gray[7::15, 7::15, 1], cells[0].state)


def test_a_sheet_is_as_wide_as_its_heading():
    assert sheet(cells_of(TOY_B, 1), "w" * 300).shape[1] > 2000


def test_the_title_names_the_game_and_what_shapes_its_screens(tmp_path):
    assert title(options(PONG, seed=3), tmp_path / "p.json") == (
        "pong   p.json   actrep 4   pool_frms max of 2   random_starts 30   seed 3"
    )
    assert title(options(TOY_A)) == (
        "toyA   actrep 4   pool_frms mean of 2   random_starts 0   seed 1"
    )


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_sheet(options(TOY_A, seed=seed), tmp_path / name, 9)
    a, b, c = (tmp_path.joinpath(name).read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_what_only_learning_needs_is_made_small():
    opt = options(PONG, steps=50_000_000, **{"agent_params.replay_memory": 10**12})
    assert opt.agent_params["replay_memory"] == 1
    assert (opt.env, opt.actrep, opt.random_starts) == ("pong", 4, 30)
