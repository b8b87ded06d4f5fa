"""What fields of files were called while this program was the only one: by its own words."""

from __future__ import annotations

from typing import Final

OLD_NAMES: Final = {"frames_per_step": "actrep"}
"""Field of evaluation.json → its name in format 1."""
