"""The effect of each setting on a metric, according to past runs: exact pairs, and importance. No I/O."""

from autoloop.effects.importance import FEWEST, Importance, importance
from autoloop.effects.pairs import Comparison, Pair, compare
from autoloop.effects.trained import Config, TrainedRun, configs_of

__all__ = ["FEWEST", "Comparison", "Config", "Importance", "Pair", "TrainedRun", "compare", "configs_of", "importance"]
