"""docs/performance.md and its charts, from the JSON files of the parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from autoloop.text.values import number

from bench import drawing
from bench.measuring import KEPT, Curve, Figure, Growth, Result, Table

HEAD = """\
# Performance

Measured by `make bench`, which made this page; the figures are kept in `docs/performance/`. What is compared
was measured in turn in one run. Bars are medians, the lines on them go from the minimum to the maximum; a dashed line is a
target.
"""

REMAINS = Path(__file__).with_name("remains.md")
"""What is known of the targets that are missed, written by hand; it stands until somebody looks again."""


def write_report(parts: Sequence[str], folder: Path = KEPT) -> Path:
    """The page beside `folder`, of the parts that have been measured."""
    results = [read(path) for part in parts if (path := folder / f"{part}.json").exists()]
    for old in folder.glob("*.svg"):
        old.unlink()
    lines = [HEAD, *targets(results), *growths(results), REMAINS.read_text(encoding="utf-8")]
    for result in results:
        lines += part(result, folder)
    if missing := [name for name in parts if not (folder / f"{name}.json").exists()]:
        lines += ["", "## Not measured", "", f"{', '.join(missing)}."]
    page = folder.with_suffix(".md")
    page.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    return page


def read(path: Path) -> Result:
    return msgspec.json.decode(path.read_bytes(), type=Result)


def targets(results: Sequence[Result]) -> list[str]:
    rows = [
        f"| {result.title} | {shown(table, figure)} | ≤ {value(figure.target.limit)} {figure.unit}, {figure.target.of} "
        f"| {value(figure.judged)} {figure.unit} | {standing(figure)} | {figure.target.why} |"
        for result in results
        for table in result.tables
        for figure in table.figures
        if figure.target
    ]
    if not rows:
        return []
    met = sum("**missed**" not in row for row in rows)
    head = ["| part | figure | target | measured | | why this limit |", "|---|---|---|---|---|---|"]
    return ["## Targets", "", f"{met} of {len(rows)} are reached.", "", *head, *rows, ""]


def shown(table: Table, figure: Figure) -> str:
    return f"{table.title}: {figure.name}"


def standing(figure: Figure) -> str:
    """Whether a target is reached, and how the figure compares with it."""
    assert figure.target is not None
    share = f"{figure.judged / figure.target.limit:.2g} × the limit" if figure.target.limit else "the limit is 0"
    return f"reached: {share}" if figure.reached else f"**missed**: {share}"


def growths(results: Sequence[Result]) -> list[str]:
    """How costs grow, worst first."""
    found = [(result, chart, curve) for result in results for chart in result.growths for curve in chart.curves]
    if not found:
        return []
    rows = [
        f"| {result.title} | {chart.title}: {curve.name} | {sizes(chart, curve)} | {curve.exponents[0]:.2f} "
        f"| {curve.exponents[1]:.2f} | {'**worse than linear**' if curve.worse_than_linear else ''} |"
        for result, chart, curve in sorted(found, key=lambda each: -each[2].exponents[1])
    ]
    text = "Cost ~ size ^ exponent, by least squares over logarithms; the upper half of the sizes says more, since what is"
    head = ["| part | cost | sizes | exponent | upper half | |", "|---|---|---|---|---|---|"]
    return ["## Growth", "", f"{text}\nfixed counts less there.", "", *head, *rows, ""]


def sizes(chart: Growth, curve: Curve) -> str:
    found = [size for size, _ in curve.medians]
    return f"{found[0]:g} to {found[-1]:g} {chart.work}"


def part(result: Result, folder: Path) -> list[str]:
    load = " → ".join(f"{each:.1f}" for each in result.load)
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    lines = [f"## {result.title}", "", result.what, ""]
    lines += [f"{result.machine}; load {load}; {versions}; commit {result.commit}, {result.date}.", ""]
    for note in result.notes:
        lines += [note, ""]
    charts = 0
    for table in result.tables:
        lines += [f"### {table.title}", ""]
        if comparable(table):
            charts += 1
            lines += [chart(result, charts, table.title, drawing.bars(table.title, table.figures), folder), ""]
        lines += ["| | minimum | median | maximum | | runs | target |", "|---|--:|--:|--:|---|--:|---|"]
        lines += [row(figure) for figure in table.figures]
        lines += ["", *(line for note in table.notes for line in (note, ""))]
    for grown in result.growths:
        charts += 1
        lines += [f"### {grown.title}", ""]
        lines += [chart(result, charts, grown.title, drawing.growth(grown), folder), "", *grown_table(grown), ""]
    return lines


def comparable(table: Table) -> bool:
    """Whether bars say something: one unit, and something else beside ours."""
    return len({figure.unit for figure in table.figures}) == 1 and any(not figure.ours for figure in table.figures)


def chart(result: Result, number_: int, title: str, drawn: str, folder: Path) -> str:
    name = f"{result.part}-{number_}.svg"
    (folder / name).write_text(drawn, encoding="utf-8")
    return f"![{title}]({folder.name}/{name})"


def row(figure: Figure) -> str:
    spread = " | ".join(value(each) for each in (min(figure.values), figure.median, max(figure.values)))
    wanted = f"≤ {value(figure.target.limit)} ({figure.target.of}), {standing(figure)}" if figure.target else ""
    name = figure.name if figure.ours else f"*{figure.name}*"
    return f"| {name} | {spread} | {figure.unit} | {len(figure.values)} | {wanted} |"


def grown_table(grown: Growth) -> list[str]:
    columns = sorted({size for curve in grown.curves for size, _ in curve.points})
    lines = [f"| {grown.unit} | {' | '.join(f'{size:g}' for size in columns)} | exponent |"]
    lines.append(f"|---|{'--:|' * (len(columns) + 1)}")
    for curve in grown.curves:
        costs = dict(curve.medians)
        cells = (value(costs[size]) if size in costs else "" for size in columns)
        lines.append(f"| {curve.name} | {' | '.join(cells)} | {curve.exponents[1]:.2f} |")
    return lines


def value(figure: float) -> str:
    return number(figure, 4)
