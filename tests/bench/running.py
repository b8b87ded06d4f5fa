"""Small options to measure with."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from dqn_port.systems.lua_dqn.options import Options
from dqn_port.systems.lua_dqn.setup import load_options
from tests.cli.running import toy

LEGACY_ARGS = Path(__file__).parents[2] / "legacy_args"


def toy_options(**changes: object) -> Options:
    """Return the options of a training of a fraction of a second."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "toy.json"
        path.write_text(json.dumps(toy(**changes)))
        return load_options(args_file=path)


def pong_options(*assignments: str) -> Options:
    """Return the options of a short Pong, with the full network."""
    return load_options(args_file=LEGACY_ARGS / "pong_quick.json", assignments=assignments)
