"""Names that fields of files had while this program was the only one."""

from __future__ import annotations

from typing import Final

OLD_NAMES: Final = {"frames_per_step": "actrep"}
"""Field of evaluation.json → its name in format 1."""
