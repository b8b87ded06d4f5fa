"""Every trace of the homework's is met, with no discrete difference."""

from __future__ import annotations

import pytest

from dqn_port.verify.groups import verify
from tests.golden_files import GOLDEN

FOLDER = GOLDEN / "practical_rl"
GROUPS = sorted({path.stem for path in FOLDER.iterdir() if path.suffix in (".npz", ".json")})


def test_there_are_all_groups():
    assert len(GROUPS) == 15


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_is_the_same(group):
    (result,) = verify(FOLDER, system="practical_rl", only=(group,))
    assert result.same, (result.error, [str(difference) for difference in result.differences])
    assert not [note for note in result.notes if "not compared" in note]
    assert result.n_differ == 0
