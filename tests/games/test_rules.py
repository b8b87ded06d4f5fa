"""Games by ale-py's own rules rather than xitari's, and toy games of another length."""

from __future__ import annotations

from dqn_port.games.ale.emulator import AleEmulator
from dqn_port.games.picture_games import open_game
from dqn_port.games.toy import GAMES, ToyEmulator


def test_ale_pys_own_minimal_actions_and_no_limit_of_frames():
    own, xitari = open_game("pong"), AleEmulator("pong")
    assert (own.actions, xitari.actions) == ((0, 1, 3, 4, 11, 12), (0, 3, 4))
    assert own.ale.getInt("max_num_frames_per_episode") == 0
    assert xitari.ale.getInt("max_num_frames_per_episode") == 65_000


def test_a_toy_game_may_end_sooner():
    toy = ToyEmulator(**GAMES["toyA"], game_ticks=5)
    for _ in range(5):
        assert not toy.game_over()
        toy.act(0)
    assert toy.game_over()
    again = ToyEmulator(**GAMES["toyA"], game_ticks=5)
    again.load_state_dict(toy.state_dict())
    assert again.game_over()
