"""The pipelines' log: one line per fault, and only those of Luigi's messages that matter."""

from __future__ import annotations

import logging
import re
from typing import Final

from luigi.parameter import ParameterException
from luigi.rpc import RPCError
from luigi.worker import TaskException

from dqn_port.errors import DqnPortError

LUIGI: Final = "luigi-interface"
"""Luigi's logger; those below it share its handlers and level."""

logger = logging.getLogger(f"{LUIGI}.pipelines")

_LEFT_OUT: Final = re.compile(
    r"Informed scheduler that task|Running Worker with|Done scheduling tasks|Loaded |"
    r"logging configured|Worker .* was stopped\. Shutting down Keep-Alive thread"
)
"""Luigi's messages that say nothing new."""

_SHORTER: Final = {
    "[pid %s] Worker %s running   %s": "begins: %s",
    "[pid %s] Worker %s done      %s": "done: %s",
    "[pid %s] Worker %s failed    %s": "failed: %s",
}
"""Luigi's message → ours, with its last argument."""


_SCHEDULING: Final = re.compile(
    r"(?P<what>Will not run .* or any dependencies) due to error in .*\n"
    r"(?:dqn_port|pipelines)[\w.]*Error: (?P<said>[^\n]*)\n*\Z",
    re.DOTALL,
)
"""Luigi's message that contains a traceback as text, if that ends with a user's fault."""


def one_line(error: BaseException) -> str | None:
    """Return the message of a fault of the input or the machine; None for a bug, whose traceback
    matters.

    An OSError that reaches Luigi means a folder that cannot be written, or a full disk.
    """
    if isinstance(error, RPCError):
        return f"the scheduler does not answer: {error}"
    notes: list[str] = getattr(error, "__notes__", [])
    known = isinstance(error, DqnPortError | ParameterException | TaskException | OSError)
    return "; ".join(" ".join(text.split()) for text in [str(error), *notes]) if known else None


class OneLine(logging.Filter):
    """Shorten Luigi's messages, and show a user's fault as one line without a traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change a record in place; False leaves it out."""
        text = str(record.msg)
        if record.levelno <= logging.INFO and _LEFT_OUT.match(text):
            return False
        if text in _SHORTER and isinstance(record.args, tuple):
            record.msg, record.args = _SHORTER[text], record.args[-1:]
        fault = _SCHEDULING.match(record.getMessage())
        if fault is not None:
            record.msg, record.args = f"{fault['what']}: {fault['said']}", ()
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            # Luigi passes exc_info even if there is no exception.
            record.exc_info = None
        said = one_line(error) if error is not None else None
        if said is not None:
            record.msg, record.args = f"{record.getMessage()}: {said}", ()
            record.exc_info = record.exc_text = None
        return True


def install() -> None:
    """Put the filter on Luigi's logger, once."""
    luigi = logging.getLogger(LUIGI)
    if not any(isinstance(known, OneLine) for known in luigi.filters):
        luigi.addFilter(OneLine())
