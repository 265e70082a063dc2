"""`disk`: disk usage of runs; moves checkpoints that are no longer needed to the trash, from which they can be restored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from autoloop import whoami
from autoloop.engine.commands.permission import check_freeing
from autoloop.model import UserError
from autoloop.settings import load_settings
from autoloop.store import Store
from autoloop.text.plural import plural
from autoloop.text.values import size_text
from cyclopts import Parameter

from autoloop_tui.cli.output import disk as output
from autoloop_tui.cli.output import printing
from autoloop_tui.cli.parameters import AsJson, Many

if TYPE_CHECKING:
    from autoloop.keeping import Choice, Trash


def disk(
    *,
    loop: str | None = None,
    free: bool = False,
    exec_: Annotated[bool, Parameter(name="--exec")] = False,
    undo: bool = False,
    empty: bool = False,
    outside: Annotated[list[Path] | None, Many] = None,
    json: AsJson = False,
) -> int:
    """Show disk usage by loop and run; with --free, the checkpoints that [keep] in autoloop.toml does not keep.

    Nothing moves without --exec. With it, the checkpoints go to the trash in .autoloop, --undo can restore them, and
    anything that has been there longer than keep.trash_days is deleted. Running runs, winners and the best runs keep theirs.

    Parameters
    ----------
    loop
        Only this loop (name or number).
    free
        Show which checkpoints would go, why the others stay, and the space freed.
    exec_
        With --free: move them to the trash.
    undo
        Restore what the last --free --exec moved to the trash.
    empty
        Empty the trash now.
    outside
        Folders outside the project where checkpoints may be freed too.
    """
    from autoloop.engine.rounds.keeping import chosen, folders_of
    from autoloop.keeping import Trash

    if free + undo + empty > 1 or (exec_ and not free):
        raise UserError("--free (with or without --exec), --undo and --empty are separate actions; choose one.")
    project = Path.cwd()
    settings = load_settings(project)
    for folder in outside or []:
        if not folder.is_dir():
            raise UserError(f"There is no folder {folder}; --outside must name a folder that runs wrote to.")
    with Store.open(project) as store:
        if exec_ or empty:
            check_freeing(settings.agents, whoami.this_process(), store.loops())
        trash = Trash(store.places.home)
        if undo:
            return _undo(trash, json)
        if empty:
            freed, problems = trash.empty()
            return _told(f"Deleted {size_text(freed)} from the trash.", problems, json, {"deleted": freed})
        loops = [store.find_loop(loop)] if loop is not None else store.loops()
        found = folders_of(store, loops, outside or [])
        if not free:
            report = output.Usages.of(store, found, trash)
            print(printing.answer("usage", report.document()) if json else report.text())
            return 0
        choices, note = chosen(store, found, settings)
        if exec_:
            return _throw_away(store, trash, choices, settings.keep.trash_days, json)
        plan = output.Plan(choices, trash.usage().size, settings.keep.trash_days, note)
        print(printing.answer("freeing", plan.document()) if json else plan.text())
        return 0


def _throw_away(store: Store, trash: Trash, choices: Sequence[Choice], days: float, json: bool) -> int:
    from autoloop.engine.rounds.keeping import throw_away

    try:
        thrown = throw_away(store, trash, choices, days)
    except OSError as error:
        raise UserError(f"Nothing was moved: the trash in .autoloop is not writable ({error.strerror}).") from None
    old = f"Deleted {size_text(thrown.deleted)} that was in the trash for more than {days:g} days."
    said = [old] if thrown.deleted else []
    said.append(
        f"Moved {plural(thrown.checkpoints, 'checkpoint')} ({size_text(thrown.moved)}) to the trash. `autoloop-tui disk "
        f"--undo` puts them back; the first `disk --free --exec` after {days:g} days deletes them, `disk --empty` does so "
        "at once."
        if thrown.checkpoints
        else "No checkpoint can go to the trash."
    )
    done = {"moved": thrown.moved, "deleted": thrown.deleted, "trash": trash.usage().size}
    return _told(" ".join(said), thrown.problems, json, done)


def _undo(trash: Trash, json: bool) -> int:
    back, problems = trash.put_back()
    size = sum(item.size for item in back)
    count = plural(sum(item.size > 0 for item in back), "checkpoint")
    return _told(f"Put back {count} ({size_text(size)}).", problems, json, {"put_back": size})


def _told(sentence: str, problems: Sequence[str], json: bool, done: dict[str, int]) -> int:
    """Print what was done and return the exit code."""
    if json:
        print(printing.answer("freed", {**done, "problems": [printing.encodable(problem) for problem in problems]}))
        return 1 if problems else 0
    print("\n".join(printing.wrapped(sentence, printing.across())))
    for problem in problems:
        printing.complain(printing.printable(problem))
    return 1 if problems else 0
