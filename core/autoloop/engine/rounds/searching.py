"""A round's proposals from the search. Optuna is asked in a thread, so that the engine can carry out commands meanwhile."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from dataclasses import dataclass, field

from autoloop.engine.base.context import Context
from autoloop.engine.base.frozen_config import frozen_config
from autoloop.engine.rounds.best import best_run
from autoloop.engine.rounds.outcome import outcome_in
from autoloop.engine.rounds.search_history import Material, history, material
from autoloop.metrics import Direction
from autoloop.metrics.seeds import by_config
from autoloop.model import Actor, Evidence, Expectation, Run, RunState, Sampler, Search
from autoloop.search import Answer, How, Question, reason
from autoloop.search.process import SearchError, SearchProcess
from autoloop.text.searches import space_words
from autoloop.variants.request import VariantRequest
from autoloop.variants.spaces import edits_to


@dataclass(frozen=True)
class SearchResult:
    """The proposals of the search: variants of `base`, of which at most `room` are needed. `left`: how many configs of the
    space have neither run nor been proposed, if countable. `failed`: the reason if the search failed."""

    base: Run | None = None
    requests: list[VariantRequest] = field(default_factory=list)
    room: int = 0
    left: int | None = None
    failed: str | None = None


class PendingSearch:
    """A question to the search, sent on construction. `found` is set once it has been answered."""

    def __init__(self, context: Context, search: Search, round_: int, finished: list[str]) -> None:
        self.round = round_
        self.finished = finished
        self.since = time.monotonic()
        self.found: SearchResult | None = None
        self._search = search
        self._process = SearchProcess()
        best = best_run(context.store, context.loop_id, context.metrics)
        if best is None:
            text = "no finished run has a metric whose better direction is known"
            self.found = SearchResult(failed=f"{text}; declare it under [metrics] in autoloop.toml and start a new loop")
            return
        self._good: Direction = "high" if best.highest else "low"
        self._metric = context.metrics.short(best.metric)
        self._expected = Expectation(metric=best.metric, direction="higher" if best.highest else "lower")
        base, beside = _base(context, best.metric, best.run)
        self._runs = [run.id for run in beside]
        self._room = max(context.spec.variants_per_run, -(-len(context.spec.slots) // len(beside)))
        named = context.loop.name if search.sampler is Sampler.QMC else f"{context.loop.name} round {round_}"
        self._seed = int.from_bytes(hashlib.sha256(named.encode()).digest()[:4], "big")
        known = material(context, base, search.axes, best.metric)
        self._thread = threading.Thread(target=self._ask, args=(known,), name="search", daemon=True)
        self._thread.start()

    def drop(self) -> None:
        """Cancel the question: its answer is no longer needed."""
        self._process.drop()

    def _ask(self, known: Material) -> None:
        name = self._search.sampler.words
        try:
            origin, tried, taken = history(known)
            question = Question(
                search=self._search,
                good=self._good,
                seed=self._seed,
                count=self._room,
                tried=tried,
                taken=[origin, *taken],
            )
            self.found = self._made(known.base, question, self._process.ask(question))
        except SearchError as why:
            self.found = SearchResult(failed=f"{name} {why}")
        except Exception as error:  # for any error, so that the engine does not wait forever
            self.found = SearchResult(failed=f"{name} failed to propose: {error}")

    def _made(self, base: Run, question: Question, answer: Answer) -> SearchResult:
        author = Actor.search(self._search.sampler)
        evidence = Evidence(
            rule=author.name,
            rule_version=answer.version,
            when=space_words(self._search.axes),
            runs=self._runs if len(self._runs) > 1 else [],
            searched=True,
        )
        config = frozen_config(base)
        requests = [
            VariantRequest(
                author=author,
                reason=reason(question, each, self._metric),
                edits=edits_to(config, question.axes, each.point),
                evidence=evidence,
                expects=self._expected if each.how is How.MODEL else None,
            )
            for each in answer.proposed
        ]
        return SearchResult(base, requests, self._room, answer.left)


class Searching:
    """Owned by the engine. A question belongs to a round and its finished runs; if those change, it is asked again."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._asking: PendingSearch | None = None

    def waited(self, round_: int) -> float | None:
        """The seconds since a question about the round was asked, while it is unanswered; otherwise None."""
        asking = self._asking
        return time.monotonic() - asking.since if asking and asking.round == round_ and asking.found is None else None

    def found(self, round_: int, finished: list[Run]) -> SearchResult | None:
        """The proposals of the search for the round; None until they are known. Empty if the loop has no search."""
        search = self.context.spec.search
        if search is None:
            return SearchResult()
        runs = [f"{run.id} {run.ended_at}" for run in finished]
        if self._asking is None or (self._asking.round, self._asking.finished) != (round_, runs):
            self.drop()
            with contextlib.suppress(RuntimeError):  # no thread available: retry in the next turn
                self._asking = PendingSearch(self.context, search, round_, runs)
        return self._asking.found if self._asking else None

    def drop(self) -> None:
        """Forget the question and its answer."""
        if self._asking is not None:
            self._asking.drop()
        self._asking = None


def _base(context: Context, metric: str, otherwise: str) -> tuple[Run, list[Run]]:
    """The run to propose variants of, and the list of this run and the runs of its round that differ only in the seed.

    It is the config that ranks first if shown to be better than the baseline, or else the baseline; if there is no outcome,
    `otherwise`.
    """
    found = outcome_in(context, metric)
    best = otherwise if found is None else found.first.run if found.better else found.baseline.run
    base = context.store.run(best)
    round_ = [run for run in context.store.runs(context.loop_id, base.round) if run.state is RunState.FINISHED]
    group = next(group for group in by_config(round_) if base.id in [run.id for run in group])
    return base, [base, *(run for run in group if run.id != base.id)]
