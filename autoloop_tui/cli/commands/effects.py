"""`effects`: the effect of each setting on a metric, from exact pairs of past runs, and the settings that mattered most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from autoloop.metrics import Direction, MetricBook, main_metrics
from autoloop.model import UserError
from autoloop.settings import load_settings
from autoloop.text.suggest import did_you_mean

from autoloop_tui import client
from autoloop_tui.cli.output import effects as output
from autoloop_tui.cli.output import printing
from autoloop_tui.cli.parameters import AsJson, Many

if TYPE_CHECKING:
    from autoloop.effects import Importance, TrainedRun


def effects(
    paths: list[Path] | None = None,
    /,
    *,
    loops: Annotated[list[str] | None, Many] = None,
    metric: str | None = None,
    json: AsJson = False,
) -> int:
    """Show the effect of each setting on a metric, from pairs of configs that differ in one value.

    Runs that differ only in the seed count as one config. Configs are compared with the one trained first, if trainer and
    number of steps are equal. With 20 or more finished runs, the importance of each setting is estimated too (PED-ANOVA;
    needs pip install 'autoloop-tui[search]').

    Parameters
    ----------
    paths
        Folders with runs; by default, the runs of this project's loops.
    loops
        Which loops (name or number); all by default.
    metric
        The metric; the first key metric by default.
    """
    from autoloop.effects import compare
    from autoloop.engine.planning.variant_policies import store_of
    from autoloop.trained_runs import trained_below, trained_in_loops

    project = Path.cwd()
    books = load_settings(project).metric_books(project)
    problems: list[str] = []
    runs = [run for path in paths or [] for run in trained_below(path, books, project, problems)]
    if loops or not paths:
        with store_of(project) as store:
            if store is None:
                raise UserError("This folder has no loop; name folders with runs, as in `autoloop-tui effects outputs`.")
            runs += trained_in_loops(store, client.chosen_loops(store, loops or []), problems)
    for problem in dict.fromkeys(problems):
        printing.complain(f"note: {printing.printable(problem)}")
    if not runs:
        raise UserError("No run has finished, so there is nothing to compare.")
    book = books.for_runs((run.config, run.summary.metrics) for run in runs)
    name = _metric(metric, runs, book)
    comparison = compare(runs, name, book.direction(name))
    weights, why_not = _importance(runs, name, book.direction(name))
    report = output.Report(comparison, book.short(name), book.direction(name), weights, why_not)
    print(printing.answer("effects", report.document()) if json else report.text())
    return 0


def _metric(metric: str | None, runs: Sequence[TrainedRun], book: MetricBook) -> str:
    """Return the metric's full name. UserError if no run has it, or no run has any metric."""
    from autoloop.metrics import found_as

    if metric is None:
        keys, _ = main_metrics([run.summary for run in runs], book)
        if not keys:
            raise UserError("No finished run has a metric, so there is nothing to compare.")
        return keys[0]
    names = {name: None for run in runs for name in run.summary.metrics}
    found = found_as(metric, book, names)
    if found not in names:
        hint = did_you_mean(metric, [book.short(each) for each in names], "`autoloop-tui runs --json` lists the names.")
        raise UserError(f"No run has a metric {metric}; {hint}")
    return found


def _importance(runs: Sequence[TrainedRun], metric: str, good: Direction | None) -> tuple[list[Importance], str]:
    """Return the importance of settings in the largest cohort; or a sentence that says why it is unknown."""
    from autoloop.effects import FEWEST, importance

    fit = [run for run in runs if metric in run.summary.metrics and metric not in run.summary.not_finite]
    cohort, number = Counter(run.cohort for run in fit).most_common(1)[0] if fit else ("", 0)
    if number < FEWEST:
        return [], f"Importance needs {FEWEST} finished runs with the same trainer and length; there are {number}."
    if good is None:
        return [], "Importance needs to know whether higher or lower is better (`higher` or `lower` under [metrics])."
    try:
        return importance([run for run in fit if run.cohort == cohort], metric, good), ""
    except UserError as error:
        return [], str(error)
