"""Generate the command line page from the help texts: `python -m docs.make_cli_page` prints it; `mkdocs` includes it."""

from __future__ import annotations

from autoloop_tui.cli import catalogue, manual
from autoloop_tui.cli.manual import CommandHelp, Flag
from autoloop_tui.cli.parser import whole

HEAD = """\
# Command line

Every action of the console is a command. `autoloop-tui COMMAND --help` prints its part of this page, and
`autoloop-tui --man` shows all of it in `man`. `autoloop-tui examples` prints commands to copy, by task, and
`autoloop-tui --install-completion` completes commands, flags and files in your shell. [Exit codes](exit-codes.md) and
[JSON answers](json.md) have their own pages.

## Console

`autoloop-tui` without a command opens the [console](console.md) on the newest loop of the current folder.
"""


def page() -> str:
    app = whole()
    lines = [HEAD, *_flags(manual.help_of(app, "").flags)]
    for title, commands in catalogue.GROUPS.items():
        lines += ["", f"## {title}", "", "| command | |", "|---|---|"]
        lines += [f"| [`{name}`](#{name}) | {_cell(command.line)} |" for name, command in commands.items()]
        for name in commands:
            lines += _command(manual.help_of(app, name))
    return "\n".join(lines) + "\n"


def _command(command: CommandHelp) -> list[str]:
    lines = ["", f"### {command.name}", "", "```text", command.usage, "```", "", _text(command.text), ""]
    lines += _flags(command.flags)
    return [*lines, "", "```sh", *(f"autoloop-tui {words}" for words in command.examples), "```"]


def _flags(flags: tuple[Flag, ...]) -> list[str]:
    return ["| flag | |", "|---|---|", *(f"| `{flag.names}` | {_cell(flag.text)} |" for flag in flags)] if flags else []


def _cell(text: str) -> str:
    return _text(text).replace("|", "\\|")


def _text(text: str) -> str:
    """Return help text as Markdown: special characters of HTML and Markdown are escaped, except in backticks."""
    parts = text.split("`")
    parts[::2] = [
        part.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_").replace("[", "\\[") for part in parts[::2]
    ]
    return "`".join(parts)


if __name__ == "__main__":
    print(page(), end="")
