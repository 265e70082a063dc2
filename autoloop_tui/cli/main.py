"""The command line: every action of the console is a command here. Exit codes: 0 done, 1 failed, 2 usage error,
130 stopped."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from autoloop import secrets
from autoloop.model import UserError
from cyclopts import (
    App,
    CoercionError,
    CycloptsError,
    Group,
    MissingArgumentError,
    Parameter,
    UnknownOptionError,
    UnusedCliTokensError,
)

from autoloop_tui.cli import catalogue
from autoloop_tui.cli.commands import console
from autoloop_tui.cli.output import printing

_UNUSED = {"run": "configs go after --cfgs", "init": "write -- before the command that it belongs to"}
"""By command, where words that belong to no flag were probably meant to stand."""

LISTING = ("--help", "-h", "--man", "--install-completion")
"""First words that are about the commands, and run none."""


def command_line(*, listing: bool = False) -> App:
    """The commands. `listing`: with a line for each, for the list of them; else each says itself what it does."""
    app = App(
        name="autoloop-tui",
        help="Tune training recipes in rounds of short runs on one machine's GPUs: queue, watch, judge by rules, approve.",
        help_format="plaintext",
        # No --no-json or --empty-cfgs; of a flag given twice the last counts, as scripts that wrap a command expect.
        default_parameter=Parameter(
            negative=(),
            allow_repeating=True,
            show_default=lambda value: None if value is None or value is False else str(value),
        ),
    )
    app.default(console.console)
    for title, commands in catalogue.GROUPS.items():
        group = Group.create_ordered(title)
        for place, (name, command) in enumerate(commands.items()):
            app.command(
                catalogue.function(name),
                name=name,
                group=group,
                sort_key=place,
                help=command.line if listing else None,
                help_epilogue=catalogue.examples(name),
            )
    app.command(console.serve_console, name=catalogue.SERVING, show=False)
    if listing:
        _about_the_program(app)
    return app


def _about_the_program(app: App) -> None:
    """The flags beside --help and --version; no command needs what they load."""

    def man() -> int:
        """Show the manual page; into a pipe or a file, print it."""
        from autoloop_tui.cli import manual

        return manual.show(command_line())

    app.command(man, name="--man")
    app.register_install_completion_command(help="Install completion for bash, zsh or fish (--shell; by default yours).")


app = command_line()


def main(tokens: Sequence[str] | None = None) -> None:
    """Entry point. A user's mistake is one sentence on stderr, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Lines appear as they are printed, in a file or a pipe too; a terminal that lacks a letter shows "?".
            stream.reconfigure(line_buffering=True, errors="replace")
    code = _run(tokens)
    try:
        sys.stdout.flush()
    except OSError:  # whoever read it is gone; without this Python would complain and change the exit code
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _run(tokens: Sequence[str] | None) -> int:
    try:
        for word in (os.getcwd(), *(sys.argv[1:] if tokens is None else tokens)):
            if word != printing.encodable(word):
                raise UserError(f"{word} is not UTF-8 text, which the records need; rename it.")
        words = sys.argv[1:] if tokens is None else tokens
        if words and not words[0].startswith("-") and words[0] not in (*catalogue.COMMANDS, catalogue.SERVING):
            raise UserError(f"There is no command {words[0]}; {_nearest_command(words[0])}")
        chosen = command_line(listing=True) if words and words[0] in LISTING else app
        code = chosen(words, exit_on_error=False, print_error=False, result_action="return_value")
        return code if isinstance(code, int) else 0
    except (UserError, CycloptsError) as error:
        code = _fail(_sentence(error), 2)
        if isinstance(error, UserError) and error.example:
            lines = error.example.splitlines()
            print("\n".join(["", *(printing.printable(secrets.mask(line)) for line in lines)]), file=sys.stderr)
        return code
    except BrokenPipeError:  # `… | head`
        return 0
    except OSError as error:
        return _fail(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", 1)
    except KeyboardInterrupt:
        return 130


def _fail(sentence: str, code: int) -> int:
    print(f"autoloop-tui: {secrets.mask(printing.printable(' '.join(sentence.split())))}", file=sys.stderr)
    return code


def _sentence(error: Exception) -> str:
    """What is wrong, in words that name the flag to use."""
    if not isinstance(error, CycloptsError):
        return str(error)
    command = " ".join(error.command_chain or ())
    if isinstance(error, UnknownOptionError) and command == "init":
        return f"{error.token.keyword} is no flag of init; {_UNUSED[command]}."
    if isinstance(error, UnusedCliTokensError):
        words = error.unused_tokens or [""]
        advice = _UNUSED.get(command) or f"see `autoloop-tui {command} --help`"
        return f"{' '.join(words)} belongs to no flag; {advice}."
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        if error.keyword:
            return f"{error.keyword} needs a value after it."
        return f"{command} needs {error.argument.name}; see `autoloop-tui {command} --help`."
    if isinstance(error, CoercionError) and error.argument is not None and error.token is not None:
        kinds = {int: "a whole number", float: "a number", bool: "no value at all"}
        wanted = kinds.get(error.target_type or object)
        if wanted:
            return f'{error.token.keyword or error.argument.name} takes {wanted}, not "{error.token.value}".'
    return str(error)


def _nearest_command(word: str) -> str:
    meant = catalogue.suggestion(word)
    return f"did you mean `autoloop-tui {meant}`?" if meant else "`autoloop-tui --help` lists them."


if __name__ == "__main__":
    main()
