"""Chooses the next configs with Optuna, from the results so far. Optuna runs in a separate process (`process.py`)."""

from autoloop.search.question import Answer, EvaluatedConfig, How, Point, ProposedPoint, Question, installed, key_of
from autoloop.search.wording import reason

__all__ = ["Answer", "EvaluatedConfig", "How", "Point", "ProposedPoint", "Question", "installed", "key_of", "reason"]
