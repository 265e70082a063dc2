"""The section on GPU use: the totals of each run, and the use over time."""

from __future__ import annotations

from collections.abc import Callable

from autoloop.gpu_history import GpuPoint
from autoloop.model import GpuUse, Run
from autoloop.reports.html.contents import Contents
from autoloop.reports.html.curves import Line, curves
from autoloop.reports.html.elements import Cell, Markup, element, table
from autoloop.reports.html.thinning import Points
from autoloop.text.gpu_use import energy_text, memory_text
from autoloop.text.values import NOTHING, duration

NOTE = "GPU figures include all processes on the GPU, also those of other users."


def section(contents: Contents) -> Markup:
    rows = []
    for run in contents.runs:
        use = run.summary.gpu if run.summary else None
        if use is None and run.id in contents.gpus:  # the run has not ended
            use = contents.gpus[run.id].use
        if use is not None:
            rows.append(_row(contents, run, use))
    if not rows:
        return Markup()
    head = ["run", "GPUs", "time sampled", "utilisation", "idle time", "peak memory", "power", "energy"]
    return element("div", table("GPU use", head, rows), _charts(contents), element("p", NOTE, class_="note"))


def _row(contents: Contents, run: Run, use: GpuUse) -> list[Cell]:
    def cell(value: float | None, text: str) -> Cell:
        return Cell(text, value) if value is not None else Cell(NOTHING)

    return [
        Cell(contents.named(run)),
        cell(use.gpus, str(use.gpus)),
        cell(use.seconds, duration(use.seconds)),
        cell(use.utilisation, f"{use.utilisation or 0:.0f} %"),
        cell(use.idle_share, f"{100 * (use.idle_share or 0):.0f} %"),
        cell(use.peak_memory_gib, memory_text(use)),
        cell(use.power, f"{use.power or 0:.0f} W"),
        cell(use.energy_wh, energy_text(use)),
    ]


def _charts(contents: Contents) -> Markup | None:
    quantities: list[tuple[str, Callable[[GpuPoint], float | None]]] = [
        ("utilisation, %", lambda point: point.utilisation),
        ("memory, GiB", lambda point: point.memory),
        ("power, W", lambda point: point.power),
    ]
    made = []
    for title, value_of in quantities:
        lines = []
        for run in contents.runs:
            points = contents.gpus[run.id].points if run.id in contents.gpus else []
            start = points[0].at if points else 0.0
            drawn: Points = [((each.at - start) / 60, value) for each in points if (value := value_of(each)) is not None]
            if drawn:
                lines.append(Line(run.id, f"{run.name} ({run.id})", drawn, contents.colour(run)))
        made.append(curves(title, lines, over="minutes"))
    return element("div", made, class_="charts") if any(made) else None
