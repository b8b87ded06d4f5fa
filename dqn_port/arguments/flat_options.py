"""Options that are one flat table, name → value: read, checked, compared and shown."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

from dqn_port.arguments.args_file import NOTES, parse_json, read_args_json
from dqn_port.arguments.values import checked, name_of_folder, origin_of, shown
from dqn_port.devices import Device, device_named
from dqn_port.errors import (
    ArgsError,
    DqnPortError,
    RunFolderError,
    UsageError,
    near_match,
)
from dqn_port.files import reading, sha256_of, write_whole
from dqn_port.options import (
    Compared,
    Converted,
    Differences,
    OptionRow,
    OtherOption,
    Param,
    ShownOptions,
    Words,
)

HASH_LENGTH: Final = 10
"""Hexadecimal digits of a run's hash."""

WORKSHOP: Final = (
    Param(name="name", kind="string", role="name", changes="nothing",
          meaning="name of the run's folder and files", default_is="the argument file's"),
    Param(name="seed", kind="integer", role="seed", low=0, high=2**32 - 1,
          meaning="seed of all random numbers", default_is="drawn, and written down"),
    Param(name="device", kind="string", role="device", default="cpu",
          meaning="where the network runs: cpu, cuda or cuda:N"),
    Param(name="threads", kind="integer", role="threads", default=1, low=1, high=1024,
          meaning="CPU threads", unit="threads", changes="nothing"),
    Param(name="network", kind="string", role="start", default="",
          meaning="saved network to start from; empty: none"),
    Param(name="best", kind="boolean", role="best", default=False,
          meaning="start from the saved file's best network"),
)  # fmt: skip
"""Options that every run has; a system's own option of the same role takes its place."""


@dataclass
class FlatDraft:
    """Options while they are put together."""

    values: dict[str, Any] = field(default_factory=dict)
    """Name → value, as far as given."""
    sources: dict[str, str] = field(default_factory=dict)
    """Name → where its value came from."""
    warnings: list[str] = field(default_factory=list)
    stem: str = ""
    """Name of the argument file, without its ending."""
    drawn: bool = False
    """Whether the seed was not given, but drawn."""

    def put(self, table: Mapping[str, Any], source: str) -> None:
        """Set what a table holds."""
        for name, value in table.items():
            self.values[name] = value
            self.sources[name] = source


class FlatOptions:
    """The half of a system that is about its options, declared by OPTIONS."""

    NAME: ClassVar[str]
    OPTIONS: ClassVar[tuple[Param, ...]]
    best_assignment: ClassVar[str] = "best=true"

    def words(self, words: Sequence[str]) -> Words:
        """Read the words of the original's command line; most had none.

        Raises:
            UsageError: always, where a system does not override it.
        """
        raise UsageError(
            f"-- {' '.join(words)}: {self.NAME} never had words of its own; use --set KEY=VALUE"
        )

    def check(self, options: dict[str, Any]) -> dict[str, Any]:
        """Check options as a whole, each of them already by its Param; fill in what is computed.

        Raises:
            UsageError, RomError, MemoryNeedError: they cannot be run.
        """
        return options

    def remarks(self, given: Mapping[str, Any], options: Mapping[str, Any]) -> Iterator[str]:
        """Yield what acts otherwise here than the options that were given say."""
        del given, options
        return iter(())

    def params(self) -> dict[str, Param]:
        """Return all options by name: the system's own, and those that every run has."""
        roles = {param.role for param in self.OPTIONS}
        added = [param for param in WORKSHOP if param.role not in roles]
        return {param.name: param for param in (*self.OPTIONS, *added)}

    def option_of(self, role: str) -> str:
        """Return the name of the option that has a role.

        Raises:
            UsageError: none has it.
        """
        for name, param in self.params().items():
            if param.role == role:
                return name
        raise UsageError(f"--{role}: {self.NAME} has no such option")

    def new_draft(self) -> FlatDraft:
        """Return an empty draft for ``load``."""
        return FlatDraft()

    def load(
        self,
        *,
        args_file: Path | None = None,
        words: Sequence[str] = (),
        assignments: Sequence[str] = (),
        draft: FlatDraft | None = None,
    ) -> dict[str, Any]:
        """Put options together; see interfaces.System.

        Raises:
            ArgsError: an unknown key, a value that its Param does not allow.
            UsageError, RomError, MemoryNeedError: see words, check.
        """
        draft = self.new_draft() if draft is None else draft
        self._gather(draft, args_file, words, assignments)
        options = self.check(self._finish(draft))
        draft.warnings += self.remarks(draft.values, options)
        return options

    def _gather(
        self,
        draft: FlatDraft,
        args_file: Path | None,
        words: Sequence[str],
        assignments: Sequence[str],
    ) -> None:
        """Add an argument file, words and assignments to a draft, the later the more."""
        if args_file is not None:
            table = read_args_json(args_file)
            draft.stem = args_file.stem
            options = {k: v for k, v in table.items() if k not in (NOTES, "system")}
            draft.put(self._renamed(options, str(args_file)), str(args_file))
        if words:
            verb, given = self.words(words)
            if verb != "train":
                raise UsageError(
                    f"-- {' '.join(words)}: expected words that train; with these nothing is "
                    f"learned: use `dqn-port {verb}`"
                )
            draft.put(given, "words")
        draft.put(self._renamed(self._assigned(assignments), "--set"), "--set")

    def _assigned(self, assignments: Sequence[str]) -> dict[str, Any]:
        given: dict[str, Any] = {}
        params = self.params()
        for assignment in assignments:
            name, equals, text = assignment.partition("=")
            if not equals or not name:
                example = f"{self.option_of('seed')}=2"
                raise ArgsError(f"--set {assignment}: expected key=value, such as {example}")
            try:
                value = parse_json(text)
            except ValueError:
                value = text
            if name in params and params[name].kind == "string" and not isinstance(value, str):
                value = text
            given[name] = value
        return given

    def _finish(self, draft: FlatDraft) -> dict[str, Any]:
        """Check every value by its Param, and fill in the defaults."""
        params = self.params()
        for name, value in draft.values.items():
            where = f"{draft.sources[name]}: {name}"
            if name not in params:
                raise ArgsError(
                    f"{where}: no such key{near_match(name, params)}; "
                    f"`dqn-port args show --system {self.NAME}` lists all"
                )
            if value is not None:
                draft.values[name] = checked(params[name], value, where)
        options: dict[str, Any] = {}
        for name, param in params.items():
            given = draft.values.get(name)
            options[name] = param.default if given is None else given
        for name, param in params.items():
            if param.default_from and options[name] is None:
                options[name] = options[param.default_from]
        seed, name = self.option_of("seed"), self.option_of("name")
        if options[seed] is None:
            options[seed], draft.drawn = int.from_bytes(os.urandom(4), "little"), True
        options[name] = name_of_folder(options[name] or draft.stem or self.NAME)
        return options

    def asked_again(self, draft: FlatDraft, words: Sequence[str], folder: Path) -> dict[str, Any]:
        """Return the options that a command leaves to the run in its folder: a seed not given."""
        del words
        seed = self.option_of("seed")
        try:
            there = parse_json((folder / "args.json").read_text(encoding="utf-8"))
            found = there[seed] if draft.drawn and there["system"] == self.NAME else None
        except (OSError, ValueError, LookupError, TypeError):
            # What stands there otherwise is refused later.
            return {}
        return {seed: found} if type(found) is int else {}

    def device_assignments(self, device: str) -> list[str]:
        """Return the assignments that ``--device`` stands for; auto: none."""
        return [] if device == "auto" else [f"{self.option_of('device')}={device}"]

    def device(self, options: Mapping[str, Any], *, explicit: bool = False) -> Device:
        """Return where the network is computed.

        Raises:
            ArgsError, DeviceError: see devices.device_named.
        """
        del explicit
        return Device(device_named(options[self.option_of("device")]))

    def _renamed(self, table: Mapping[str, Any], source: str) -> dict[str, Any]:
        """Return a table with the original's words for the workshop's: random_seed for seed, say.

        Raises:
            ArgsError: it has both, with different values.
        """
        params, renamed = self.params(), dict(table)
        for role in ("seed", "name", "device", "threads"):
            own = self.option_of(role)
            if role == own or role in params or role not in renamed:
                continue
            value = renamed.pop(role)
            if renamed.setdefault(own, value) != value:
                raise ArgsError(
                    f"{source}: {role}: expected {renamed[own]!r}, as {own} says, got "
                    f"{value!r}; give one of them"
                )
        return renamed

    def show(
        self,
        draft: FlatDraft,
        args_file: Path | None,
        words: Sequence[str],
        assignments: Sequence[str],
    ) -> ShownOptions:
        """Return every option as it takes effect, also where they cannot be run.

        Raises:
            UsageError: see load.
        """
        self._gather(draft, args_file, words, assignments)
        options, fault = self._finish(draft), None
        try:
            options = self.check(dict(options))
        except DqnPortError as error:
            fault = error
        rows = [
            OptionRow(
                name,
                options[name],
                json.dumps(options[name], ensure_ascii=False),
                origin_of(param, draft.sources.get(name, "")),
                param.unit,
                param.meaning,
            )
            for name, param in self.params().items()
        ]
        return ShownOptions(rows, [], fault)

    def convert(
        self, old: Path | None, words: str, new: Path, *, shape: str, as_ascii: bool
    ) -> Converted:
        """Turn the words of the original's command line into an argument file.

        Raises:
            UsageError: there are none, or it had none.
            RunFolderError: see files.write_whole.
        """
        del shape, as_ascii
        if old is not None or new.suffix != ".json":
            raise UsageError(
                f"args convert: expected --words and NEW.json, {self.NAME} kept no files of "
                "arguments"
            )
        try:
            split = shlex.split(words)
        except ValueError as error:
            raise UsageError(f"--words: expected whole quotes, got {words!a}: {error}") from error
        verb, given = self.words(split)
        if verb != "train":
            raise UsageError(f"--words: expected words that train, got those for {verb}")
        table = {"notes": "Converted from words.", "system": self.NAME} | given
        text = json.dumps(table, indent=2, ensure_ascii=False) + "\n"
        write_whole(new, lambda file: file.write(text.encode()))
        return Converted([], [], len(given))

    def compared(self, arguments: Mapping[str, Any], *, told: bool = False) -> Compared:
        """Compare a run's options with the defaults, which are the original's."""
        del told
        params, defaults = self.params(), self._defaults_beside(arguments)
        skipped = {self.option_of(role) for role in ("name", "start", "best")}
        if params[seed := self.option_of("seed")].default is None:
            skipped.add(seed)
        others = [
            OtherOption(
                name,
                shown(arguments.get(name)),
                shown(defaults[name]),
                param.changes != "nothing",
            )
            for name, param in params.items()
            if name not in skipped and name in arguments and name in defaults
            if not _same(arguments[name], defaults[name])
        ]
        others.sort(key=lambda other: not other.matters)
        whose = f"the defaults of {self.NAME}"
        return Compared("Arguments that are not the original's", whose, "Default", others)

    def _defaults_beside(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the defaults, computed ones as they are beside a run's other options.

        Where these cannot be run here, computed ones are left out.
        """
        params = self.params()
        computed = {n for n, p in params.items() if p.default is None and p.default_is}
        own = {n: v for n, v in arguments.items() if n in params and n not in computed}
        try:
            filled = self._finish(FlatDraft(dict(own), dict.fromkeys(own, "arguments")))
            filled = self.check(filled)
        except DqnPortError:
            filled = {}
        defaults = {}
        for name, param in params.items():
            if name not in computed:
                defaults[name] = (
                    arguments.get(param.default_from) if param.default_from else param.default
                )
            elif name in filled:
                defaults[name] = filled[name]
        return defaults

    def differences(self, there: Mapping[str, Any], here: Mapping[str, Any]) -> Differences:
        """Compare the options of two runs by what each option changes."""
        params = self.params()
        found = Differences({}, {})
        for name in sorted(there.keys() | here.keys()):
            param = params.get(name)
            changes = "numbers" if param is None else param.changes
            default = None if param is None else param.default
            pair = (there.get(name, default), here.get(name, default))
            if name == "system" or changes == "nothing" or _same(*pair):
                continue
            (found.length if changes == "length" else found.numbers)[name] = pair
        return found

    def arguments_hash(self, options: Mapping[str, Any]) -> str:
        """Return the short hash of what makes two runs the same.

        Raises:
            RunFolderError: the network that the run starts from cannot be read.
        """
        params, start = self.params(), self.option_of("start")
        table = {n: v for n, v in options.items() if params[n].changes != "nothing"}
        if table[start]:
            with reading(table[start], RunFolderError, "name another network"):
                table[start] = {"sha256": sha256_of(Path(table[start]))}
        text = json.dumps({"system": self.NAME} | table, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]


def _same(old: Any, new: Any) -> bool:
    """Return whether two values are equal as JSON."""
    return bool(old == new) or json.dumps(old) == json.dumps(new)
