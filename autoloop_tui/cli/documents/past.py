"""Answers about past runs and disk usage."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec
from autoloop.backtest.intervals import RateDocument
from autoloop.backtest.outcome import Ending
from autoloop.backtest.tally import TotalsDocument
from autoloop.model import Call, MetricSummary
from autoloop.verdicts import Basis
from autoloop.verdicts.wording import NoiseDocument

# ------------------------------------------------------------------------------------------------------------ backtest


class SuggestedDocument(TypedDict):
    rule: str | None
    edits: list[str]
    blocked: str | None
    already_run: bool


class ReplayedDocument(TypedDict):
    """What the rules would have done with one run."""

    run: str
    name: str
    cohort: str
    finished: bool
    steps: int
    ending: Ending
    at: int | None
    rule: str | None
    edits: list[str]
    steps_saved: int
    seconds_saved: float | None
    asked: dict[str, int]
    """Steps at which rules would have asked a user, by rule."""
    refused: dict[str, int]
    """Steps at which no relaunches were left, by rule."""
    value: float | None
    place: int | None
    of: int | None
    among_best: bool | None
    proposed: list[SuggestedDocument]
    judged_with: list[str]
    notes: list[str]


class RulesVersion(TypedDict):
    name: str
    version: str


class ReplayDocument(TypedDict):
    rules: RulesVersion
    metric: str | None
    totals: TotalsDocument
    runs: list[ReplayedDocument]


class BacktestDocument(ReplayDocument):
    against: NotRequired[ReplayDocument]
    """The same for the rules of `--against`."""
    different: NotRequired[list[str]]
    """Runs with different outcomes under the two."""


class TriedDocument(TypedDict):
    step: int
    stopped_among_best: RateDocument
    share_of_steps_saved: float


class SafeStopDocument(TypedDict):
    metric: str
    risk: float
    runs: int
    cohorts: int
    safe: TriedDocument | None
    tried: list[TriedDocument]


# ------------------------------------------------------------------------------------------------------------- effects


class PairDocument(TypedDict):
    """Two configs that differ in one value."""

    key: str
    before: Any
    after: Any
    runs_before: list[str]
    runs_after: list[str]
    mean_before: float
    mean_after: float
    verdict: Call
    basis: Basis
    effect: float
    interval: tuple[float, float] | None
    more_runs: int | None


class ImportanceDocument(TypedDict):
    key: str
    share: float
    interval90: tuple[float, float]


class EffectsDocument(TypedDict):
    metric: str
    better: Literal["higher", "lower"] | None
    runs: int
    configs: int
    noise: list[NoiseDocument]
    pairs: list[PairDocument]
    importance: list[ImportanceDocument]
    why_no_importance: str | None


# ---------------------------------------------------------------------------------------------------------------- disk


class RunUsageDocument(TypedDict):
    run: str
    name: str
    state: str
    folders: list[str]
    size: int
    files: int
    checkpoints: int
    checkpoints_size: int


class LoopUsageDocument(TypedDict):
    loop: str
    size: int
    checkpoints_size: int
    runs: list[RunUsageDocument]


class UsageDocument(TypedDict):
    """In bytes. `autoloop`: `.autoloop` without its trash; `free`: free disk space."""

    loops: list[LoopUsageDocument]
    autoloop: int
    trash: int
    free: int | None


class CheckpointDocument(TypedDict):
    path: str
    size: int


class ChoiceDocument(TypedDict):
    run: str
    name: str
    go: list[CheckpointDocument]
    stay: list[CheckpointDocument]
    why: str


class FreeingDocument(TypedDict):
    size: int
    trash: int
    """Bytes already in the trash."""
    note: str | None
    runs: list[ChoiceDocument]


class FreedDocument(TypedDict):
    """In bytes; the command determines which of the first four are present."""

    moved: NotRequired[int]
    deleted: NotRequired[int]
    trash: NotRequired[int]
    put_back: NotRequired[int]
    problems: list[str]


# ------------------------------------------------------------------------------------------------------------ analysis


class MetricEntry(MetricSummary, frozen=True, kw_only=True):
    """One metric of one run, summarised over its finite values."""

    newest: Literal["NaN", "Infinity"] | msgspec.UnsetType = msgspec.UNSET
    """Present if the newest value is not finite."""


Summaries = Annotated[
    dict[str, dict[str, MetricEntry | int]],
    msgspec.Meta(description="By output directory: the metrics of a run, and `steps`, the last step seen."),
]


class ResolvedDocument(TypedDict):
    path: str
    before: Any
    after: Any
    removed: NotRequired[bool]


class AskedDocument(TypedDict):
    reason: str
    changes: dict[str, Any]
    """As `path@op`: value."""
    rule: str | None
    resolved: list[ResolvedDocument]
    notes: list[str]
    blocked: str | None


class AnalysisDocument(TypedDict):
    summary: Summaries
    proposals: dict[str, list[AskedDocument]]
    """By output directory; configs that differ only in the seed are listed under the first of their runs."""
