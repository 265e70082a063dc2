"""Charts of the metrics a proposal is based on, from its base run, with the rule's threshold as a named line."""

from __future__ import annotations

from collections.abc import Mapping

from autoloop.metrics import MetricBook
from autoloop.model import Proposal, Run, Series
from textual.app import ComposeResult
from textual.containers import Vertical

from autoloop_tui.console.drawing.backdrop import Level
from autoloop_tui.console.drawing.lines import Line
from autoloop_tui.console.drawing.paint import number, plain
from autoloop_tui.console.feed import Feed
from autoloop_tui.console.present.charts.levels import LEVELS
from autoloop_tui.console.present.proposals.queue import telling_metrics
from autoloop_tui.console.widgets.chart import Chart

CHARTS = 2

DECADES = 50.0
"""If value and threshold differ by more than this factor, the axis is logarithmic."""


class EvidenceCharts(Vertical):
    """One chart, or two if the layout shows the second. Histories are read in small steps per tick, never on a key press."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._proposal: Proposal | None = None
        self._base: Run | None = None
        self._metrics: list[str] = []
        self._book: MetricBook | None = None
        self._first = 0
        self._columns: Mapping[str, Series] = {}
        self._settled = ""
        """The run whose complete history is in `_columns`."""
        self._length = -1
        self._log_y: bool | None = None
        """The user's choice; None: chosen by the values."""

    def compose(self) -> ComposeResult:
        for index in range(CHARTS):
            yield Chart(id=f"chart{index}")

    def show_evidence(self, proposal: Proposal | None, base: Run | None, book: MetricBook) -> None:
        """Show the metrics of a proposal. A run whose history is available is painted at once."""
        if proposal is None or self._proposal is None or proposal.id != self._proposal.id:
            self._first = 0
        if (base and base.id) != (self._base and self._base.id):
            self._columns, self._length, self._settled = {}, -1, ""
        self._proposal, self._base, self._book = proposal, base, book
        self._metrics = telling_metrics(proposal, book, 8) if proposal else []
        self.repaint()

    def choose(self, step: int) -> None:
        """Show the next or previous metric first."""
        if self._known():
            self._first = (self._first + step) % len(self._known())
            self.repaint()

    def toggle_log_y(self) -> None:
        self._log_y = not self.query_one("#chart0", Chart).log_y
        self.repaint()

    def read(self, feed: Feed) -> None:
        """Continue reading the base run's history; stop once an ended run's is complete."""
        if self._base is None or not self.display or self._settled == self._base.id:
            return
        self._columns = feed.read(self._base)
        length = sum(map(len, self._columns.values()))
        if length == self._length:
            self._settled = self._base.id if self._base.state.ended and not feed.arrives(self._base) else ""
            if self._settled:
                self.repaint()
            return
        self._length = length
        self.repaint()

    def _known(self) -> list[str]:
        return [name for name in self._metrics if name in self._columns]

    def repaint(self) -> None:
        known = self._known()
        for index, chart in enumerate(self.query(Chart)):
            place = self._first + index
            if self._base is None or (known and index >= len(known)):
                chart.set_title("")
                chart.set_series([])
            elif not known:
                waits = self._base.output_dir is not None and self._settled != self._base.id
                chart.set_title("" if index else "loading the history of its base run" if waits else "no history")
                chart.set_series([])
            else:
                self._paint(chart, known[place % len(known)])

    def _paint(self, chart: Chart, metric: str) -> None:
        assert self._base is not None
        assert self._book is not None
        series = self._columns[metric]
        test = self._test(metric)
        threshold = test[1] if test else None
        levels = [Level(test[1], f"{plain(test[0])} {number(test[1])}")] if test else []
        chart.log_y = _wants_log(series, threshold) if self._log_y is None else self._log_y
        chart.set_title(plain(self._book.short(metric)))
        chart.set_series([Line(plain(self._base.name), series)], levels)

    def _test(self, metric: str) -> tuple[str, float] | None:
        """Return the operator and threshold of the last comparison of a level of the metric in the evidence."""
        found = None
        for seen in self._proposal.evidence.observations if self._proposal and self._proposal.evidence else ():
            number_ = isinstance(seen.threshold, int | float) and not isinstance(seen.threshold, bool)
            if seen.metric == metric and number_ and seen.name.rpartition(".")[2] in LEVELS:
                found = seen.op, float(seen.threshold)
        return found


def _wants_log(series: Series, threshold: float | None) -> bool:
    """Return whether value and threshold are so far apart that a linear axis would show neither."""
    if threshold is None or not len(series) or threshold <= 0:
        return False
    positive = [value for value in series.values if value > 0]
    if len(positive) < len(series) or not positive:
        return False
    values = (min(positive), max(positive), threshold)
    return max(values) / min(values) > DECADES
