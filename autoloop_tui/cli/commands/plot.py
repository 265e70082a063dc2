"""`plot`: metric curves of runs, drawn in the terminal."""

from __future__ import annotations

from typing import Annotated

from autoloop.model import Run, UserError
from autoloop.text.suggest import did_you_mean
from cyclopts import Parameter

from autoloop_tui import client
from autoloop_tui.cli.output import charts, printing
from autoloop_tui.cli.parameters import LoopName, Many


def plot(
    runs: Annotated[list[str] | None, Many] = None,
    /,
    *,
    metric: Annotated[list[str] | None, Many] = None,
    log: Annotated[bool, Parameter(name="--log")] = False,
    loop: LoopName = None,
) -> int:
    """Plot metric curves of runs in the terminal, one chart per metric.

    In a pipe or a file, or with NO_COLOR set, runs are marked by letters instead of colours.

    Parameters
    ----------
    runs
        Ids or names of up to six runs; by default those of the newest round.
    metric
        The metrics to plot; by default the loop's first key metric.
    log
        Use a logarithmic value axis.
    """
    from autoloop.engine.planning.kept_metrics import metrics_of
    from autoloop.engine.runs.following import history_reader
    from autoloop.metrics import main_names

    with client.opened(loop) as (store, found):
        chosen = [store.find_run(found, each) for each in dict.fromkeys(runs or ())]
        chosen = chosen or store.runs(found.id, store.last_round(found.id).number)
        left_out = max(0, len(chosen) - charts.MOST) if not runs else 0
        if runs and len(chosen) > charts.MOST:
            raise UserError(f"{len(chosen)} runs are too many for one chart; the limit is {charts.MOST}.")
        chosen = chosen[: charts.MOST]
        read, book = history_reader(store, found), metrics_of(store.places, found)
    histories = {run.id: read(run) for run in chosen}
    names = sorted({name for history in histories.values() for name in history})
    if not names:
        raise UserError(f"{_all_of(chosen)} logged no readable metric; `autoloop-tui runs` shows their states.")
    known = {book.short(name): name for name in names} | {name: name for name in names}
    wanted = []
    for each in metric or ():
        name = known.get(each) or known.get(book.resolve_name(each) or "")
        if name is None:
            hint = did_you_mean(each, known, f"there are {', '.join(map(book.short, names[:8]))}.")
            raise UserError(f"{_all_of(chosen)} logged no metric {each}; {hint}")
        wanted.append(name)
    for name in wanted or main_names(list(histories.values()), book)[0][:1] or names[:1]:
        lines = [(run, histories[run.id].get(name)) for run in chosen]
        print(charts.chart(book.short(name), lines, log=log))
    if left_out:
        print(printing.printable(f"{left_out} more runs are in this round; name the ones to plot."))
    return 0


def _all_of(runs: list[Run]) -> str:
    return printing.printable(f"{runs[0].name} ({runs[0].id})" if len(runs) == 1 else f"These {len(runs)} runs")
