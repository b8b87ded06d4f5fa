"""Every trace of labml's own code, replayed."""

from __future__ import annotations

from pathlib import Path

import pytest

from dqn_port.verify.groups import verify

FOLDER = Path(__file__).parents[2] / "golden" / "labml"
SLOW = {"loop_toyA", "loop_toyA_np2"}
"""152 minibatches each."""
GROUPS = sorted({path.stem for path in FOLDER.glob("*.*") if path.suffix in (".json", ".npz")})


@pytest.mark.parametrize(
    "group", [pytest.param(g, marks=pytest.mark.slow if g in SLOW else ()) for g in GROUPS]
)
def test_a_trace_is_met(group):
    (result,) = verify(FOLDER, system="labml_dqn", only=(group,))
    assert result.error == ""
    assert result.differences == ()
    assert result.same
    assert all("odd.drift" in note for note in result.notes)
    if group == "loop_breakout":
        # What comes of the network alone may be off, and only in its last bits.
        assert result.n_values == 34785
        assert result.largest < 1e-6


def test_all_are_there():
    assert len(GROUPS) == 16
