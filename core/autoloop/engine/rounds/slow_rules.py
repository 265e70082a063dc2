"""Slow rules asked about the runs of a round, in a thread: the engine obeys commands while a user's code thinks."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from autoloop.model import Run, Summary
from autoloop.rules import Judgement, RuleSource, RunView


class Asking:
    """Under way from the start. `answers`, by run id, are complete when it is `done`; `drop` it if nobody wants them."""

    def __init__(self, rules: RuleSource, round_: int, runs: Sequence[Run]) -> None:
        self.round = round_
        self.runs = [(run.id, run.ended_at) for run in runs]
        self.answers: dict[str, Judgement] = {}
        self.since = time.monotonic()
        self._rules = rules
        self._dropped = False
        summaries = [(run.id, run.summary or Summary()) for run in runs]
        self._thread = threading.Thread(target=self._ask, args=(summaries,), name="rules", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def about(self, round_: int, runs: Sequence[Run]) -> bool:
        """Whether it asks about these runs as they are: one may have been run again meanwhile."""
        return self.round == round_ and self.runs == [(run.id, run.ended_at) for run in runs]

    def drop(self) -> None:
        self._dropped = True
        self._rules.close()

    def _ask(self, summaries: list[tuple[str, Summary]]) -> None:
        for run, summary in summaries:
            if self._dropped:
                return
            self.answers[run] = self._rules.judge(RunView(summary))
        self._rules.close()
