"""The disk usage of runs, the choice of checkpoints to keep, and the trash for the others."""

from autoloop.keeping.checkpoints import Checkpoint, find_checkpoints
from autoloop.keeping.choosing import Candidate, Choice, Ranking, choose, note_of
from autoloop.keeping.trash import Batch, Item, Trash
from autoloop.keeping.usage import Usage, measure
from autoloop.keeping.wish import KeepPolicy, parse_wish

__all__ = [
    "Batch",
    "Candidate",
    "Checkpoint",
    "Choice",
    "Item",
    "KeepPolicy",
    "Ranking",
    "Trash",
    "Usage",
    "choose",
    "find_checkpoints",
    "measure",
    "note_of",
    "parse_wish",
]
