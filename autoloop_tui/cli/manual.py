"""The help of all commands as data, and as a man page. The documentation site builds its page from the same data."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
from typing import Any, NamedTuple

from cyclopts import App

from autoloop_tui.cli import catalogue

FILES = (
    ("autoloop.toml", "Project settings, in the current folder."),
    (".autoloop/", "Data of the project's loops: database, frozen configs, logs."),
    ("~/.config/autoloop/console.toml", "Your console settings."),
)
EXIT_STATUS = (
    ("0", "Done."),
    ("1", "A run, a check or the command itself failed."),
    ("2", "Usage error: the command is invalid or cannot be carried out as given."),
    ("130", "Stopped by a user or a limit, or the engine of the loop is gone."),
)


class Flag(NamedTuple):
    names: str
    """As typed, with the value: `--steps INT`."""
    text: str


class CommandHelp(NamedTuple):
    name: str
    """Empty for the program without a command."""
    usage: str
    text: str
    flags: tuple[Flag, ...]
    examples: tuple[str, ...]


class _Collector:
    """A help formatter for cyclopts that collects the help instead of printing it."""

    def __init__(self) -> None:
        self.usage = self.text = ""
        self.flags: list[Flag] = []

    def render_usage(self, console: Any, options: Any, usage: Any) -> None:
        self.usage = _plain(usage).removeprefix("Usage:").strip()

    def render_description(self, console: Any, options: Any, description: Any) -> None:
        self.text = _plain(description)

    def __call__(self, console: Any, options: Any, panel: Any) -> None:
        # To cyclopts, flags of the program that run something, such as --man, are commands.
        entries = [each for each in panel.entries if panel.format == "parameter" or each.names[0].startswith("-")]
        self.flags += map(_flag, entries)


def _plain(text: Any) -> str:
    """Return the plain text of a Rich renderable."""
    inner = getattr(text, "primary_renderable", text)
    return str(getattr(inner, "plain", inner) or "").strip()


def _flag(entry: Any) -> Flag:
    text = " ".join(_plain(entry.description).split())
    if entry.choices:
        text += f" One of {', '.join(entry.choices)}."
    if entry.default is not None:
        text += f" Default: {entry.default}."
    return Flag(", ".join(entry.display_labels_with_metavar), text.strip())


def help_of(app: App, name: str) -> CommandHelp:
    found = _Collector()
    app.help_formatter = found
    app.help_print([name] if name else [], console=_silent())
    examples = catalogue.COMMANDS[name].examples if name else ()
    return CommandHelp(name, found.usage, found.text, tuple(found.flags), tuple(examples))


def _silent() -> Any:
    from rich.console import Console

    return Console(quiet=True, width=200)


# --------------------------------------------------------------------------------------------------------- the man page


def show(app: App) -> int:
    """Show the page with `man` on a terminal; otherwise print its source."""
    text = page(app)
    if sys.stdout.isatty() and shutil.which("man"):
        with tempfile.NamedTemporaryFile("w", suffix=".1", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            with contextlib.suppress(KeyboardInterrupt):
                return subprocess.run(["man", "-l", file.name], check=False).returncode
    print(text, end="")
    return 0


def page(app: App) -> str:
    """Return the man page as roff source."""
    console = help_of(app, "")
    lines = [
        '.TH AUTOLOOP-TUI 1 "" "Auto Loop" "User Commands"',
        ".SH NAME",
        r"autoloop-tui \- " + _roff(console.text).removesuffix("."),
        ".SH SYNOPSIS",
        r".B autoloop-tui",
        r"[\fIOPTIONS\fR]",
        ".br",
        r".B autoloop-tui",
        r"\fICOMMAND\fR [\fIOPTIONS\fR]",
        ".SH DESCRIPTION",
        "Without a command, autoloop-tui opens the console on the newest loop of the current folder.",
        *_flags(console.flags),
    ]
    for title, commands in catalogue.GROUPS.items():
        lines.append(f'.SH "{title.upper()}"')
        for name in commands:
            lines += _command(help_of(app, name))
    lines += [".SH FILES", *_flags(tuple(Flag(*row) for row in FILES))]
    lines += [".SH EXIT STATUS", *_flags(tuple(Flag(*row) for row in EXIT_STATUS))]
    return "\n".join(lines) + "\n"


def _command(command: CommandHelp) -> list[str]:
    lines = [f'.SS "{_roff(command.usage)}"']
    for paragraph in command.text.split("\n\n"):
        lines += [".PP", *(_roff(line.strip()) for line in paragraph.splitlines())]
    lines += _flags(command.flags)
    lines += [".PP", "Examples:", ".PP", ".nf", ".RS"]
    lines += [_roff(f"autoloop-tui {words}") for words in command.examples]
    return [*lines, ".RE", ".fi"]


def _flags(flags: tuple[Flag, ...]) -> list[str]:
    return [line for flag in flags for line in (".TP", rf"\fB{_roff(flag.names)}\fR", _roff(flag.text))]


def _roff(text: str) -> str:
    """Escape `text` for roff: ASCII only, and never read as a request."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")
    escaped = "".join(each if each.isascii() else f"\\[u{ord(each):04X}]" for each in escaped)
    return rf"\&{escaped}" if escaped.startswith(".") else escaped
