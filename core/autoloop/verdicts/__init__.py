"""Verdicts on two configs, and the noise between runs that differ only in the seed. No I/O."""

from autoloop.model import Call
from autoloop.verdicts.against_base import AgainstBase, base_of
from autoloop.verdicts.judge import Judge, Seen, judged_metrics, reduced
from autoloop.verdicts.noise import Lacking, Noise, Value, lacking, pooled, stable_from
from autoloop.verdicts.outcome import outcome, rule_records, summed
from autoloop.verdicts.results import Fate, Result, Results
from autoloop.verdicts.verdict import ALPHA, Basis, Statistic, Verdict, decide, shared

__all__ = [
    "ALPHA",
    "AgainstBase",
    "Basis",
    "Call",
    "Fate",
    "Judge",
    "Lacking",
    "Noise",
    "Result",
    "Results",
    "Seen",
    "Statistic",
    "Value",
    "Verdict",
    "base_of",
    "decide",
    "judged_metrics",
    "lacking",
    "outcome",
    "pooled",
    "reduced",
    "rule_records",
    "shared",
    "stable_from",
    "summed",
]
