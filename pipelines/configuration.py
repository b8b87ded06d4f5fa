"""Luigi's configuration for who starts it from elsewhere than this repository's root."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Final

from luigi.configuration import add_config_path, get_config

from dqn_port.errors import DqnPortError

SHIPPED: Final = Path(__file__).with_name("luigi.cfg")
_PATIENCE_SECONDS: Final = 10.0


class SchedulerError(DqnPortError):
    """The central scheduler does not answer."""


def check_scheduler(host: str, port: int) -> None:
    """Look whether something answers there; Luigi would try for minutes.

    Raises:
        SchedulerError: nothing does.
    """
    try:
        socket.create_connection((host, port), timeout=_PATIENCE_SECONDS).close()
    except OSError as error:
        raise SchedulerError(
            f"luigid at {host}, port {port}: does not answer: {error.strerror or error}; "
            "start it there, or leave the scheduler's host out"
        ) from error


def configure(*, keep_alive: bool = False, memory_gb: int | None = None) -> None:
    """Take the shipped luigi.cfg, unless there is one here or LUIGI_CONFIG_PATH names another.

    ``keep_alive``: the worker waits for what others run, and for what is to be tried again; else
    it ends when it finds nothing to do.
    ``memory_gb``: what replay memories may take at a time, where the scheduler is this process.
    """
    if "LUIGI_CONFIG_PATH" not in os.environ and not Path("luigi.cfg").is_file():
        add_config_path(str(SHIPPED))
    config = get_config()
    config.set("worker", "keep_alive", str(keep_alive).lower())
    if memory_gb is not None and not config.has_option("resources", "memory_gb"):
        config.set("resources", "memory_gb", str(max(1, memory_gb)))
