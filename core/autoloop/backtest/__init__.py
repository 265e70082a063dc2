"""Replay rules over past runs and count the outcomes. No I/O: the caller reads the runs."""

from autoloop.backtest.ended import Against, ConfigJudgement, judge
from autoloop.backtest.find_stop import SafeStop, StopCandidate, find_stop
from autoloop.backtest.intervals import Rate
from autoloop.backtest.key_metric import book_of, chosen_metric, main_metric
from autoloop.backtest.outcome import Ending, Outcome, outcome
from autoloop.backtest.ranks import Ranks, rank
from autoloop.backtest.replay import Facts, PastRun, ReplayResult, replay
from autoloop.backtest.tally import RuleTally, Tally, tally

__all__ = [
    "Against",
    "ConfigJudgement",
    "Ending",
    "Facts",
    "Outcome",
    "PastRun",
    "Ranks",
    "Rate",
    "ReplayResult",
    "RuleTally",
    "SafeStop",
    "StopCandidate",
    "Tally",
    "book_of",
    "chosen_metric",
    "find_stop",
    "judge",
    "main_metric",
    "outcome",
    "rank",
    "replay",
    "tally",
]
