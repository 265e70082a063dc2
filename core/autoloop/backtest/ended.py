"""Judge finished past runs by the rules for ended runs. Runs that differ only in the seed are judged as one, as in the
engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from autoloop.backtest.replay import ReplayResult
from autoloop.metrics import mean_summary
from autoloop.rules import Judgement, RuleSource, RunView
from autoloop.verdicts import BaseComparison


class ConfigJudgement(NamedTuple):
    """The rules' judgement of one config; `runs`: the ids of its runs."""

    judgement: Judgement
    runs: list[str]


Against = Callable[[], BaseComparison]
"""Returns the comparisons of a run's config within its loop; see `RunView.against`."""


def judge(
    runs: Sequence[ReplayResult], source: RuleSource, against: Mapping[str, Against] | None = None
) -> dict[str, ConfigJudgement]:
    """The judgements, by the id of the run that represents its config.

    Runs that lack a metric that the rules need are not judged, nor are confirmation runs: their config was judged before.
    `against`: by run id; for other runs no verdict is known.
    """
    known = against or {}
    groups: dict[str, list[ReplayResult]] = {}
    for run in runs:
        judged = run.facts.finished and not run.facts.confirms and run.summary.metrics
        if judged and not source.lacking(_view([run])):
            groups.setdefault(run.facts.group or run.facts.id, []).append(run)
    found: dict[str, ConfigJudgement] = {}
    for members in groups.values():
        ids = [run.facts.id for run in members]
        judgement = source.judge(_view(members, known.get(ids[0])))
        if len(ids) > 1:
            requests = [
                msgspec.structs.replace(each, evidence=each.evidence and msgspec.structs.replace(each.evidence, runs=ids))
                for each in judgement.requests
            ]
            judgement = Judgement(requests, judgement.notes)
        found[ids[0]] = ConfigJudgement(judgement, ids)
    return found


def _view(runs: Sequence[ReplayResult], against: Against | None = None) -> RunView:
    first = runs[0]

    def log() -> Iterator[str]:
        for run in runs:
            yield from run.log() if callable(run.log) else run.log

    return RunView(mean_summary([run.summary for run in runs]), first.facts.config, log, first.book, against)
