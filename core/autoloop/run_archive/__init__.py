"""Runs on disk, in or outside loops: found below a folder, read once, and cached until they change."""

from autoloop.run_archive.finding import FoundRun, find_runs
from autoloop.run_archive.memory import Memory, memory_path, version_of
from autoloop.run_archive.reading import CachedRecord, History, RunRecord, read_history, read_runs

__all__ = [
    "CachedRecord",
    "FoundRun",
    "History",
    "Memory",
    "RunRecord",
    "find_runs",
    "memory_path",
    "read_history",
    "read_runs",
    "version_of",
]
