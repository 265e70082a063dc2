"""The effects of settings, for display: a line with a verdict for each exact pair, and the importance of each setting."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from autoloop.model import Change
from autoloop.text.changes import after_text, before_text
from autoloop.text.number_column import aligned
from autoloop.text.plural import plural
from autoloop.text.values import NOTHING, number
from autoloop.verdicts import NoiseGap
from autoloop.verdicts.wording import noise_document, noise_text, noise_unknown, short

from autoloop_tui.cli.output import printing

if TYPE_CHECKING:
    from autoloop.effects import Comparison, Importance, Pair
    from autoloop.metrics import Direction

    from autoloop_tui.cli.documents.past import EffectsDocument, PairDocument

SHOWN = 30
"""Maximum number of pairs in the table."""
BETTER: dict[Direction, Literal["higher", "lower"]] = {"high": "higher", "low": "lower"}


class Report(NamedTuple):
    """`metric`: its name as shown in tables. `why_no_importance`: the reason, as a sentence, if importance is missing."""

    comparison: Comparison
    metric: str
    good: Direction | None
    importance: Sequence[Importance]
    why_no_importance: str

    def document(self) -> EffectsDocument:
        found = self.comparison
        return {
            "metric": found.metric,
            "better": BETTER[self.good] if self.good else None,
            "runs": found.runs,
            "configs": found.configs,
            "noise": [noise_document(noise) for noise in found.noise],
            "pairs": [_pair(pair) for pair in found.pairs],
            "importance": [
                {"key": each.path, "share": each.share, "interval90": (each.low, each.high)} for each in self.importance
            ],
            "why_no_importance": self.why_no_importance or None,
        }

    def text(self) -> str:
        found = self.comparison
        better = {"high": "higher is better", "low": "lower is better"}.get(self.good or "", "better direction unknown")
        head = (
            f"{plural(found.runs, 'finished run')} of {plural(found.configs, 'config')} by {self.metric} ({better}): "
            f"{plural(len(found.pairs), 'pair')} of configs that differ in one value."
        )
        parts = ["\n".join(_wrapped(head))]
        if found.pairs:
            parts.append(self._table())
        parts.append("\n".join(_wrapped(self._noise())))
        if self.importance:
            parts.append(self._importance())
        else:
            parts.append("\n".join(_wrapped(self.why_no_importance)))
        return "\n\n".join(parts)

    def _table(self) -> str:
        pairs = self.comparison.pairs
        paths = {pair.path for pair in pairs}
        before, after = (aligned(pair.means[place] for pair in pairs[:SHOWN]) for place in (0, 1))
        rows = [
            [
                printing.printable(_short(pair.path, paths)),
                printing.printable(f"{before_text(change)} → {after_text(change)}"),
                f"{before[place]} ({pair.verdict.runs[1]})",
                f"{after[place]} ({pair.verdict.runs[0]})",
                _effect(pair),
                _words(pair),
            ]
            for place, pair in enumerate(pairs[:SHOWN])
            for change in [_change(pair)]
        ]
        head = ["setting", "change", "before", "after", "effect", "verdict"]
        table = printing.table(head, rows, texts=(1, 5, 0), cells=printing.across())
        more = len(pairs) - SHOWN
        return f"{table}\n{plural(more, 'more pair')} (in --json)." if more > 0 else table

    def _noise(self) -> str:
        if not self.comparison.noise:
            why, chance = self.comparison.lacking, "none of these differences is distinguishable from chance"
            if why is NoiseGap.SPREAD:
                return f"{noise_unknown(why)} So {chance}."
            return f"{noise_unknown(why).removesuffix('.')}, so {chance}. `run --seeds 3` trains each config with three."
        spreads = ", ".join(map(noise_text, self.comparison.noise))
        return f"Spread between seeds: {spreads}. The probability of any wrong verdict is at most 5 %."

    def _importance(self) -> str:
        paths = {each.path for each in self.importance}
        rows = [
            [printing.printable(_short(each.path, paths)), f"{each.share:.0%}", f"{each.low:.0%}–{each.high:.0%}"]
            for each in self.importance
        ]
        table = printing.table(["setting", "importance", "90 % interval"], rows, texts=(0,), cells=printing.across())
        return f"Importance for reaching the best results (PED-ANOVA, in %):\n\n{table}"


def _short(path: str, paths: Collection[str]) -> str:
    """Return the shortest suffix of a path that is unique among `paths`."""
    parts = path.split(".")
    ends = (".".join(parts[-length:]) for length in range(1, len(parts)))
    return next((end for end in ends if sum(f".{other}".endswith(f".{end}") for other in paths) == 1), path)


def _change(pair: Pair) -> Change:
    from autoloop.effects.pairs import MISSING

    created, removed = pair.before is MISSING, pair.after is MISSING
    before, after = (None if value is MISSING else value for value in (pair.before, pair.after))
    return Change(path=pair.path, before=before, after=after, created=created, removed=removed)


def _pair(pair: Pair) -> PairDocument:
    change, verdict = _change(pair), pair.verdict
    return {
        "key": pair.path,
        "before": before_text(change) if change.created else change.before,
        "after": after_text(change) if change.removed else change.after,
        "runs_before": [printing.encodable(run.id) for run in pair.first.runs],
        "runs_after": [printing.encodable(run.id) for run in pair.second.runs],
        "mean_before": pair.means[0],
        "mean_after": pair.means[1],
        "verdict": verdict.call,
        "basis": verdict.basis,
        "effect": verdict.effect,
        "interval": verdict.interval,
        "more_runs": verdict.more,
    }


def _effect(pair: Pair) -> str:
    effect, interval = pair.verdict.effect, pair.verdict.interval
    if effect != effect:
        return NOTHING
    sign = "+" if effect > 0 else ""
    return f"{sign}{number(effect, 3)}" + (f" ({number(interval[0], 2)} … {number(interval[1], 2)})" if interval else "")


def _words(pair: Pair) -> str:
    more = pair.verdict.more
    return short(pair.verdict) + (f", {more} more would settle it" if more else "")


def _wrapped(sentence: str) -> list[str]:
    return printing.wrapped(sentence, printing.across())
