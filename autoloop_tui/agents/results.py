"""The results of runs: curves, verdicts, comparisons, evidence and logs, each in a bounded answer."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path

from autoloop.configs import diff
from autoloop.engine.base.frozen_config import frozen_config
from autoloop.engine.base.output_secrets import output_secrets
from autoloop.engine.planning.frozen import preset_of
from autoloop.engine.planning.kept_metrics import metrics_of
from autoloop.engine.runs.following import history_reader
from autoloop.logs import read_log_tail
from autoloop.metrics import for_runs
from autoloop.model import Loop, Run, UserError
from autoloop.regex import compile_regex
from autoloop.reports.html.thinning import thinned
from autoloop.secrets import mask_lines
from autoloop.store import Store
from autoloop.text.evidence import observation_text
from autoloop.text.suggest import did_you_mean
from autoloop.verdicts import Judge
from autoloop.verdicts.wording import sentence

from autoloop_tui.agents.answers import MOST_LINES, MOST_POINTS, Compared, Curve, Judged, LogLines, Reasons
from autoloop_tui.agents.looking import noted
from autoloop_tui.agents.quoting import LINE, NAME, difference, figure, quoted

MOST_CHANGES, MOST_METRICS = 40, 6


def curve(store: Store, loop: Loop, run: Run, metric: str, points: int) -> Curve:
    columns = history_reader(store, loop)(run)
    name = metrics_of(store.places, loop).resolve_name(metric) or metric
    series = columns.get(name) or columns.get(metric)
    if series is None or not len(series):
        known = sorted(columns)
        raise UserError(f'Run {run.id} has no metric "{quoted(metric, NAME)}"; {did_you_mean(metric, known, _some(known))}')
    kept = thinned(series, max(5, min(points, MOST_POINTS)))
    return Curve(
        run=run.id,
        metric=quoted(name, NAME),
        steps=[int(step) for step, _ in kept],
        values=[figure(each) for _, each in kept],
        points_read=len(series),
    )


def _some(names: list[str]) -> str:
    return f"it has {', '.join(quoted(each, NAME) for each in names[:12]) or 'none yet'}."


def _judge(store: Store, loop: Loop) -> Judge:
    runs = store.runs(loop.id)
    return Judge(runs, for_runs(metrics_of(store.places, loop), runs), store.replicates_elsewhere(loop.id))


def verdicts(store: Store, loop: Loop, ours: Run, theirs: Run, metric: str | None) -> list[Judged]:
    judge = _judge(store, loop)
    mine, others = (run.summary.metrics if run.summary else {} for run in (ours, theirs))
    common = [key for key in judge.book.key_metrics if key in mine and key in others]
    keys = [judge.book.resolve_name(metric) or metric] if metric else common[:3]
    return [found for key in keys if (found := _judged(judge, ours, theirs, key)) is not None]


def _judged(judge: Judge, ours: Run, theirs: Run, metric: str) -> Judged | None:
    verdict = judge.between(ours, theirs, metric)
    if verdict is None:
        return None
    known = not math.isnan(verdict.effect)
    return Judged(
        metric=quoted(judge.book.short(metric), NAME),
        verdict=quoted(sentence(verdict)),
        call=verdict.call.value if known else None,
        effect=figure(verdict.effect),
        interval=[figure(each) for each in verdict.interval] if verdict.interval else None,
        runs=list(verdict.runs),
        more_runs=verdict.more,
    )


def compared(store: Store, loop: Loop, ours: Run, theirs: Run) -> Compared:
    book = for_runs(metrics_of(store.places, loop), [ours, theirs])
    changes = diff(frozen_config(ours), frozen_config(theirs))
    first, second = (run.summary.metrics if run.summary else {} for run in (ours, theirs))
    keys = [key for key in book.key_metrics if key in first or key in second][:MOST_METRICS]
    return Compared(
        configs=[difference(each) for each in changes[:MOST_CHANGES]],
        metrics={
            quoted(book.short(key), NAME): [figure(side[key].last) if key in side else None for side in (first, second)]
            for key in keys
        },
        verdicts=verdicts(store, loop, ours, theirs, None),
        left_out=max(0, len(changes) - MOST_CHANGES),
    )


def evidence(store: Store, loop: Loop, number: int) -> Reasons:
    proposal = store.proposal(number)
    if proposal.loop != loop.id:
        raise UserError(f"Proposal {number} belongs to another loop.")
    seen = proposal.evidence.observations if proposal.evidence else []
    expects = proposal.expects
    return Reasons(
        proposal=number,
        author=quoted(str(proposal.author), NAME),
        reason=quoted(proposal.reason),
        observed=[quoted(observation_text(each)) for each in seen if each.holds][:12],
        expects=quoted(f"{expects.metric} {expects.direction}") if expects else "",
        notes=[quoted(note) for note in [*proposal.notes, proposal.blocked, proposal.note] if note][:12],
        untrusted_notes=[noted(note) for note in store.notes(loop.id) if note.where == f"proposal {number}"][-12:],
    )


def log(store: Store, loop: Loop, run: Run, grep: str | None, tail: int) -> LogLines:
    attempts = store.attempts(run.id)
    if not attempts:
        raise UserError(f"Run {run.id} has not started yet, so it has no log.")
    preset = None
    with suppress(UserError):
        preset = preset_of(store.places, loop)
    lines = mask_lines(read_log_tail(Path(attempts[-1].directory) / "log.txt"), output_secrets(run, preset))
    lines = [line for line in lines if line]
    if grep:
        try:
            pattern = compile_regex(grep, ignore_case=True)
        except UserError as error:
            raise UserError(f"The grep pattern is invalid: {error}") from None
        lines = [line for line in lines if pattern.finds(line)]
    shown = lines[-max(1, min(tail, MOST_LINES)) :]
    return LogLines(run.id, run.state.value, [quoted(line, LINE) for line in shown], len(lines))


def inside(project: Path, path: str) -> Path | None:
    """Return the path of a file in the project; None if it is outside, including through a symlink."""
    found = Path(os.path.realpath(project / path))
    return found if found.is_relative_to(os.path.realpath(project)) else None
