"""The Markdown report: a section per loop, a table per round, failures with their cause, proposals with their decisions."""

from __future__ import annotations

import io
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from autoloop.files import Stamp, copy, exclusive, open_regular, replacing, stamp
from autoloop.metrics import MetricBook, for_runs
from autoloop.model import Attempt, Loop, LoopState, NoteTarget, Run, RunState
from autoloop.reports.cells import day, metric_column, metric_text, note_text
from autoloop.reports.inert import address, code, inert, verbatim
from autoloop.reports.proposals import live_row, proposal_table, result_table
from autoloop.reports.replicates import replicates, verdict_lines
from autoloop.reports.result import result_lines, winner_label
from autoloop.reports.rule_records import project_records
from autoloop.store import Store
from autoloop.text.gpu_use import gpu_use_text
from autoloop.verdicts import SharedResults, reduced
from autoloop.verdicts.wording import record_text

MOST_SETS = 4
"""The number of metric sets for which the runs of earlier rounds are cached."""


@dataclass(frozen=True)
class _Section:
    """The position of a loop's section in its file, in byte offsets."""

    begin: int
    end: int
    rounds: Sequence[int] = (0,)
    """Where the text of each round begins, and where the last one ends."""
    lead: bytes = b""
    tail: bytes = b""
    """`lead` and `tail`: the text before and after a new section."""


class MarkdownReport:
    """The section of one loop in its report file, for the engine that runs the loop.

    When it writes again, it copies unchanged rounds from the file, if the file is as it left it, so the cost of a new round
    does not grow with the number of rounds. It does not notice what other processes change in the loop; `write_markdown`
    does.
    """

    def __init__(self, store: Store, loop: int, metrics: MetricBook) -> None:
        self.store = store
        self.loop = loop
        self.metrics = metrics
        self._left: _Section | None = None
        self._stamp: Stamp | None = None

    def write(self) -> str | None:
        """Write the section to the file; the sections of other loops and users' own text stay.

        Return a sentence if the file could not be written, else None.
        """
        loop = self.store.loop(self.loop)
        path = Path(loop.spec.markdown_out)
        changed = self.store.touched.get(loop.id, sys.maxsize)
        try:
            with exclusive(path):
                with _opened(path) as old, replacing(path) as new, self.store.reading():
                    if self._left is not None and self._stamp == stamp(path):
                        section = self._write(loop, old, new, self._left, changed)
                    else:
                        section = self._write(loop, old, new, _find(old.read(), loop.name), 0)
                self._stamp = stamp(path)
                self._left = section if self._stamp else None
                self.store.touched.pop(loop.id, None)
        except (OSError, UnicodeError) as error:
            return f"{path} could not be written ({error}); `autoloop-tui report` writes it later"
        return None

    def _write(self, loop: Loop, old: BinaryIO, new: BinaryIO, left: _Section, changed: int) -> _Section:
        """Copy the old file with a new section, in which rounds from number `changed` on are rendered again. Return the
        section's new position."""
        start, end = _markers(loop.name)
        copy(old, 0, left.begin, new)
        new.write(left.lead)
        begin = new.tell()
        new.write(start + b"\n" + _bytes(_head(self.store, loop, self.metrics)))
        rounds, before = [new.tell()], _EarlierRuns(self.store, loop)
        for index, round_ in enumerate(self.store.rounds(loop.id), 1):
            if round_.number < changed and index < len(left.rounds):
                copy(old, left.rounds[index - 1], left.rounds[index], new)
            else:
                new.write(_bytes(_round(self.store, loop, round_.number, self.metrics, before)))
            rounds.append(new.tell())
        new.write(b"\n" + end)
        section = _Section(begin, new.tell(), rounds)
        new.write(left.tail)
        copy(old, left.end, old.seek(0, os.SEEK_END), new)
        return section


def write_markdown(store: Store, loop: int, metrics: MetricBook) -> str | None:
    """Write the whole section of a loop to its report file, with or without an engine. Return a sentence if that failed."""
    return MarkdownReport(store, loop, metrics).write()


def _opened(path: Path) -> BinaryIO:
    try:
        return open_regular(path)
    except FileNotFoundError:
        return io.BytesIO()


def _markers(loop: str) -> tuple[bytes, bytes]:
    return f"<!-- autoloop {loop} -->".encode(), f"<!-- /autoloop {loop} -->".encode()


def _find(text: bytes, loop: str) -> _Section:
    """The position of the loop's section in the file, or where to add it."""
    start, end = _markers(loop)
    head, closed, _ = text.partition(end)
    # The last start before the end: if a section lost its end marker, nothing after its start is known to be ours.
    if closed and (begin := head.rfind(start)) >= 0:
        return _Section(begin, len(head) + len(end))
    kept = len(text.rstrip(b"\n")) if text.strip() else 0
    return _Section(kept, len(text), lead=b"\n\n" if kept else b"", tail=b"\n")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def render(store: Store, number: int, metrics: MetricBook) -> str:
    """Return the section of one loop as text, from one state of the store."""
    with store.reading():
        loop = store.loop(number)
        before = _EarlierRuns(store, loop)
        rounds = "".join(_round(store, loop, round_.number, metrics, before) for round_ in store.rounds(number))
        return _head(store, loop, metrics) + rounds + "\n"


def _head(store: Store, loop: Loop, metrics: MetricBook) -> str:
    lines = [
        f"## {loop.name}" + (f" · {inert(loop.spec.name)}" if loop.spec.name else ""),
        "",
        f"Started {day(loop.created_at)} · {loop.state.value}"
        + (f": {inert(loop.reason)}" if loop.reason else "")
        + f" · output {code(loop.output_dir)}",
    ]
    if loop.winner:
        winner = store.run(loop.winner)
        lines += ["", f"**Winner: {inert(winner_label(store, winner.id))}**, config {code(winner.source_path)}"]
    if result := result_lines(store, loop, metrics):
        lines += ["", *(f"- {inert(line)}" for line in result)]
    if loop.state is not LoopState.ACTIVE and loop.outcome and loop.outcome.rules:
        records = project_records(store, loop, metrics)
        lines += ["", "Rules:", ""]
        lines += [f"- {inert(each.rule)}: {record_text(records.get(each.rule))}" for each in loop.outcome.rules]
    if notes := store.notes(loop.id):
        names = {each.about: store.run(each.about).name for each in notes if each.target is NoteTarget.RUN}
        lines += ["", "Notes:", "", *(f"- {inert(note_text(each, names))}" for each in notes)]
    return "\n".join(lines) + "\n"


def _round(store: Store, loop: Loop, number: int, metrics: MetricBook, known: _EarlierRuns) -> str:
    """A round's part of the section. It only covers runs of this round and earlier ones, so that later rounds do not change
    it."""
    runs, made = store.runs(loop.id, number), store.proposals(loop.id, number)
    bases = {run.base_run for run in runs if run.base_run} | {proposal.base_run for proposal in made}
    by_id = {run: store.run(run) for run in bases}
    lines = ["", f"### Round {number}", "", *_run_table(by_id, runs, metrics)]
    lines += _seed_table(runs, metrics)
    led_here = store.proposals(loop.id, number - 1)
    expected = [each.expects.metric for each in led_here if each.expects]
    wanted = {*for_runs(metrics, runs).key_metrics, *(metrics.resolve_name(name) or name for name in expected)}
    before = known.of(number, frozenset(wanted))
    if found := verdict_lines(runs, metrics, before, known.seen):
        lines += ["", *(f"- {inert(line)}" for line in found)]
    lines += result_table(before, runs, led_here, metrics, known.seen)
    lines += _gpu_use(runs)
    failed = [run for run in runs if run.state in (RunState.FAILED, RunState.LOST, RunState.STOPPED)]
    if failed:
        lines += ["", "Runs that did not finish:", ""]
        lines += [line for run in failed for line in _failure(run, store.attempts(run.id)[-1:])]
    lines += ["", "Locations:", "", *(_place(store, loop, run) for run in runs)]
    lines += _uploads(loop, runs)
    live = [p for p in made if p.live]
    if live:
        lines += ["", "Live rules:", "", *(live_row(by_id, proposal) for proposal in live)]
    if proposals := [p for p in made if p.live is None]:
        lines += ["", f"Proposals made from round {number}:", "", *proposal_table(by_id, proposals, metrics)]
    return "\n".join(lines) + "\n"


def _run_table(by_id: dict[str, Run], runs: list[Run], metrics: MetricBook) -> list[str]:
    keys = for_runs(metrics, runs).key_metrics
    columns = {key: metric_column(runs, key) for key in keys}
    rows = [
        "| " + " | ".join(["run", "from", "state", "steps", *(inert(metrics.short(key)) for key in keys)]) + " |",
        "|---" * (4 + len(keys)) + "|",
    ]
    for run in runs:
        base = by_id.get(run.base_run) if run.base_run else None
        cells = [
            f"{inert(run.name)} ({run.id})",
            f"{inert(base.name)} ({base.id})" if base else "–",
            run.state.value,
            str(run.step),
            *(metric_text(run, base, key, columns[key]) for key in keys),
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return rows


def _seed_table(runs: list[Run], metrics: MetricBook) -> list[str]:
    """A table of replicates: mean, spread and number of runs that differ only in the seed; empty if there are none."""
    keys = for_runs(metrics, runs).key_metrics
    groups = replicates(runs, keys)
    if not groups:
        return []
    rows = ["| " + " | ".join(["config", "runs", *(inert(metrics.short(key)) for key in keys)]) + " |"]
    rows.append("|---" * (2 + len(keys)) + "|")
    for each in groups:
        cells = [inert(each.name), ", ".join(run.id for run in each.runs), *(each.text(key) for key in keys)]
        rows.append("| " + " | ".join(cells) + " |")
    return ["", "Over seeds, mean ± standard deviation (finished runs):", "", *rows]


class _EarlierRuns:
    """The runs against which the configs of a round are judged: those of earlier rounds, and replicates in other loops. If
    rounds are requested in order, each run is read once per set of metrics."""

    def __init__(self, store: Store, loop: Loop) -> None:
        self._store = store
        self._loop = loop
        self.seen = SharedResults()
        self._known: dict[frozenset[str], tuple[int, list[Run], list[Run]]] = {}
        """By set of metrics: the last round that was read, the runs up to it, and those of other loops."""

    def of(self, number: int, wanted: frozenset[str]) -> list[Run]:
        """Return the runs before round `number`, each with only the `wanted` metrics."""
        store, loop = self._store, self._loop.id
        known = self._known.pop(wanted) if wanted in self._known else None
        read, earlier, elsewhere = known or (0, [], list(reduced(store.replicates_elsewhere(loop), wanted)))
        earlier = [*earlier, *(run for each in range(read + 1, number) for run in reduced(store.runs(loop, each), wanted))]
        while len(self._known) >= MOST_SETS:
            del self._known[next(iter(self._known))]
        self._known[wanted] = number - 1, earlier, elsewhere
        return [*earlier, *elsewhere]


def _gpu_use(runs: list[Run]) -> list[str]:
    """The GPU use of the runs; empty if none was sampled."""
    used = [(run, run.summary.gpu) for run in runs if run.summary and run.summary.gpu]
    return (
        ["", "GPU use:", "", *(f"- {inert(run.name)} ({run.id}): {gpu_use_text(use)}" for run, use in used)] if used else []
    )


def _failure(run: Run, last: list[Attempt]) -> list[str]:
    """Why a run did not finish, the log line that shows it, and what to do."""
    lines = [f"- {inert(run.name)} ({run.id}) {run.state.value}: {inert(run.reason or '')}"]
    for attempt in last:
        lines += [f"  - {inert(text)}" for text in attempt.diagnosis.details] if attempt.diagnosis else []
    return lines


def _place(store: Store, loop: Loop, run: Run) -> str:
    text = f"- {inert(run.name)} ({run.id}): config {code(run.source_path)}, output {code(run.output_dir or '–')}"
    if run.wandb_url or run.wandb_id:
        text += f", W&B {address(run.wandb_url) if run.wandb_url else inert(run.wandb_id or '')}"
    last = store.attempts(run.id)[-1:] if loop.spec.slurm or loop.spec.hosts else []
    text += "".join(f", ran on {inert(where)}" for attempt in last if (where := attempt.where))
    return "\n".join([text, *(f"  - {inert(note)}" for note in run.notes)])


def _uploads(loop: Loop, runs: list[Run]) -> list[str]:
    """The commands that upload what W&B lacks."""
    spec = loop.spec.wandb
    names = (("entity", spec.entity), ("project", spec.project))
    goal = "".join(f" --{name} {shlex.quote(value)}" for name, value in names if value)
    commands = [
        # wandb uploads nothing again for a run that was online, unless --include-online is given.
        f"wandb sync{goal}{'' if Path(folder).name.startswith('offline-') else ' --include-online'} {shlex.quote(folder)}"
        for run in runs
        for folder in (run.wandb_sync or "").splitlines()
    ]
    if not commands:
        return []
    said = "W&B was unreachable at times; this uploads anything that is missing:"
    return ["", said, "", "```sh", *map(verbatim, commands), "```"]
