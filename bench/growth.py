"""What reading a loop again costs by its size, in one process: the reports, their newest round, the page to share, and the
snapshot that the console paints, for the first time and after one run has changed. Rounds of eight runs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
from autoloop.html_report import write_html
from autoloop.metrics import MetricBooks
from autoloop.reports import MarkdownReport, write_markdown, write_summary
from autoloop.store import Store
from autoloop.store.snapshot import take_snapshot

from bench.measuring import Result, Sample, Target, timed
from bench.past_loop import past_loop

TITLE = "Growth of a loop"
PER_ROUND = 8
ROUNDS = (5, 20, 80)

TIMES = 3
MANY = 5000
"""Runs of the loop whose snapshot has a target."""


def measure(result: Result) -> None:
    curves: dict[str, dict[float, list[float]]] = {}
    for rounds in ROUNDS:
        with tempfile.TemporaryDirectory() as place, past_loop(Path(place), rounds, PER_ROUND) as store:
            for name, work in works(store, rounds).items():
                taken = [timed(work) for _ in range(TIMES)]
                curves.setdefault(name, {})[rounds * PER_ROUND] = [1e3 * sample.cpu for sample in taken]
    grown = result.growth("A loop in rounds of eight runs: milliseconds of the processor", "runs", "ms")
    for name, points in curves.items():
        grown.add(name, points)
    result.notes.append(
        "The whole Markdown report judges each round by all runs up to it; `report` and an engine's first write do that; "
        "later an engine writes the newest round. What the judge of one round found, that of the next takes over: only "
        "going through the runs once more for each round grows with the square."
    )
    snapshots(result)


def works(store: Store, rounds: int) -> dict[str, Callable[[], Sample | None]]:
    book = MetricBooks().of([])
    page = store.places.project / "page.html"
    report = MarkdownReport(store, 1, book)

    def again() -> None:
        store.touched[1] = rounds
        report.write()

    def page_written() -> None:
        write_html(store, store.loop(1), page)

    def whole() -> None:
        write_markdown(store, 1, book)

    def summary() -> None:
        write_summary(store, 1)

    report.write()
    return {
        "Markdown report": whole,
        "its newest round": again,
        "summary as JSON": summary,
        "page to share": page_written,
        "first snapshot": lambda: first_snapshot(store.places.project),
    }


def first_snapshot(project: Path) -> Sample:
    with Store.open(project) as store:
        return timed(lambda: told(take_snapshot(store, 1)))


def snapshots(result: Result) -> None:
    with tempfile.TemporaryDirectory() as place:
        past_loop(Path(place), MANY // PER_ROUND, PER_ROUND).close()
        firsts = [first_snapshot(Path(place)).wall * 1e3 for _ in range(5)]
        table = result.table(f"take_snapshot of a loop of {MANY} runs")
        table.add("first", "ms", firsts)
        with Store.open(Path(place)) as store, Store.open(Path(place)) as engine:
            take_snapshot(store, 1)
            same = [timed(lambda: told(take_snapshot(store, 1))).wall * 1e3 for _ in range(20)]
            changed = []
            for turn in range(20):
                run = engine.run("1x0")
                with engine.transaction():
                    engine.put_run(msgspec.structs.replace(run, step=turn))
                changed.append(timed(lambda: told(take_snapshot(store, 1))).wall * 1e3)
        limit = Target(5.0, "the console takes one several times a second")
        table.add("nothing has changed", "ms", same, limit)
        table.add("one run has changed", "ms", changed, limit)


def told(_: object) -> None:
    """A work that has an answer nobody needs."""
