"""The section on a round: its runs, their replicates, the verdicts, and the curves of the key metrics."""

from __future__ import annotations

from autoloop.metrics import for_runs
from autoloop.model import Round, Run
from autoloop.reports.cells import metric_column, metric_text
from autoloop.reports.html.contents import Contents
from autoloop.reports.html.curves import Line, curves
from autoloop.reports.html.elements import Cell, Markup, bullets, element, table
from autoloop.reports.replicates import replicates, verdict_lines
from autoloop.text.number_column import NumberColumn
from autoloop.text.plural import plural
from autoloop.text.values import NOTHING, duration


def section(contents: Contents, round_: Round) -> Markup:
    runs = contents.runs_of(round_)
    if not runs:
        return element("p", "No runs yet.")
    bases = {base.id: base for run in runs if (base := contents.base_of(run)) and base.round != round_.number}
    return element(
        "div",
        _table(contents, round_, runs),
        _over_seeds(contents, round_, runs),
        bullets(verdict_lines(runs, contents.metrics, [*contents.before(round_), *contents.elsewhere])),
        _curves(contents, runs, list(bases.values())),
    )


def seconds(run: Run) -> float | None:
    """Seconds from a run's start to its end, including pauses between attempts; None until both are known."""
    return max(0.0, run.ended_at - run.started_at) if run.started_at and run.ended_at else None


def swatch(contents: Contents, run: Run) -> Markup:
    """A mark in the colour that a run has in all charts."""
    return element("span", class_=f"swatch c{contents.colour(run) % 10}")


def _table(contents: Contents, round_: Round, runs: list[Run]) -> Markup:
    keys = for_runs(contents.metrics, runs).key_metrics
    columns = {key: metric_column(runs, key) for key in keys}
    rows = []
    for run in runs:
        base, took = contents.base_of(run), seconds(run)
        rows.append(
            [
                Cell([swatch(contents, run), run.name, " ", element("small", run.id)]),
                contents.named(base) if base else NOTHING,
                Cell(element("span", run.state.value, class_=f"state {run.state.value}")),
                Cell(str(run.step), run.step),
                Cell(duration(took), took) if took is not None else NOTHING,
                *(_value(run, base, key, columns[key]) for key in keys),
            ]
        )
    head = ["run", "from", "state", "steps", "time", *(contents.metrics.short(key) for key in keys)]
    return table(f"Runs of round {round_.number}", head, rows, [f"run-{run.id}" for run in runs])


def _value(run: Run, base: Run | None, key: str, column: NumberColumn) -> Cell | str:
    mine = run.summary.metrics.get(key) if run.summary else None
    return Cell(metric_text(run, base, key, column), mine.last) if mine else NOTHING


def _over_seeds(contents: Contents, round_: Round, runs: list[Run]) -> Markup | None:
    keys = for_runs(contents.metrics, runs).key_metrics
    rows = []
    for each in replicates(runs, keys):
        values = (Cell(each.text(key), sum(found) / len(found)) if (found := each.values[key]) else NOTHING for key in keys)
        name = [swatch(contents, each.runs[0]), each.name]
        rows.append([Cell(name), Cell(str(len(each.runs)), len(each.runs)), *values])
    if not rows:
        return None
    head = ["config", "runs", *(contents.metrics.short(key) for key in keys)]
    title = "Over seeds, mean ± standard deviation (finished runs)"
    return element("div", element("h3", title), table(f"{title}, round {round_.number}", head, rows))


def _curves(contents: Contents, runs: list[Run], bases: list[Run]) -> Markup:
    keys = list(dict.fromkeys(key for run in runs for key in contents.histories[run.id]))
    last = max((run.step for run in runs), default=0)
    made = []
    for key in sorted(keys, key=contents.metrics.key_metrics.index):
        lines = [
            Line(run.id, f"{'base ' if base else ''}{run.name} ({run.id})", points, contents.colour(run), base)
            for run, base in [*((run, True) for run in bases), *((run, False) for run in runs)]
            if (points := contents.histories[run.id].get(key))
        ]
        made.append(curves(contents.metrics.short(key), lines, last))
    notes = []
    lacking = sum(bool(run.started_at) and not contents.histories[run.id] for run in runs)
    if bases and any(made):
        names = ", ".join(f"{base.name} ({base.id})" for base in bases[:4])
        more = f" and {len(bases) - 4} more" if len(bases) > 4 else ""
        notes.append(f"Dashed: {'base' if len(bases) == 1 else 'bases'} {names}{more}")
    if lacking:
        notes.append(f"The history of {plural(lacking, 'run')} could not be read.")
    return element("div", element("div", made, class_="charts") if any(made) else None, [_note(each) for each in notes])


def _note(text: str) -> Markup:
    return element("p", text, class_="note")
