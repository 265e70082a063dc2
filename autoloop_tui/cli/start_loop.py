"""From a spec to a checked plan, which is printed or shown, and with --exec to a running loop."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from autoloop import gpus as gpu_report
from autoloop import whoami
from autoloop.engine.commands.permission import check_begin
from autoloop.engine.planning.plan import LoopPlan, plan_loop, under_name
from autoloop.engine.planning.rule_checks import logged_before
from autoloop.model import Loop, LoopSpec, UserError
from autoloop.preflight import SERVER
from autoloop.settings import Settings
from autoloop.store import NoLoopError, Store, StoreCorruptError

from autoloop_tui.cli.options import StartOptions
from autoloop_tui.cli.output import events, printing
from autoloop_tui.cli.output.plan import plan_json, plan_text
from autoloop_tui.console import opening


def start_loop(
    spec: LoopSpec,
    settings: Settings,
    how: StartOptions,
    *,
    as_json: bool = False,
    on_accepted: Callable[[], None] = lambda: None,
) -> int:
    """Print the checked plan; or create the loop and follow or detach from it, as `how` says. Return the exit code.

    `on_accepted` is called once the plan is accepted for execution, before anything is created. UserError if the loop
    cannot be planned or its engine does not start.
    """
    execute = how.exec_
    spec = _with_safe_step(spec, settings)
    now = time.time()
    report = gpu_report.read_within()

    def planned(spec: LoopSpec, starting: bool) -> LoopPlan:
        try:
            with Store.open(Path(spec.cwd)) as store:
                names = [loop.name for loop in store.loops()]
                found = logged_before(store, spec)
                where = store.where_run
                return plan_loop(spec, settings, report, os.environ, where, now, names, found=found, starting=starting)
        except NoLoopError:
            return plan_loop(spec, settings, report, os.environ, lambda _: None, now, starting=starting)
        except StoreCorruptError as error:
            plan = plan_loop(spec, settings, report, os.environ, lambda _: None, now, starting=starting)
            return plan if execute else msgspec.structs.replace(plan, warnings=[*plan.warnings, str(error)])

    plan = planned(spec, execute)
    seen = opening.has_screen() and not (as_json or how.no_ui or how.detach)
    if not execute and not (seen and opening.confirm_plan(plan, plan_text(plan, margin=2))):
        print(plan_json(plan) if as_json else plan_text(plan))
        return 0
    if not execute:  # confirmed on the screen: notes of the plan may now be errors
        plan = planned(spec, True)
    sender = whoami.this_process()
    check_begin(settings.agents, sender, len(plan.runs), now, _loops(Path(spec.cwd)))
    on_accepted()
    from autoloop.engine.driver.given_secrets import require_secrets
    from autoloop.engine.driver.process import spawn
    from autoloop.engine.planning.create import create_loop, take_back

    from autoloop_tui.cli import checking
    from autoloop_tui.cli.output import findings

    require_secrets(spec)
    found = checking.check_plan(plan, settings, report if execute else gpu_report.read_within())
    findings.report(found)
    wrong = {each.subject for each in found if each.level == "error"}
    if wrong == {SERVER} and not spec.formal and _rather_offline():
        later = msgspec.structs.replace(spec.wandb, online=False, later=True)
        plan = planned(msgspec.structs.replace(spec, wandb=later), True)
    elif wrong:
        printing.complain("Nothing was started. `autoloop-tui doctor` with the same flags checks again.")
        return 1
    with Store.open(Path(spec.cwd), create=True) as store:
        loop = create_loop(store, plan, now, sender)
        for warning in [*plan.warnings, *filter(None, [store.notice])]:
            printing.complain(f"note: {printing.printable(warning)}")
        if how.no_ui and not how.detach:
            return events.drive_loop(store, loop)
        try:
            engine = spawn(store, loop)
        except UserError as error:
            if take_back(store, loop):
                raise UserError(f"{error} Nothing was started.") from None
            raise UserError(
                f"{error} Runs of {loop.name} have started: `autoloop-tui stop` stops them, `autoloop-tui resume` "
                "continues the loop."
            ) from None
        if how.detach and as_json:
            print(plan_json(under_name(plan, loop.name)))
            return 0
        print(f"{loop.name} runs in the background (process {engine.pid}).")
        if how.detach:
            print("Watch it: autoloop-tui wait · autoloop-tui status · autoloop-tui logs -f")
            return 0
        if seen:
            return opening.open_console(Path(spec.cwd), loop.name)
        print("Ctrl-C leaves it running.")
        printer = events.EventPrinter(store, loop, settings.loop_book(plan.spec))
        return events.follow_loop(store, loop, printer.print_event)


def _loops(project: Path) -> list[Loop]:
    """Return the project's loops; none if there is no store or it cannot be read."""
    try:
        with Store.open(project) as store:
            return store.loops()
    except (NoLoopError, StoreCorruptError):
        return []


def _with_safe_step(spec: LoopSpec, settings: Settings) -> LoopSpec:
    """Return `spec` with the step that past runs show to be safe, if it asks for `--halve auto`.

    UserError if they show none.
    """
    if spec.halve is None or spec.halve.step:
        return spec
    from autoloop.past_runs import safe_step

    try:
        with Store.open(Path(spec.cwd)) as store:
            return msgspec.structs.replace(spec, halve=safe_step(store, store.loops(), spec, settings))
    except NoLoopError:
        return msgspec.structs.replace(spec, halve=safe_step(None, [], spec, settings))


def _rather_offline() -> bool:
    """Ask the user, if one is at the terminal, whether to record offline now and upload later."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print("Record offline instead? The report will show how to upload with `wandb sync`. [y/N] ", end="", file=sys.stderr)
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
