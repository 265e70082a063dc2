"""The parser of the command line. It is loaded for help, and for command lines that `quick.py` does not handle."""

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
"""By command: where stray words without a flag were probably meant to go."""

LISTING = ("--help", "-h", "--man", "--install-completion")
"""First words that ask about the commands instead of running one."""


def command_line(*, listing: bool = False) -> CompletingApp:
    """Return the app with all commands.

    `listing`: use the catalogue's one-line help, for the list; otherwise each docstring.
    """
    app = CompletingApp(
        name="autoloop-tui",
        help="Tune training recipes in rounds of short runs: queue, watch, judge by rules, approve.",
        help_format="plaintext",
        # No --no-json or --empty-cfgs. If a flag is given twice, the last one counts, as scripts that wrap a command expect.
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
    """Register the program's flags beside --help and --version. Commands do not need the modules that these load."""

    def man() -> int:
        """Show the manual page; in a pipe or a file, print it."""
        from autoloop_tui.cli import manual

        return manual.show(whole())

    app.command(man, name="--man")
    app.register_install_completion_command(help=HELP)


def whole() -> App:
    """Return the app with the full help of all commands and of the program's own flags, for the man page."""
    app = command_line()
    _about_the_program(app)
    return app


app = command_line()


def run(words: Sequence[str]) -> int:
    """Run a command line and return its exit code. UserError if it cannot be parsed."""
    chosen = command_line(listing=True) if words and words[0] in LISTING else app
    try:
        code = chosen(words, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        raise UserError(_sentence(error)) from None
    return code if isinstance(code, int) else 0


def _sentence(error: CycloptsError) -> str:
    """Return a sentence that says what is wrong and names the flag to use."""
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
