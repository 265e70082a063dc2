"""The command line's parser. Loaded for help, and for a command line that `quick.py` leaves to it."""

from __future__ import annotations

from collections.abc import Sequence

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

from autoloop_tui.cli import catalogue, parameters  # noqa: F401
from autoloop_tui.cli.commands import console
from autoloop_tui.cli.completion import HELP, CompletingApp

_UNUSED = {"run": "configs go after --cfgs", "init": "write -- before your training command"}
"""By command, where words that belong to no flag were probably meant to stand."""

LISTING = ("--help", "-h", "--man", "--install-completion")
"""First words that are about the commands, and run none."""


def command_line(*, listing: bool = False) -> CompletingApp:
    """The commands. `listing`: with a line for each, for the list of them; else each says itself what it does."""
    app = CompletingApp(
        name="autoloop-tui",
        help="Tune training recipes in rounds of short runs: queue, watch, judge by rules, approve.",
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
        """Show the manual page; in a pipe or a file, print it."""
        from autoloop_tui.cli import manual

        return manual.show(whole())

    app.command(man, name="--man")
    app.register_install_completion_command(help=HELP)


def whole() -> App:
    """The commands and the program's own flags with all that is said of them, for a page."""
    app = command_line()
    _about_the_program(app)
    return app


app = command_line()


def run(words: Sequence[str]) -> int:
    """Carry out a command line; its exit code. UserError where it cannot be understood."""
    chosen = command_line(listing=True) if words and words[0] in LISTING else app
    try:
        code = chosen(words, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        raise UserError(_sentence(error)) from None
    return code if isinstance(code, int) else 0


def _sentence(error: CycloptsError) -> str:
    """What is wrong, in words that name the flag to use."""
    command = " ".join(error.command_chain or ())
    if isinstance(error, UnknownOptionError) and command == "init":
        return f"{error.token.keyword} is not a flag of init; {_UNUSED[command]}."
    if isinstance(error, UnusedCliTokensError):
        words = error.unused_tokens or [""]
        advice = _UNUSED.get(command) or f"see `autoloop-tui {command} --help`"
        return f"{' '.join(words)} does not belong to any flag; {advice}."
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        if error.keyword:
            return f"{error.keyword} needs a value after it."
        return f"{command} needs {error.argument.name}; see `autoloop-tui {command} --help`."
    if isinstance(error, CoercionError) and error.argument is not None and error.token is not None:
        kinds = {int: "a whole number", float: "a number", bool: "no value"}
        wanted = kinds.get(error.target_type or object)
        if wanted:
            return f'{error.token.keyword or error.argument.name} takes {wanted}, not "{error.token.value}".'
    return str(error)
