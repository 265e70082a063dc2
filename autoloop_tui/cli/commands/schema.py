"""`schema`: the JSON Schemas of the commands' answers."""

from __future__ import annotations

from autoloop.model import UserError
from autoloop.text.suggest import did_you_mean

from autoloop_tui.cli.documents import answers
from autoloop_tui.cli.output import printing


def schema(command: str | None = None, /) -> int:
    """Print the JSON Schema of a command's --json output; without a command, list all schemas.

    Each answer has a field `schema` with its name and version, such as status/1. Adding a field does not change the version.

    Parameters
    ----------
    command
        A command (disk), a form of it ("disk --free"), or the name of an answer (freeing).
    """
    if command is None:
        rows = [[answers.mark(name), ", ".join(each.commands), each.line] for name, each in answers.ANSWERS.items()]
        print(printing.table(["schema", "printed by", ""], rows, texts=(2, 1), cells=printing.across()))
        return 0
    from autoloop_tui.cli.documents.json_schema import schema

    name = answers.named(command)
    if name is None:
        known = sorted({form.partition(" ")[0] for answer in answers.ANSWERS.values() for form in answer.commands})
        hint = did_you_mean(command, known, "`autoloop-tui schema` lists those that do.")
        raise UserError(f"{command} prints no JSON; {hint}")
    print(printing.json_text(schema(name)))
    return 0
