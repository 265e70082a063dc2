"""The one truth of a project: a SQLite file in `.autoloop/`. Only the engine writes state; clients write command rows."""

from autoloop.store.database import SCHEMA_VERSION, Command, NoLoopYet, Store
from autoloop.store.places import Places
from autoloop.store.snapshot import Snapshot, take_snapshot

__all__ = ["SCHEMA_VERSION", "Command", "NoLoopYet", "Places", "Snapshot", "Store", "take_snapshot"]
