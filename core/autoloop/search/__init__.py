"""Which configs to try next, by Optuna from what has been run. Optuna works in a process of its own (`process.py`)."""

from autoloop.search.question import Answer, How, Point, Proposed, Question, Tried, installed, key_of
from autoloop.search.wording import reason

__all__ = ["Answer", "How", "Point", "Proposed", "Question", "Tried", "installed", "key_of", "reason"]
