"""One thread for all tests: two collapse beside a busy process, and bytes depend on the number."""

from __future__ import annotations

import torch

torch.set_num_threads(1)
