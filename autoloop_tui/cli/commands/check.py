"""`check`: the effect of edits to a run, before they are proposed."""

from __future__ import annotations

from autoloop import whoami

from autoloop_tui import client
from autoloop_tui.cli.output import foresight as output
from autoloop_tui.cli.output import printing
from autoloop_tui.cli.parameters import AsJson, Edits, LoopName, RunName


def check(run: RunName, /, *, changes: Edits, loop: LoopName = None, json: AsJson = False) -> int:
    """Check a variant of a run without proposing it; exit code 1 if it cannot run as is.

    Shows its changes, guards and duplicates, the findings of `doctor` for its config and this machine, and how the loop's
    rules judge the most similar past runs. Takes at most about five seconds and lists anything it skipped.
    """
    from autoloop.foresight import foresee

    with client.opened(loop) as (store, found):
        base = store.find_run(found, run)
        seen = foresee(store, found, base, changes, whoami.this_process().actor)
    print(printing.answer("check", output.document(base, seen)) if json else output.text(base, seen))
    return 1 if seen.wrong else 0
