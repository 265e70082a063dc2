"""The histories of a config's other seeds, for the bands of charts with several runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autoloop.model import Run, Series

from autoloop_tui.console.drawing.lines import Line
from autoloop_tui.console.feed import Feed
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.charts.bands import MOST_SEEDS, KnownSeeds, Seeds


class Replicates:
    """Reads one history at a time, round-robin: a key must not wait for all of them."""

    def __init__(self) -> None:
        self._seeds = KnownSeeds()
        self._read: dict[str, Mapping[str, Series]] = {}
        """By run, as far as they have been read."""
        self._turn = 0

    def read_on(self, feed: Feed, view: View, runs: Sequence[Run]) -> bool:
        """Continue reading the history of one replicate of these runs; return whether there was anything new."""
        own = {run.id for run in runs}
        others = {each.id: each for run in runs for each in self.others(view, run) if each.id not in own}
        if not others:
            return False
        run = list(others.values())[self._turn % len(others)]
        self._turn += 1
        before, self._read[run.id] = self._read.get(run.id), feed.read(run)
        return self._read[run.id] is not before

    def others(self, view: View, run: Run) -> list[Run]:
        """Return the other replicates of the run that have started."""
        found = [each for each in view.replicates(run) if each.id != run.id and each.output_dir is not None]
        return found[: MOST_SEEDS - 1]

    def seeds(self, view: View, run: Run, columns: Mapping[str, Mapping[str, Series]], metric: str) -> Seeds | None:
        """Return the band of the run's config. `columns`: histories read elsewhere, by run; they take precedence."""
        known = [columns.get(each.id) or self._read.get(each.id, {}) for each in (run, *self.others(view, run))]
        return self._seeds.of(run.id, metric, known)

    def with_bands(
        self, view: View, lines: Mapping[str, Line], columns: Mapping[str, Mapping[str, Series]], metric: str
    ) -> list[Line]:
        """Return the lines, each with the band of its config; if several runs of a config are drawn, only the first has
        it."""
        banded: set[str] = set()
        found: list[Line] = []
        for run_id, line in lines.items():
            run = view.run(run_id)
            seeds = self.seeds(view, run, columns, metric) if run is not None and run_id not in banded else None
            if run is not None and seeds is not None:
                banded |= {each.id for each in view.replicates(run)}
            found.append(line._replace(band=seeds.band) if seeds else line)
        return found
