"""Every game goes on exactly from a saved state, in two processes of their own."""

from __future__ import annotations

import logging
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from dqn_port.games.ale.roms import expected_md5s
from dqn_port.games.toy import GAMES as TOYS
from tests.games.saving import MOMENTS, faults_of_game

GAMES = tuple(expected_md5s())
# ale-py's states lack something of the first six; the others' resets depend on how many there
# were, or on the RAM that they find.
PECULIAR = (
    "miniature_golf", "pitfall2", "qbert", "tetris", "trondead", "yars_revenge",
    "beam_rider", "crossbow", "fishing_derby", "hangman", "space_war",
    "assault", "elevator_action", "kung_fu_master", "solaris", "surround", "time_pilot",
)  # fmt: skip
# To load a ROM takes ale-py some 80 ms, so that not every moment of every game is tried here.
ONE_MOMENT = {game: (MOMENTS[i % 3],) for i, game in enumerate(GAMES) if game not in PECULIAR}
CASES = {
    **{f"{game}-xitari": (game, "xitari", wanted, False) for game, wanted in ONE_MOMENT.items()},
    **{f"{game}-xitari": (game, "xitari") for game in (*PECULIAR, *TOYS)},
    **{f"{game}-ale": (game, "ale") for game in PECULIAR[-6:]},
}


@pytest.fixture(scope="module")
def played(request):
    wanted = [item.callspec.params["case"] for item in request.session.items
              if getattr(item, "function", None) is test_it_goes_on_exactly]  # fmt: skip
    with ProcessPoolExecutor(
        2, get_context("spawn"), initializer=logging.disable, initargs=(logging.WARNING,)
    ) as pool:
        yield {case: pool.submit(faults_of_game, *CASES[case]) for case in wanted}


@pytest.mark.parametrize("case", CASES)
def test_it_goes_on_exactly(case, played):
    assert played[case].result() == []


@pytest.mark.slow
@pytest.mark.parametrize("reset", ["xitari", "ale"])
def test_every_game_goes_on_exactly_from_every_moment(reset):
    assert {game: faults for game in GAMES if (faults := faults_of_game(game, reset))} == {}
