"""The program ``dqn-port``: its group of commands, and how faults are shown."""

from __future__ import annotations

import functools
import importlib
import io
import re
import shlex
import shutil
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn

import click

from dqn_port import __version__
from dqn_port.errors import DqnPortError, LuaExit, near_match
from dqn_port.external import external_faults

COMMANDS: Final = {
    "train": ("dqn_port.cli.train:train", "Train an agent, as its original program did."),
    "estimate": (
        "dqn_port.cli.estimate:estimate_command",
        "Estimate the hours, memory and disk that a training takes here.",
    ),
    "evaluate": (
        "dqn_port.cli.evaluate:evaluate",
        "Play a snapshot's network without learning, and show its scores.",
    ),
    "record": (
        "dqn_port.cli.record:record",
        "Evaluate a run's networks, and keep a record: scores, a clip, what the agent sees.",
    ),
    "report": ("dqn_port.cli.report:report", "Write the HTML report of a run, or of several."),
    "plot": (
        "dqn_port.cli.plot:plot",
        "Draw the curves of runs over each other: PNG, SVG or PDF.",
    ),
    "diagnose": (
        "dqn_port.cli.diagnose:diagnose",
        "Compare a network's values with the returns of its games.",
    ),
    "pipeline": (
        "dqn_port.cli.pipeline:pipeline",
        "From a game to a report: check, train, evaluate, export.",
    ),
    "args": ("dqn_port.cli.args:args", "Look at argument files, and convert old ones."),
    "t7": ("dqn_port.cli.t7:t7", "Look into Torch7 files, convert and compare them."),
    "roms": ("dqn_port.cli.roms:roms", "List the games that can be played."),
    "screens": ("dqn_port.cli.screens:screens", "Draw a game's first screens as a contact sheet."),
    "play": (
        "dqn_port.cli.play:play",
        "Play one game with a snapshot's network, optionally as a GIF.",
    ),
    "filters": (
        "dqn_port.cli.filters:filters",
        "Show what the filters of a network respond to.",
    ),
    "check": (
        "dqn_port.cli.check:check",
        "Validate a run's folder: checksums, histories, networks, checkpoints.",
    ),
    "export-weights": (
        "dqn_port.cli.export_weights:export_weights",
        "Write a network's weights for PyTorch, as a plain state dict.",
    ),
    "history": (
        "dqn_port.cli.history:history",
        "Show the histories of runs, and export them as HDF5 or CSV.",
    ),
    "verify": (
        "dqn_port.cli.verify:verify_command",
        "Replay the original's traces with this program, and compare.",
    ),
    "bench": (
        "dqn_port.cli.bench:bench",
        "Measure how fast a loop or a part of it is on this machine.",
    ),
}
"""Command → (module:object, what it does). A command is imported only when used, so --help is
quick."""

_NEAR: Final = re.compile(r"\. \(?Did you mean (?:one of: )?(.*\?)\)?\Z")
"""How click lists similar options."""


def program() -> str:
    """Return the command that runs this program."""
    if shutil.which("dqn-port"):
        return "dqn-port"
    if Path(sys.argv[0]).name == "dqn-port":
        return shlex.quote(sys.argv[0])
    return f"{shlex.quote(sys.executable)} -m dqn_port"


class LazyGroup(click.Group):
    """A group whose commands are imported only when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands' names, in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name.

        Ctrl-C waits for its import: PyTorch's C++ code aborts the process if an exception comes.
        """
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            command: click.Command = getattr(importlib.import_module(module), attribute)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, previous)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what every command does, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, does) for name, (_, does) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or name the nearest one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"no such command '{args[0]}'{near_match(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=f"Begin with: {program()} pipeline run --args legacy_args/pong_quick.json",
)
@click.version_option(__version__, prog_name="dqn-port", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of a fault.")
def dqn_port(debug: bool) -> None:
    """Five classic DQN programs on PyTorch, with the original options, numbers and files.

    \b
    lua_dqn       DQN 3.0, DeepMind's Lua/Torch7 code of the Nature paper; the default
    simple_dqn    Tambet Matiisen's Python 2 on Neon
    labml_dqn     labml's annotated DQN: prioritised, double, dueling, eight games at once
    practical_rl  a course's homework on gymnasium, CartPole first
    hvass16       Hvass' TensorFlow tutorial 16: motion trace, backward sweep, bursts

    The key system in an argument file names the program; --system NAME does so on the command line.
    """
    del debug


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    click.echo("dqn-port: terminated", err=True)
    sys.exit(128 + number)


def _fail(message: str, code: int, *, debug: bool) -> NoReturn:
    if debug:
        traceback.print_exc()
    click.echo(f"dqn-port: error: {' '.join(message.splitlines())}", err=True)
    sys.exit(code)


def main(argv: list[str] | None = None) -> None:
    """Run the program: exit code 0, 1 for a failure, 2 for usage, 130 when interrupted."""
    words = sys.argv[1:] if argv is None else argv
    previous = signal.signal(signal.SIGTERM, _terminated)
    fail = functools.partial(_fail, debug=words[:1] == ["--debug"])
    if isinstance(sys.stdout, io.TextIOWrapper):
        # The terminal's encoding may lack ε or a character of a file's name.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with external_faults():
            result: Any = dqn_port.main(words, prog_name="dqn-port", standalone_mode=False)
        sys.exit(result if isinstance(result, int) else 0)
    except DqnPortError as error:
        if isinstance(error, LuaExit) and error.lua_exit_code == 0:
            click.echo(error.help_text, nl=False)
            sys.exit(0)
        for note in getattr(error, "__notes__", ()):
            click.echo(f"dqn-port: {note}", err=True)
        fail(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(2)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "dqn-port"
        text = _NEAR.sub(r"; did you mean \1", error.format_message()).rstrip(".")
        fail(f"{text[:1].lower()}{text[1:]}; see `{command} --help`", 2)
    except click.ClickException as error:
        fail(error.format_message(), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("dqn-port: interrupted", err=True)
        sys.exit(130)
    except OSError as error:
        # Errors with a file's name are reported where they happen; this one is for the output, on a
        # full disk for example. A closed pipe, `dqn-port roms | head`, ends the program inside
        # click, with 1.
        where = "the output" if error.filename is None else str(error.filename)
        fail(f"{where}: {error.strerror or error}", 1)
    except MemoryError:
        fail("the machine has no memory left; set a smaller replay memory", 1)
    finally:
        signal.signal(signal.SIGTERM, previous)
