"""`analyze-offline` and `analyze-wandb`: runs outside of any loop, in a folder or a W&B project."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

from autoloop.model import UserError
from autoloop.settings import load_settings
from cyclopts import Parameter

from autoloop_tui.cli import run_flags
from autoloop_tui.cli.output import analysis, printing

OneOrNone = Parameter(consume_multiple=(0, 1))
JsonTo = Parameter(name=["--json", "--out-json"], consume_multiple=(0, 1))


def analyze_offline(
    *,
    outputs_root: Path | None = None,
    limit: int = 50,
    rules: Annotated[list[str] | None, OneOrNone] = None,
    json: Annotated[list[str] | None, JsonTo] = None,
) -> int:
    """Summarise the runs under a folder, newest first, no matter what started them.

    Prints a table on a terminal, else JSON: {output directory: {metric: {first,
    last, best, best_step, delta, pct, …}, "steps": N}}; with --rules {"summary":
    that, "proposals": {output directory: [{reason, changes}]}}. Every run found
    has an entry, even one without metrics. Results are cached.

    Parameters
    ----------
    outputs_root
        The folder to search recursively (default: the one in autoloop.toml, else outputs/train).
    limit
        Only the newest N runs.
    rules
        Also show what rules would propose: those of the project's rule book, or of the one given (.toml or .py).
    json
        Print JSON even on a terminal; with a file name, write the JSON there and print the table.
    """
    from autoloop import run_archive

    if limit < 1:
        raise UserError(f"--limit must be at least 1, not {limit}.")
    project = Path.cwd()
    settings = load_settings(project)
    books = settings.metric_books(project)
    source = None if rules is None else analysis.rules_of(rules, settings, books)
    root = outputs_root or Path(settings.output_root)
    problems: list[str] = []
    found = run_archive.find_runs(root, problems)
    if not found:
        for problem in problems:
            printing.complain(f"note: {printing.printable(problem)}")
        raise UserError(f"No run history found under {root}; choose another folder with --outputs-root.")
    memory = run_archive.Memory(
        run_archive.memory_path(project, root, os.environ), run_archive.CachedRecord, run_archive.version_of(books)
    )
    read = run_archive.read_runs(found, books, limit=limit, memory=memory, processes=len(os.sched_getaffinity(0)))
    runs = [
        analysis.AnalysedRun(
            name=run.name,
            shown=os.path.relpath(run.name, root),
            cells=[time.strftime("%m-%d %H:%M", time.localtime(run.modified)), _ended(record.exit_code)],
            summary=record.summary,
            config=record.config,
            log=Path(run.segments[-1].path).parent / "files/output.log" if run.segments else None,
        )
        for run, record in read
    ]
    for problem in problems + [problem for _, record in read for problem in record.problems]:
        printing.complain(f"note: {printing.printable(problem)}")
    proposals = analysis.proposals_for(runs, source, settings, books) if source else None
    if proposals is None:
        document = printing.answer("summaries", analysis.summaries(runs))
    else:
        document = printing.answer("analysis", analysis.with_proposals(runs, proposals))
    analysis.present(runs, ["run", "written", "ended"], proposals, document, books, json)
    if len(found) > limit:
        printing.complain(f"The newest {limit} of {len(found)} runs; --limit shows more.")
    return 0


def analyze_wandb(
    *,
    entity: str | None = None,
    project: str | None = None,
    group: Annotated[str, Parameter(name=["--group", "--group-substr"])] = "",
    tags: Annotated[list[str] | None, Parameter(name=["--tags", "--tag"], consume_multiple=True)] = None,
    max_runs: int = 50,
    history_limit: int | None = None,
    rules: Annotated[list[str] | None, OneOrNone] = None,
    json: Annotated[list[str] | None, JsonTo] = None,
    timeout: float = 300.0,
) -> int:
    """Summarise the runs of a W&B project from every row they logged, newest first.

    Prints a table on a terminal, else JSON: {"summary": {run id: {metric: {first,
    last, best, best_step, delta, pct, …}, "steps": N}}, "proposals": {run id:
    [{reason, changes}]}}. Needs a W&B key (WANDB_API_KEY, or `wandb login`).

    Parameters
    ----------
    entity
        W&B entity (or autoloop.toml, under [wandb]).
    project
        W&B project (or autoloop.toml, under [wandb]).
    group
        Only runs whose group contains this text.
    tags
        Only runs with all of these tags.
    max_runs
        Only the newest N of them.
    history_limit
        Read only N rows per run, sampled evenly by W&B: faster, but the best value may be missed.
    rules
        Also show what rules would propose: those of the project's rule book, or of the one given (.toml or .py).
    json
        Print JSON even on a terminal; with a file name, write the JSON there and print the table.
    timeout
        Stop reading after this many seconds and show what was read so far.
    """
    from autoloop.metrics import summarise
    from autoloop.wandb_cloud.client import Project
    from autoloop.wandb_cloud.run_config import trainer_config

    for flag, value in (("--max-runs", max_runs), ("--history-limit", history_limit), ("--timeout", timeout)):
        if value is not None and not value >= 1:
            raise UserError(f"{flag} must be at least 1, not {value:g}.")
    cwd = Path.cwd()
    settings = load_settings(cwd)
    books = settings.metric_books(cwd)
    source = analysis.rules_of(rules or [], settings, books)
    fields = settings.field_types()
    deadline = time.monotonic() + timeout
    where = Project(os.environ, deadline, *run_flags.wandb_place(entity, project, settings))
    listed, found = where.runs(max_runs, group=group, tags=tags or [], limit=history_limit)
    if not listed:
        narrowed = " that fits --group and --tags" if group or tags else ""
        raise UserError(f"{where.entity}/{where.project} has no run{narrowed}.")
    runs: list[analysis.AnalysedRun] = []
    failure: UserError | None = None
    try:
        for run in found:
            config = trainer_config(run.config, fields)
            runs.append(
                analysis.AnalysedRun(
                    name=run.id,
                    shown=run.name,
                    cells=[run.id, run.state, run.group],
                    summary=summarise(run.columns, books.for_run(config, run.columns)),
                    config=config,
                )
            )
    except UserError as error:
        failure = error
        if not runs:
            raise
    proposals = analysis.proposals_for(runs, source, settings, books)
    document = printing.answer("analysis", analysis.with_proposals(runs, proposals))
    shown = None if rules is None else proposals
    analysis.present(runs, ["run", "id", "state", "group"], shown, document, books, json)
    if failure is not None:
        printing.complain(f"Only {len(runs)} of {listed} runs could be read. {printing.printable(str(failure))}")
        return 1
    return 0


def _ended(code: int | None) -> str:
    """An exit code recorded by W&B, as a word; there is none for a run that is still running or was killed."""
    return {None: "–", 0: "finished", 255: "interrupted"}.get(code, f"exit {code}")
