"""Commands that inspect a loop and its runs: status, runs, logs, report, wait.

All act on the newest loop unless --loop names one.
"""

from __future__ import annotations

import contextlib
import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from autoloop.model import Loop, Run, UserError
from autoloop.store import Store, take_snapshot

from autoloop_tui import cli, client
from autoloop_tui.cli.output import printing
from autoloop_tui.cli.output.status import headline, loop_document, state_now, status_document, status_text

if TYPE_CHECKING:
    from autoloop.metrics import MetricBook

# ------------------------------------------------------------------------------------------------------------- looking


def status(
    *, loop: cli.parameters.LoopName = None, json: cli.parameters.AsJson = False, all_: cli.parameters.AllLoops = False
) -> int:
    """Show the state of a loop: its round, slots, queue, and what it is waiting for.

    Parameters
    ----------
    all_
        List all loops of this project.
    """
    with client.opened(loop) as (store, found):
        if all_:
            loops = store.loops()
            if json:
                print(printing.answer("loops", {"loops": [loop_document(store, each) for each in loops]}))
            else:
                rows = [
                    [each.id, each.name, state_now(store, each), printing.printable(each.reason or "")] for each in loops
                ]
                print(printing.table(["#", "loop", "state", ""], rows, texts=(3,), cells=printing.across()))
            return 0
        if json:
            document = status_document(store, take_snapshot(store, found.id), partial(_metrics, store, found))
            print(printing.answer("status", document))
        else:
            with store.reading():
                print(status_text(store, found.id, partial(_metrics, store, found), printing.across()))
    return 0


def runs(*, loop: cli.parameters.LoopName = None, json: cli.parameters.AsJson = False, round: int | None = None) -> int:
    """List all runs of a loop with their key metrics.

    Parameters
    ----------
    json
        Print JSON with every field of each run.
    round
        Only this round.
    """
    with client.opened(loop) as (store, found):
        if round is not None and round not in [each.number for each in store.rounds(found.id)]:
            raise UserError(f"{found.name} has no round {round}; it is in round {len(store.rounds(found.id))}.")
        if json:
            for part in printing.answer_parts("runs", "runs", store.each_run(found.id, round)):
                print(part, end="")
            print()
        else:
            from autoloop_tui.cli.output import events

            listed = store.runs(found.id, round)
            others = [run for run in store.runs(found.id) if round is not None and run.round != round]
            others += store.replicates_elsewhere(found.id)
            print(events.runs_table(listed, _metrics(store, found), printing.across(), others))
    return 0


def logs(
    run: str | None = None,
    /,
    *,
    follow: cli.parameters.Follow = False,
    loop: cli.parameters.LoopName = None,
) -> int:
    """Print a run's log; by default that of the most recently started run.

    Shows the last state of progress bars, masks secrets and removes control sequences. The raw log is log.txt in the run's
    folder under .autoloop/attempts.

    Parameters
    ----------
    run
        A run's id or name.
    follow
        Follow the log until the run ends.
    """
    from autoloop.secrets import missing

    from autoloop_tui.cli.output.log_copy import copy_log

    with client.opened(loop) as (store, found):
        chosen = store.find_run(found, run) if run else _last_started(store, found)
        attempts = store.attempts(chosen.id)
        if not attempts:
            raise UserError(f"{chosen.name} ({chosen.id}) has not started yet, so it has no log.")
        path = Path(attempts[-1].directory) / "log.txt"
        known = _secrets(store, found, chosen)
        for name in missing(found.spec.extra, os.environ):
            text = f"{name} is not set here, so if the run printed that secret from --extra, the log shows it"
            printing.complain(f"note: {text}")
        offset = left_out = 0
        while True:
            ended = store.run(chosen.id).state.ended
            offset, left_out = copy_log(path, offset, left_out, ended or not follow, known)
            if not follow or ended:
                return 0
            time.sleep(0.3)


def report(*, loop: cli.parameters.LoopName = None, html: Path | None = None) -> int:
    """Rewrite the JSON summary and the Markdown report from the store, or write an HTML report to share.

    Parameters
    ----------
    html
        Write only an HTML report to this file: one self-contained page with charts.
    """
    from autoloop import reports

    with client.opened(loop) as (store, found):
        if html is not None:
            from autoloop.html_report import write_html

            write_html(store, found, html)
            print(printing.printable(str(html.resolve())))
            return 0
        problems = [reports.write_summary(store, found.id), reports.write_markdown(store, found.id, _metrics(store, found))]
        for problem in filter(None, problems):
            printing.complain(printing.printable(problem))
        print(printing.printable(found.spec.summary_out))
        print(printing.printable(found.spec.markdown_out))
        return 1 if any(problems) else 0


def wait(*, loop: cli.parameters.LoopName = None, quiet: bool = False) -> int:
    """Wait until a loop ends; exit code 0 if it finished, 1 if something failed, 130 if stopped or its engine is gone.

    Parameters
    ----------
    quiet
        Do not print events.
    """
    from autoloop_tui.cli.output import events

    with client.opened(loop) as (store, found):
        printer = events.EventPrinter(store, found, _metrics(store, found))
        told = [event.id for event in store.events(found.id)]
        code = events.follow_loop(store, found, (lambda _: None) if quiet else printer.print_event, max(told, default=0))
        print(headline(store, store.loop(found.id)))
        return code


def _metrics(store: Store, loop: Loop) -> MetricBook:
    from autoloop.engine.planning.kept_metrics import metrics_of

    return metrics_of(store.places, loop)


def _last_started(store: Store, loop: Loop) -> Run:
    started = [run for run in store.runs(loop.id) if run.started_at]
    if not started:
        raise UserError(f"No run of {loop.name} has started yet, so there is no log.")
    return max(started, key=lambda run: run.started_at or 0.0)


def _secrets(store: Store, loop: Loop, run: Run) -> list[str]:
    """Return the secrets to mask in the log: those of this environment, the run's config and the loop's preset."""
    from autoloop.engine.base.output_secrets import output_secrets
    from autoloop.engine.planning.frozen import preset_of

    preset = None
    with contextlib.suppress(UserError):
        preset = preset_of(store.places, loop)
    return output_secrets(run, preset)
