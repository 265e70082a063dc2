"""How a run is launched, as rows of text: its command, its environment with secrets masked, and its attempts with their
ends."""

from __future__ import annotations

import shlex
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from autoloop.engine.base.frozen_config import passed_config
from autoloop.engine.planning.frozen import preset_of
from autoloop.engine.planning.names import output_name
from autoloop.engine.planning.plan import plan_attempt
from autoloop.metric_readers import wandb_runs
from autoloop.model import Attempt, Run, RunState, UserError
from autoloop.secrets import MASK, shown_value, shown_words
from autoloop.store import Places
from autoloop.text.values import NOTHING, duration
from autoloop.trainers import LaunchPlan

from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import cells, clip, fit, look, plain
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.run.header import title

STOPPED_BY = {"stop": "stopped on request", "kill": "killed on request", "time limit": "stopped at its time limit"}
"""Texts for what ended an attempt, by the value of its exit record."""


def launch_page(view: View, run: Run, attempts: Sequence[Attempt], width: int, *, glyphs: Glyphs) -> list[list[Piece]]:
    """Return everything about the launch of the run. The command is that of the newest attempt, or a preview."""
    newest = attempts[-1] if attempts else None
    plan, problem = planned(view, run, newest)
    argv = newest.argv if newest and newest.argv else list(plan.argv) if plan else []
    rows = [title("Command", "" if newest else "preview: the run has not started yet")]
    argv = [view.said(word) for word in argv]
    rows += command_rows(argv, width) if argv else [[(f"   {plain(problem)}", "slot-warn")]]
    rows += [[], *attempt_rows(attempts, run, glyphs=glyphs)]
    rows += [[], *_places(view, run)]
    return [*rows, [], *_environment(view, plan, problem)]


def planned(view: View, run: Run, attempt: Attempt | None) -> tuple[LaunchPlan | None, str]:
    """Return the launch of the run by the loop's preset; or None and why it is unknown."""
    spec = view.loop.spec
    wanted = attempt.slot if attempt else run.slot
    slot = next((slot for slot in spec.slots if slot.index == wanted), spec.slots[0])
    name = output_name(run, run.attempts + 1, len(view.snapshot.runs))
    folder = attempt.output_dir if attempt else f"{view.loop.output_dir}/{name}"
    try:
        preset = preset_of(Places(view.project), view.loop)
        values = passed_config(preset, run)
        return plan_attempt(preset, spec, view.loop.name, run, slot, folder, run.config_path, values), ""
    except UserError as error:
        return None, str(error)


# ------------------------------------------------------------------------------------------------------------- parts


def command_rows(argv: Sequence[str], width: int) -> list[list[Piece]]:
    """Return the command in as many rows as needed, broken between words so that it can be read and pasted."""
    rows: list[list[Piece]] = []
    line = ""
    for word in shown_words(argv):
        word = plain(shlex.quote(word))
        if line and cells(line) + cells(word) + 6 > width:
            rows.append([(f"   {line} \\", "")])
            line = "  "
        line += (" " if line.strip() else "") + word
    return [*rows, [(f"   {line}", "")]] if line else rows


def _environment(view: View, plan: LaunchPlan | None, problem: str) -> list[list[Piece]]:
    rows = [
        title("Environment variables set for it", "everything else is inherited from the engine; secrets are never shown")
    ]
    if plan is None:
        return [*rows, [(f"   {plain(problem)}", "slot-warn")]]
    wide = max((cells(name) for name in plan.env), default=0)
    for name in sorted(plan.env):
        value = view.said(shown_value(name, plan.env[name]))
        text = plain(value) or "(empty)"
        rows.append([(f"   {fit(name, wide)}  ", ""), (text, "dim" if value in ("", MASK) else "diff-after")])
    if plan.unset:
        rows.append([("   unset: ", "dim"), (plain(" ".join(plan.unset)), "dim")])
    return rows


def _places(view: View, run: Run) -> list[list[Piece]]:
    log = view.log_path(run)
    taps = [each.tap for each in (wandb_runs(Path(run.output_dir)) if run.output_dir else []) if each.tap]
    facts = [
        ("working folder", view.loop.spec.cwd),
        ("output", run.output_dir or "created when it starts"),
        ("config", run.config_path),
        ("given as", run.source_path),
        ("log", str(log) if log else "created when it starts"),
        ("preset", view.loop.spec.preset),
        ("W&B", run.wandb_url or ("online, no address yet" if view.loop.spec.wandb.online else "offline")),
        *([("W&B id", run.wandb_id)] if run.wandb_id else []),
        *([("metrics from", ", ".join(run.sources))] if run.sources else []),
        *(("metrics", f"mirrored to {tap}, because its wandb writes late") for tap in taps),
        *(("note", note) for note in run.notes),
    ]
    return [
        title("Where", ""),
        *([(f"   {fit(name, 14)}  ", "dim"), (plain(view.said(value)), "")] for name, value in facts),
    ]


def attempt_rows(attempts: Sequence[Attempt], run: Run, *, glyphs: Glyphs) -> list[list[Piece]]:
    """Return one row per attempt with times, duration and result, followed by the cause if it did not succeed."""
    rows = [title("Attempts", "")]
    if not attempts:
        return [*rows, [("   none yet: it is queued" if run.state is RunState.QUEUED else "   none", "dim")]]
    rows.append([(f"   {'#':>2}  {'':10}  {'started':19}  {'ended':19}  {'took':>6}  exit", "dim")])
    for attempt in attempts:
        current = attempt is attempts[-1] and not run.state.ended
        seen = look(attempt.result or (run.state.value if current else "lost"))
        took = attempt.ended_at - attempt.started_at if attempt.ended_at and attempt.started_at else None
        times = f"  {clock(attempt.started_at)}  {clock(attempt.ended_at)}  {duration(took):>6}  "
        rows.append(
            [
                (f"   {attempt.number:>2}  ", ""),
                (fit(seen.text(glyphs), 10), seen.variable),
                (times.replace(NOTHING, glyphs.nothing), ""),
                (ending(attempt), "bold" if attempt.exit and attempt.exit.code else ""),
            ]
        )
        why = [(text, "dim") for text in (attempt.diagnosis.details if attempt.diagnosis else [])]
        for text, names in ((attempt.stop.text if attempt.stop else None, "dim"), (attempt.cause, "slot-failed"), *why):
            if text:
                rows.append([("       ", ""), (clip(text, 1000), names)])
    return rows


def ending(attempt: Attempt) -> str:
    """Return the exit code, signal or error of an attempt in words."""
    record = attempt.exit
    if record is None:
        return "no exit record" if attempt.ended_at else "running"
    parts = []
    if record.error:
        parts.append(plain(record.error))
    if record.signal is not None:
        parts.append(_signal(record.signal))
    elif record.code is not None:
        parts.append(f"exit code {record.code}")
    if record.stopped_by:
        parts.append(STOPPED_BY.get(record.stopped_by, plain(record.stopped_by)))
    return ", ".join(parts) or "ended"


def _signal(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"


def clock(at: float | None) -> str:
    """Return a local time in 19 cells."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)) if at else f"{NOTHING:<19}"
