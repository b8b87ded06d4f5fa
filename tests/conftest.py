"""One thread for all tests: two collapse beside a busy process, and bytes depend on the number.

Hypothesis tries the same inputs every time; `HYPOTHESIS_PROFILE=search` tries new ones.
"""

from __future__ import annotations

import os

import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
