"""ale-py as xitari was: what stands right after a reset, the first one too."""

from __future__ import annotations

import numpy as np
from ale_py import ALEInterface

from dqn_port.games.ale.emulator import AleEmulator, xitari_reset
from dqn_port.games.ale.roms import check_rom


def own_ram_after_resets(env, resets):
    ale = ALEInterface()
    ale.loadROM(check_rom(env, "")[0])
    for _ in range(resets):
        ale.reset_game()
    return ale.getRAM()


def frames(emulator, n):
    shown = np.empty((n, emulator.height, emulator.width), dtype=np.uint8)
    for out in shown:
        emulator.act(1)
        emulator.get_screen(out)
    return shown


def test_beam_riders_first_game_is_as_all_later_ones():
    xitari = xitari_reset("beam_rider").ram
    assert not np.array_equal(own_ram_after_resets("beam_rider", 1), xitari)
    np.testing.assert_array_equal(own_ram_after_resets("beam_rider", 2), xitari)
    emulator = AleEmulator("beam_rider")
    first = frames(emulator, 60)
    emulator.reset_game()
    np.testing.assert_array_equal(frames(emulator, 60), first)


def test_without_the_restored_reset_ale_is_left_as_it_is():
    emulator = AleEmulator("beam_rider", reset="ale")
    np.testing.assert_array_equal(emulator.ale.getRAM(), own_ram_after_resets("beam_rider", 1))
