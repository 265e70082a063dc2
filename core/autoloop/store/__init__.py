"""A project's single source of truth: a SQLite file in `.autoloop/`. Only the engine writes state; clients add commands."""

from autoloop.store.access import Holder
from autoloop.store.database import Command, NoLoopError, Store
from autoloop.store.kept import LoopRows
from autoloop.store.opening import SCHEMA_VERSION
from autoloop.store.places import Places
from autoloop.store.snapshot import Snapshot, take_brief_snapshot, take_snapshot
from autoloop.store.trouble import StoreCorruptError, StoreUnavailableError

__all__ = [
    "SCHEMA_VERSION",
    "Command",
    "Holder",
    "LoopRows",
    "NoLoopError",
    "Places",
    "Snapshot",
    "Store",
    "StoreCorruptError",
    "StoreUnavailableError",
    "take_brief_snapshot",
    "take_snapshot",
]
