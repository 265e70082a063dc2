"""Asks slow rules about the configs of a round in a thread, so that the engine can carry out commands while a user's code
runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

from autoloop.metrics import ConfigSummary
from autoloop.rules import Judgement, RuleSource, RunView
from autoloop.verdicts import BaseComparison


class PendingJudgement:
    """A question to slow rules, started on construction. `answers`, by the id of the run that represents a config, are
    complete when it is `done`. `drop` it if they are no longer needed."""

    def __init__(
        self, rules: RuleSource, round_: int, configs: Sequence[ConfigSummary], among_runs: Mapping[str, BaseComparison]
    ) -> None:
        """`among_runs`: each config compared with its base, by the id of the run that represents it."""
        self.round = round_
        self.runs = _as_they_are(configs)
        self.answers: dict[str, Judgement] = {}
        self.since = time.monotonic()
        self._rules = rules
        self._dropped = False
        views = [(each.run.id, _view(each, among_runs[each.run.id])) for each in configs]
        self._thread = threading.Thread(target=self._ask, args=(views,), name="rules", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def about(self, round_: int, configs: Sequence[ConfigSummary]) -> bool:
        """Whether the question is about exactly these runs: one may have been run again meanwhile."""
        return self.round == round_ and self.runs == _as_they_are(configs)

    def drop(self) -> None:
        self._dropped = True
        self._rules.close()

    def _ask(self, views: list[tuple[str, RunView]]) -> None:
        for run, view in views:
            if self._dropped:
                return
            self.answers[run] = self._rules.judge(view)
        self._rules.close()


def _view(config: ConfigSummary, among_runs: BaseComparison) -> RunView:
    return RunView(config.summary, against=lambda: among_runs)


def _as_they_are(configs: Sequence[ConfigSummary]) -> list[tuple[str, float | None]]:
    return [(run.id, run.ended_at) for each in configs for run in each.runs]
