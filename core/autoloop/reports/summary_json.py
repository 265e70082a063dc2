"""`autorun_summary.json`: {output directory: {metric: {first, last, best, best_step, delta, pct, …}, …, "steps": N}}."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from autoloop.files import Stamp, copy, exclusive, open_regular, read_regular, replacing, set_aside, stamp, write_atomically
from autoloop.metrics import to_json
from autoloop.model import Run
from autoloop.store import Store


def write_runs(store: Store, loop: int, runs: Iterable[Run]) -> str | None:
    """Merge some runs into the loop's summary file. Return a sentence if there was a problem, else None."""
    reached = [(run.output_dir, run.summary) for run in runs if run.output_dir is not None]
    entries = {directory: to_json(summary) for directory, summary in reached if summary is not None}
    return merge(Path(store.loop(loop).spec.summary_out), entries) if entries else None


def write_summary(store: Store, loop: int) -> str | None:
    """Merge all runs of the loop from the store again, with the results of earlier attempts.

    While a loop is active, its runs are listed in the order in which they ended; this puts them into the store's order, so
    that a regenerated file is identical to the byte.
    """
    reached = [(attempt.output_dir, attempt.summary) for attempt in store.loop_attempts(loop)]
    reached += [(run.output_dir, run.summary) for run in store.runs(loop) if run.output_dir is not None]
    entries = {directory: to_json(summary) for directory, summary in reached if summary is not None}
    if not entries:
        return None
    return merge(Path(store.loop(loop).spec.summary_out), entries)


def merge(path: Path, entries: dict[str, Any]) -> str | None:
    """Add `entries` to the JSON object in `path`; entries of others stay.

    A file that is not a JSON object is set aside and named. Return a sentence if there was a problem, else None.
    """
    said = None
    try:
        with exclusive(path):
            if not _append(path, entries):
                known = _read(path)
                if known is None:
                    said = (
                        f"{path} could not be read as JSON; it is kept as {set_aside(path).name} and a new one was created"
                    )
                    known = {}
                # Our entries are finite numbers and valid text; those of others may be neither and stay as they are.
                merged = _in_order(known, entries)
                write_atomically(path, json.dumps(merged, indent=2) + "\n")
                _keys[path] = set(merged)
            _keys[path] |= entries.keys()
            _left[path] = stamp(path)
    except OSError as error:
        return f"{path} could not be written ({error.strerror}); `autoloop-tui report` writes it later"
    return said


def _in_order(known: dict[str, Any], entries: dict[str, Any]) -> dict[str, Any]:
    """`known` merged with `entries`, which keep their order: they first fill the places of existing entries, then follow at
    the end."""
    order = iter(entries)
    merged = {}
    for key, value in known.items():
        if key in entries:
            key = next(order)
            value = entries[key]
        merged[key] = value
    return {**merged, **entries}


_left: dict[Path, Stamp | None] = {}
_keys: dict[Path, set[str]] = {}
"""The stamps and entry keys of the files as this process left them, so that it need not parse them again."""

END = b"\n}\n"

LARGEST = 1 << 30
"""The largest summary file that is read, in bytes; an entry with thirty metrics takes about 10 kB."""


def _append(path: Path, entries: dict[str, Any]) -> bool:
    """Append new entries without parsing the file, which is only copied.

    Return False without writing if the file is not as we left it or has one of the entries already, and so must be parsed.
    """
    if _left.get(path) is None or _left[path] != stamp(path) or not _keys[path].isdisjoint(entries):
        return False
    with open_regular(path) as old:
        end = old.seek(0, os.SEEK_END) - len(END)
        old.seek(max(0, end))
        if old.read() != END:
            return False
        with replacing(path) as new:
            copy(old, 0, end, new)
            for key, entry in entries.items():
                new.write(f",\n  {json.dumps(key)}: ".encode() + json.dumps(entry, indent=2).replace("\n", "\n  ").encode())
            new.write(END)
    return True


def _read(path: Path) -> dict[str, Any] | None:
    """The object in the file; empty if there is no file; None if the file is not a JSON object."""
    try:
        value = json.loads(read_regular(path, LARGEST).decode())
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
