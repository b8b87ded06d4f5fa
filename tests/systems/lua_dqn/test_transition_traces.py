"""The replay memory against the original's, transition by transition and draw by draw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dqn_port.errors import ArgsError, ReplayError
from dqn_port.randoms.torch import Generator
from dqn_port.systems.lua_dqn.transition_table import TransitionTable, hist_indices
from tests.verify.shipped import REPLAY, assert_same


def test_every_state_sample_and_draw_is_the_originals():
    assert_same(REPLAY)


def frame(i):
    """The frame of stream position i: its byte is floor(float32(b / 255) · 255) = b."""
    return ((i * 37 + np.arange(6) * 11) % 256).astype(np.uint8)


def test_the_seam_of_a_full_ring_is_not_guarded():
    table = TransitionTable(
        state_dim=6, hist_len=4, max_size=200, buffer_size=64, generator=Generator(1)
    )
    for i in range(301):
        table.add(frame(i), 0, 0.0, term=False)
    out = np.empty((1, 4, 6), dtype=np.uint8)
    table.concat_frames(np.array([table.insert_index - 2]), out)
    newest_then_oldest = [frame(299), frame(300), frame(101), frame(102)]
    np.testing.assert_array_equal(out[0], newest_then_oldest)


def test_exp2_and_unknown_history_types_are_refused_in_one_line():
    with pytest.raises(ArgsError) as caught:
        hist_indices(4, "exp2", 1)
    assert str(caught.value) == (
        "agent_params.histType: expected linear or exp1.25, got 'exp2'; did you mean 'exp1.25'?"
    )
    with pytest.raises(ArgsError) as caught:
        hist_indices(4, "lineer", 1)
    assert str(caught.value) == (
        "agent_params.histType: expected linear or exp1.25, got 'lineer'; did you mean 'linear'?"
    )


def test_sampling_too_much_or_too_early_is_refused_in_one_line():
    table = TransitionTable(
        state_dim=6, hist_len=4, max_size=200, buffer_size=64, generator=Generator(1)
    )
    with pytest.raises(ReplayError) as caught:
        table.sample(64)
    assert str(caught.value) == "sample(64): expected fewer than bufferSize (64)"
    for i in range(63):
        table.add(frame(i), 0, 0.0, term=False)
    with pytest.raises(ReplayError) as caught:
        table.sample(16)
    assert str(caught.value) == (
        "replay: expected at least 64 transitions to fill the sampling buffer, got 63; "
        "raise learn_start or lower bufferSize"
    )


def test_a_memory_of_terminals_only_is_given_up_instead_of_searched_for_ever(monkeypatch):
    monkeypatch.setattr("dqn_port.systems.lua_dqn.transition_table._MOST_TRIES", 10_000)
    for non_term_prob in (1.0, 0.5):
        table = TransitionTable(
            state_dim=6,
            hist_len=4,
            max_size=200,
            buffer_size=64,
            generator=Generator(1),
            non_term_prob=non_term_prob,
        )
        for i in range(100):
            table.add(frame(i), 0, 0.0, term=True)
        with pytest.raises(ReplayError, match=r"none of 10000 draws among 100 transitions"):
            table.sample(16)


def test_an_unfilled_million_costs_no_memory_and_a_full_one_at_most_7_08_gb():
    table = TransitionTable(state_dim=7056, hist_len=4, max_size=1_000_000, generator=Generator(1))
    total = table.s.nbytes + table.a.nbytes + table.r.nbytes + table.t.nbytes
    assert total <= 7.08e9
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    assert resident < 2e9
