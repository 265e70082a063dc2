"""Runs that are looked at from outside any loop: those below a folder, and those in a W&B project."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
from autoloop.metrics import MetricBook, to_json
from autoloop.model import Change, Config, Summary, UserError
from autoloop.settings import Settings, load_settings
from cyclopts import Parameter

from autoloop_tui import plain

if TYPE_CHECKING:
    from autoloop.rules import RuleSource, Suggestion

OneOrNone = Parameter(consume_multiple=(0, 1))
JsonTo = Parameter(name=["--json", "--out-json"], consume_multiple=(0, 1))


class Analysed(NamedTuple):
    """One run, ready to be shown. `cells`: what the table says between its name and its metrics."""

    name: str
    shown: str
    cells: list[str]
    summary: Summary
    diverged: list[str]
    config: Config
    log: Path | None = None


def analyze_offline(
    *,
    outputs_root: Path | None = None,
    limit: int = 50,
    rules: Annotated[list[str] | None, OneOrNone] = None,
    json: Annotated[list[str] | None, JsonTo] = None,
) -> int:
    """Summarise the runs below a folder, whoever started them, newest first.

    On a terminal this prints a table; into a pipe or a file it prints JSON: {output directory: {metric: {first, last,
    best, best_step, delta, pct, …}, "steps": N}}, or with --rules {"summary": that, "proposals": {output directory:
    [{reason, changes}]}}. Every run found is an entry, also one without any metric. What was read is remembered, so the
    second time takes no time.

    Parameters
    ----------
    outputs_root
        The folder to search, at any depth (outputs/train, or as autoloop.toml says).
    limit
        Only so many of the newest runs.
    rules
        Also show what rules would propose: the project's rule book, or the one named here (.toml or .py).
    json
        Print the JSON also on a terminal; with a file's name, write it there and print the table.
    """
    from autoloop import offline

    if limit < 1:
        raise UserError(f"--limit {limit} makes no sense: give 1 or more.")
    project = Path.cwd()
    settings = load_settings(project)
    book = settings.metric_book(project)
    source = _rules(rules, settings, book)
    root = outputs_root or Path(settings.output_root)
    found = offline.find_runs(root)
    if not found:
        raise UserError(f"No run has left a W&B history below {root}; name another folder with --outputs-root.")
    memory = offline.Memory(
        offline.memory_path(project, root, os.environ), offline.Remembered, offline.version_of(book)
    )
    read = offline.read_runs(found, book, limit=limit, memory=memory, processes=len(os.sched_getaffinity(0)))
    runs = [
        Analysed(
            name=run.name,
            shown=os.path.relpath(run.name, root),
            cells=[time.strftime("%m-%d %H:%M", time.localtime(run.modified)), _ended(record.exit_code)],
            summary=record.summary,
            diverged=record.diverged,
            config=record.config,
            log=Path(run.segments[-1].path).parent / "files/output.log" if run.segments else None,
        )
        for run, record in read
    ]
    for problem in [problem for _, record in read for problem in record.problems]:
        print(f"note: {plain.printable(problem)}", file=sys.stderr)
    proposals = _proposals(runs, source, settings, book) if source else None
    document = _summaries(runs) if proposals is None else _document(runs, proposals)
    _present(runs, ["run", "written", "ended"], proposals, document, book, json)
    if len(found) > limit:
        print(f"The newest {limit} of {len(found)} runs; --limit shows more.", file=sys.stderr)
    return 0


def _ended(code: int | None) -> str:
    """An exit code that W&B recorded, in a word; it records none for a run that goes on or was killed."""
    return {None: "–", 0: "finished", 255: "interrupted"}.get(code, f"exit {code}")


# --------------------------------------------------------------------------------------------------- rules and output


def _rules(given: list[str] | None, settings: Settings, book: MetricBook) -> RuleSource | None:
    """The rules to ask: None without --rules, the project's without a name."""
    if given is None:
        return None
    from autoloop.engine.checks import load_rules

    path = given[0] if given else settings.rules and str(Path.cwd() / settings.rules)
    return load_rules(path, book)


def _proposals(
    runs: list[Analysed], source: RuleSource, settings: Settings, book: MetricBook
) -> dict[str, list[Suggestion]]:
    from autoloop.rules import RunView, suggestions

    fields = settings.field_types()
    result = {}
    undecided: Counter[str] = Counter()
    for run in runs:
        result[run.name], notes = suggestions(source, RunView(run.summary, run.config, _log_of(run), book), fields)
        undecided.update(notes)
    for note, times in undecided.items():
        print(f"note: {plain.printable(note)} ({times} run{'s' if times > 1 else ''})", file=sys.stderr)
    return result


def _log_of(run: Analysed) -> Any:
    """What W&B kept of the run's output, read only if a rule asks."""

    def lines() -> list[str]:
        try:
            return run.log.read_text(encoding="utf-8", errors="replace").splitlines() if run.log else []
        except OSError:
            return []

    return lines


def _summaries(runs: list[Analysed]) -> dict[str, Any]:
    return {plain.encodable(run.name): to_json(run.summary) for run in runs}


def _document(runs: list[Analysed], proposals: Mapping[str, list[Suggestion]]) -> dict[str, Any]:
    asked = {plain.encodable(name): [each.to_json() for each in found] for name, found in proposals.items()}
    return {"summary": _summaries(runs), "proposals": asked}


def _present(
    runs: list[Analysed],
    head: list[str],
    proposals: Mapping[str, list[Suggestion]] | None,
    document: dict[str, Any],
    book: MetricBook,
    json: list[str] | None,
) -> None:
    """A table for a person, JSON for a pipe; a named file gets the JSON and the person the table."""
    file = json[0] if json and json != ["-"] else None
    if file is None and (json is not None or not sys.stdout.isatty()):
        print(_formatted(document))
        return
    if file is not None:
        from autoloop.reports.files import write_atomically

        try:
            write_atomically(Path(file), _formatted(document) + "\n")
        except OSError as error:
            raise UserError(f"{file} cannot be written: {error.strerror}; name another file with --json.") from None
    print(_table(runs, head, book))
    if proposals is not None:
        print("\n" + _proposals_text(runs, proposals))
    if file is not None:
        print(f"\nWrote {plain.printable(file)}")


def _formatted(document: dict[str, Any]) -> str:
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def _table(runs: list[Analysed], head: list[str], book: MetricBook) -> str:
    keys = book.key_metrics
    rows = [
        [
            plain.printable(run.shown),
            *(plain.printable(cell) for cell in run.cells),
            run.summary.steps,
            *(_last(run, key) for key in keys),
        ]
        for run in runs
    ]
    return plain.table([*head, "steps", *(book.short(key) for key in keys)], rows)


def _last(run: Analysed, key: str) -> str:
    if key in run.diverged:
        return "not finite"
    return plain.number(run.summary.metrics[key].last if key in run.summary.metrics else None)


def _proposals_text(runs: list[Analysed], proposals: Mapping[str, list[Suggestion]]) -> str:
    lines = []
    for run in runs:
        lines.append(plain.printable(run.shown))
        if not proposals[run.name]:
            lines.append("  nothing is proposed" + ("" if run.summary.metrics else ": it has no metric"))
        for each in proposals[run.name]:
            lines.append(f"  {plain.printable(each.reason)}  ({plain.printable(each.rule)})")
            if each.changes:
                width = max(plain.width(change.path) for change in each.changes)
                lines += [
                    f"    {plain.pad(plain.printable(change.path), width)}  {_before(change)} → {_value(change.after)}"
                    for change in each.changes
                ]
            elif not run.config:
                lines += [f"    {plain.printable(edit)}" for edit in each.edits]
            lines += [f"    {plain.printable(note)}" for note in each.notes]
            if each.blocked:
                lines.append(f"    must not be run: {plain.printable(each.blocked)}")
    return "\n".join(lines)


def _before(change: Change) -> str:
    return "new" if change.created else _value(change.before)


def _value(value: Any) -> str:
    return plain.printable(msgspec.json.encode(value).decode())
