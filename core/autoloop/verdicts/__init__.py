"""Verdicts on two configs, and the noise between runs that differ only in the seed. No I/O."""

from autoloop.model import Call
from autoloop.verdicts.against_base import BaseComparison, base_of
from autoloop.verdicts.judge import Judge, SharedResults, judged_metrics, reduced
from autoloop.verdicts.noise import Noise, NoiseGap, Value, lacking, pooled, stable_from
from autoloop.verdicts.outcome import outcome, rule_records, summed
from autoloop.verdicts.results import Fate, Result, Results
from autoloop.verdicts.verdict import ALPHA, Basis, Statistic, Verdict, decide, shared

__all__ = [
    "ALPHA",
    "BaseComparison",
    "Basis",
    "Call",
    "Fate",
    "Judge",
    "Noise",
    "NoiseGap",
    "Result",
    "Results",
    "SharedResults",
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
