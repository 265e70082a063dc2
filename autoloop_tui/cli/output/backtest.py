"""A back-test for display: what rules would have done with past runs, optionally beside an earlier version of the rules."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast

from autoloop.metrics import MetricBook, MetricBooks
from autoloop.text.number_column import aligned
from autoloop.text.plural import plural
from autoloop.text.values import NOTHING, count, duration

from autoloop_tui.cli.output import printing
from autoloop_tui.cli.output.rates import rate_text

if TYPE_CHECKING:
    from autoloop.backtest import Outcome, Ranks, Rate, RuleTally, Tally
    from autoloop.rules import RuleSource

    from autoloop_tui.cli.documents.past import BacktestDocument, ReplayDocument, ReplayedDocument


class Result(NamedTuple):
    """The effect that one version of the rules would have had, run by run."""

    rules: RuleSource
    outcomes: Sequence[Outcome]

    @property
    def title(self) -> str:
        return f"{self.rules.name} {self.rules.version}".strip()


@dataclass(frozen=True)
class Report:
    """The results for the same runs, those of the rules in question first.

    `ranks` is None if no metric ranks the runs. `known`: the hashes of the configs that have been run.
    """

    results: Sequence[Result]
    tallies: Sequence[Tally]
    ranks: Ranks | None
    book: MetricBook
    known: Collection[str]

    @classmethod
    def of(cls, results: Sequence[Result], metric: str | None, books: MetricBooks, known: set[str]) -> Report:
        """Build the report. Raises UserError as `chosen_metric` does."""
        from autoloop.backtest import book_of, chosen_metric, main_metric, rank, tally

        runs = [each.run for each in results[0].outcomes]
        book = book_of(runs, books)
        chosen = chosen_metric(metric, runs, book) if metric else main_metric(runs, book)
        ranks = rank(runs, *chosen) if chosen else None
        tallies = [
            tally(result.outcomes, {rule.id: rule.watch is not None for rule in result.rules.rules}, ranks, known)
            for result in results
        ]
        return cls(results, tallies, ranks, book, known)

    # --------------------------------------------------------------------------------------------------------- JSON

    def document(self) -> BacktestDocument:
        documents = [self._document(result, each) for result, each in zip(self.results, self.tallies, strict=True)]
        if len(documents) == 1:
            return cast("BacktestDocument", documents[0])
        return {**documents[0], "against": documents[1], "different": self._different()}

    def _document(self, result: Result, tally: Tally) -> ReplayDocument:
        return {
            "rules": {"name": result.rules.name, "version": result.rules.version},
            "metric": self.ranks.metric if self.ranks else None,
            "totals": tally.to_json(),
            "runs": [self._run(each) for each in result.outcomes],
        }

    def _run(self, each: Outcome) -> ReplayedDocument:
        facts, ranks = each.facts, self.ranks
        return {
            "run": printing.encodable(facts.id),
            "name": printing.encodable(facts.name),
            "cohort": printing.encodable(facts.cohort),
            "finished": facts.finished,
            "steps": facts.step,
            "ending": each.ending,
            "at": each.at,
            "rule": each.by.rule if each.by else None,
            "edits": list(each.edits),
            "steps_saved": each.saved,
            "seconds_saved": each.saved_seconds,
            "asked": {fired.rule: fired.step for fired in each.asked},
            "refused": {fired.rule: fired.step for fired in each.refused},
            "value": ranks.value.get(facts.id) if ranks else None,
            "place": ranks.place.get(facts.id) if ranks else None,
            "of": ranks.of.get(facts.id) if ranks else None,
            "among_best": facts.id in ranks.best if ranks and facts.id in ranks.place else None,
            "proposed": [
                {
                    "rule": suggested.request.rule,
                    "edits": list(suggested.request.edits),
                    "blocked": suggested.variant.blocked if suggested.variant else None,
                    "already_run": suggested.variant is not None and suggested.variant.hash in self.known,
                }
                for suggested in each.suggested
            ],
            "judged_with": list(each.judged.runs[1:]) if each.judged else [],
            "notes": [*each.run.notes, *(each.judged.judgement.notes if each.judged else [])],
        }

    def _different(self) -> list[str]:
        now, before = (result.outcomes for result in self.results)
        return [printing.encodable(a.facts.id) for a, b in zip(now, before, strict=True) if _what(a) != _what(b)]

    # --------------------------------------------------------------------------------------------------------- text

    def text(self) -> str:
        first, tally = self.results[0], self.tallies[0]
        what = plural(tally.runs, "past run")
        head = f"{first.title} over {what} ({tally.finished} finished, {count(tally.steps)} steps):"
        parts = [head, self._rules(tally), self._totals(tally), self._ended(first.outcomes)]
        if len(self.results) > 1:
            parts.append(self._against())
        return "\n\n".join(part for part in parts if part)

    def _rules(self, tally: Tally) -> str:
        rows = [
            [printing.printable(name), "live" if rule.live else "end", rule.fired, _steps(rule), _did(rule)]
            for name, rule in tally.rules.items()
        ]
        if not rows:
            return "There are no rules to list, and nothing was proposed."
        return printing.table(
            ["rule", "scope", "fired", "at step", "would have"], rows, texts=(4, 0), cells=printing.across()
        )

    def _totals(self, tally: Tally) -> str:
        ended = tally.stopped + tally.relaunched
        if not ended:
            return "No live rule would have ended a run."
        hours = duration(tally.seconds) if tally.untimed < ended else "an unknown time"
        untimed = f" (without {plural(tally.untimed, 'run')} whose time is unknown)" if 0 < tally.untimed < ended else ""
        share = tally.saved / tally.steps if tally.steps else 0.0
        also = f" ({tally.relaunched} of them to relaunch with edits)" if tally.relaunched else ""
        lines = [
            f"Live rules would have ended {ended} of {plural(tally.runs, 'run')}{also}, and {count(tally.saved)} steps "
            f"({share:.0%}) and {hours}{untimed} would have been saved."
        ]
        ranks = self.ranks
        if ranks is None:
            lines.append("The best runs are unknown: no key metric has a known direction; name one with --metric.")
        elif tally.lost is not None and tally.best_lost is not None:
            lines.append(self._lost(ranks, tally.lost, tally.best_lost))
        return "\n".join(line for each in lines for line in printing.wrapped(each, printing.across()))

    def _lost(self, ranks: Ranks, lost: Rate, best: Rate) -> str:
        metric = self.book.short(ranks.metric)
        alone = (
            f" {plural(ranks.alone, 'finished run')} had too few others of equal length to compare with."
            if ranks.alone
            else ""
        )
        if not best.n:
            return f"No loop has four finished runs of equal length with {metric}, so none can be ranked.{alone}"
        if not lost.n:
            return (
                f"None of these finished alongside others of equal length, so none of the best would have been lost.{alone}"
            )
        return (
            f"By {metric}, {rate_text(lost)} of these that finished were in the best quarter of their loop, and "
            f"{rate_text(best)} of all the best runs would have been lost.{alone}"
        )

    def _ended(self, outcomes: Sequence[Outcome]) -> str:
        ended = [each for each in outcomes if each.by is not None]
        if not ended:
            return ""
        metric = [self.book.short(self.ranks.metric), "place"] if self.ranks else []
        value = self.ranks.value if self.ranks else {}
        values = aligned(value.get(each.facts.id) for each in ended)
        rows = [
            [
                printing.printable(each.facts.name),
                printing.printable(each.facts.cohort),
                each.at,
                each.facts.step,
                printing.printable(f"{each.by.rule}{' → ' + ' '.join(each.edits) if each.edits else ''}" if each.by else ""),
                *([values[place], self._place(each.facts.id)] if self.ranks else []),
            ]
            for place, each in enumerate(ended)
        ]
        head = ["run", "loop", "ended at", "made", "by", *metric]
        if len({each.facts.cohort for each in outcomes}) == 1:
            return printing.table(
                [head[0], *head[2:]], [[row[0], *row[2:]] for row in rows], texts=(3, 0), cells=printing.across()
            )
        return printing.table(head, rows, texts=(4, 1, 0), spare=(1,), cells=printing.across())

    def _place(self, run: str) -> str:
        if self.ranks is None or run not in self.ranks.place:
            return NOTHING
        best = " best" if run in self.ranks.best else ""
        return f"{self.ranks.place[run]}/{self.ranks.of[run]}{best}"

    def _against(self) -> str:
        (now, before), (new, old) = self.results, self.tallies
        lost = [rate_text(each.best_lost) if each.best_lost and each.best_lost.n else NOTHING for each in (new, old)]
        rows: list[list[object]] = [
            ["runs ended", new.stopped + new.relaunched, old.stopped + old.relaunched],
            ["steps saved", count(new.saved), count(old.saved)],
            ["time saved", duration(new.seconds), duration(old.seconds)],
            ["best lost", *lost],
            ["proposals", *(sum(len(each.suggested) for each in result.outcomes) for result in (now, before))],
        ]
        titles = [now.title, before.title if before.title != now.title else f"{before.title} (--against)"]
        parts = [printing.table(["", *titles], rows, cells=printing.across())]
        pairs = [(a, b) for a, b in zip(now.outcomes, before.outcomes, strict=True) if _what(a) != _what(b)]
        if not pairs:
            return f"{parts[0]}\n\nAll runs have the same outcome under both."
        changed = [
            [printing.printable(a.facts.name), *(printing.printable(_words(each)) for each in (a, b))] for a, b in pairs
        ]
        parts.append(printing.table(["run", *titles], changed, texts=(1, 2, 0), cells=printing.across()))
        return "\n\n".join(parts)


# ---------------------------------------------------------------------------------------------------------------- words


def _steps(rule: RuleTally) -> str:
    if not rule.steps:
        return NOTHING
    low, high = min(rule.steps), max(rule.steps)
    return str(low) if low == high else f"{low}–{high}, median {statistics.median_low(rule.steps)}"


def _did(rule: RuleTally) -> str:
    if not rule.live:
        parts = [plural(rule.fired, "proposal")] if rule.fired else []
        parts += [f"{rule.blocked} must not be run"] if rule.blocked else []
        parts += [f"{rule.known} ran already"] if rule.known else []
    else:
        words = {"stopped": rule.stopped, "relaunched": rule.relaunched, "asked about": rule.asked}
        parts = [f"{word} {plural(times, 'run')}" for word, times in words.items() if times]
        parts += [f"no relaunches left for {plural(rule.refused, 'run')}"] if rule.refused else []
    return ", ".join(parts) or NOTHING


def _what(each: Outcome) -> tuple[object, ...]:
    proposed = [(suggested.request.rule, tuple(suggested.request.edits)) for suggested in each.suggested]
    return each.ending, each.at, each.by and each.by.rule, each.edits, tuple(proposed)


def _words(each: Outcome) -> str:
    """Return the outcome of a run as the text of a table cell."""
    ended = f"{each.ending.value} at {each.at} by {each.by.rule}" if each.by else ""
    proposed = ", ".join(suggested.request.rule or "decide" for suggested in each.suggested)
    return "; ".join(part for part in (ended, f"proposes {proposed}" if proposed else "") if part) or "nothing"
