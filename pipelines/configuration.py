"""Luigi's configuration, independent of the current folder."""

from __future__ import annotations

import configparser
import socket
from pathlib import Path
from typing import Final

from luigi.configuration import get_config

from dqn_port.errors import DqnPortError

SHIPPED: Final = Path(__file__).with_name("luigi.cfg")
_PATIENCE_SECONDS: Final = 10.0


class SchedulerError(DqnPortError):
    """The central scheduler does not answer."""


def check_scheduler(host: str, port: int) -> None:
    """Check that something answers there; Luigi would try for minutes.

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


def take_shipped() -> None:
    """Take from the shipped luigi.cfg the settings that no other configuration has.

    Without them Luigi would exit with 0 when a task has failed.
    """
    shipped, config = configparser.ConfigParser(), get_config()
    shipped.read(SHIPPED, encoding="utf-8")
    for section in shipped.sections():
        for option, value in shipped.items(section):
            if not config.has_option(section, option):
                config.set(section, option, value)


def configure(*, keep_alive: bool, memory_gb: int | None) -> None:
    """Set what the options of ``dqn-port pipeline run`` decide.

    ``keep_alive``: the worker waits for others' tasks and for retries; otherwise it ends when it
    finds nothing to do.

    ``memory_gb``: what replay memories may take at a time, if the scheduler is in this process.
    """
    config = get_config()
    config.set("worker", "keep_alive", str(keep_alive).lower())
    if memory_gb is not None and not config.has_option("resources", "memory_gb"):
        config.set("resources", "memory_gb", str(max(1, memory_gb)))
