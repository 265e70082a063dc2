"""The result of a trial of the trainer, as lines."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from autoloop.model import Change, Series
from autoloop.secrets import mask
from autoloop.text.changes import change_text
from autoloop.text.plural import plural
from autoloop.text.values import number, value_text
from autoloop.trial import ChangeTrace, MissingSetting, Outcome, TrialRun

from autoloop_tui.cli.output import printing

MOST = 12
"""Maximum number of metrics that are listed."""


def command(run: TrialRun) -> str:
    return f"command   {mask(shlex.join(run.planned.launch.argv))}"


def changes(changed: Sequence[Change]) -> str:
    return ", ".join(f"{each.path} {change_text(each)}" for each in changed)


def ended(outcome: Outcome) -> list[str]:
    """Return lines on how a run ended."""
    if outcome.cause:
        return [f"failed    {outcome.cause.text}", *(f"          {line}" for line in outcome.cause.details)]
    how = f"stopped, because {outcome.stopped}" if outcome.stopped else "it exited with code 0"
    return [f"ended     after {outcome.seconds:.0f} s at step {outcome.step}: {how}"]


def outcome(run: TrialRun, outcome: Outcome) -> list[str]:
    """Return lines on how the first run ended and which results were found."""
    lines = ended(outcome)
    lines.append(f"sources   {', '.join(outcome.sources) or 'none with a metric'}")
    if outcome.columns:
        names = sorted(outcome.columns)
        rows = [_row(name, outcome.columns[name]) for name in names[:MOST]]
        table = printing.table(["metric", "points", "steps", "first", "last"], rows)
        lines += [f"          {line}" for line in table.splitlines()]
        if len(names) > MOST:
            lines.append(f"          and {len(names) - MOST} more: {', '.join(names[MOST:])}")
        lines.append(f"steps     {_axis(run, outcome)}")
        lines.append(f"rate      {_rate(outcome)}")
    if outcome.written:
        some = ", ".join(outcome.written[:5])
        more = f" and {len(outcome.written) - 5} more" if len(outcome.written) > 5 else ""
        lines.append(f"wrote     {some}{more} into its folder")
    lines += [f"note      {problem}" for problem in outcome.problems[:3]]
    return lines


def _row(name: str, series: Series) -> list[str]:
    steps = f"{series.steps[0]}–{series.steps[-1]}" if len(series) > 1 else f"{series.steps[0]}"
    return [name, str(len(series)), steps, number(series.values[0]), number(series.values[-1])]


def _axis(run: TrialRun, outcome: Outcome) -> str:
    last = max(series.steps[-1] for series in outcome.columns.values())
    named = f", counted by {run.preset.step}" if run.preset.step else ""
    return f"the last point is at step {last} of {run.planned.run.total_steps}{named}"


def _rate(outcome: Outcome) -> str:
    points = max(len(series) for series in outcome.columns.values())
    rows = f"{points / max(outcome.seconds, 0.001) * 60:.0f} points/min, including startup"
    return f"{number(outcome.rate)} steps/s, {rows}" if outcome.rate else rows


def arrived(found: Sequence[ChangeTrace]) -> list[str]:
    lines = []
    for each in found:
        told = [*(f"seen: {where}" for where in each.seen), *(f"but {where}" for where in each.against)]
        if each.had_effect is not None:
            told.append("metrics changed with it" if each.had_effect else "no metric changed with it")
        what = "; ".join(told) or "whether the trainer used it is unknown"
        lines.append(f"reached   {each.path} {value_text(each.value)}, given {each.given}: {what}")
    return lines


def lacking(found: Sequence[MissingSetting]) -> list[str]:
    if not found:
        return ["Nothing is missing."]
    lines = [f"{plural(len(found), 'thing')} missing:"]
    for each in found:
        lines.append(f"  {each.what}")
        if each.line:
            lines.append(f"      add to [trainer]: {each.line}")
    return lines
