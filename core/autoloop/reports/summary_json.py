"""`autorun_summary.json`: {output directory: {metric: {first, last, best, best_step, delta, pct, …}, …, "steps": N}}."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from autoloop.disk import Stamp, alone, copy, holds, replacing, set_aside, stamp, write_atomically
from autoloop.metrics import to_json
from autoloop.model import Run
from autoloop.store import Store


def write_run(store: Store, run: Run) -> str | None:
    """Merge one run into the loop's summary file. Returns a sentence if something was in the way."""
    if run.summary is None or run.output_dir is None:
        return None
    return merge(Path(store.loop(run.loop).spec.summary_out), {run.output_dir: to_json(run.summary)})


def write_summary(store: Store, loop: int) -> str | None:
    """Merge every run of the loop again, as the store has them, with what earlier attempts had reached.

    While a loop goes on its runs stand in the order of their ends; this puts them into the store's, so that a file that is
    made anew is the same to the byte.
    """
    reached = [(attempt.output_dir, attempt.summary) for attempt in store.loop_attempts(loop)]
    reached += [(run.output_dir, run.summary) for run in store.runs(loop) if run.output_dir is not None]
    entries = {directory: to_json(summary) for directory, summary in reached if summary is not None}
    if not entries:
        return None
    return merge(Path(store.loop(loop).spec.summary_out), entries)


def merge(path: Path, entries: dict[str, Any]) -> str | None:
    """Add `entries` to the JSON object in `path`; what others put there stays.

    A file that is not a JSON object is set aside and named. Returns a sentence if something was in the way.
    """
    said = None
    try:
        with alone(path):
            if not _append(path, entries):
                known = _read(path)
                if known is None:
                    said = f"{path} could not be read as JSON; it is kept as {set_aside(path).name} and a new one was begun"
                    known = {}
                # Ours are finite numbers and clean text; what others put there may be neither and stays as it is.
                write_atomically(path, json.dumps(_in_order(known, entries), indent=2) + "\n")
            _left[path] = stamp(path)
    except OSError as error:
        return f"{path} could not be written ({error.strerror}); `autoloop-tui report` writes it again later"
    return said


def _in_order(known: dict[str, Any], entries: dict[str, Any]) -> dict[str, Any]:
    """`known` with `entries` in it: those that it has, in their own order, at the places where they stood."""
    order = (key for key in entries if key in known)
    merged = {}
    for key, value in known.items():
        if key in entries:
            key = next(order)
            value = entries[key]
        merged[key] = value
    return {**merged, **entries}


_left: dict[Path, Stamp | None] = {}
"""The files as this process left them: what they hold then need not be parsed again."""

END = b"\n}\n"


def _append(path: Path, entries: dict[str, Any]) -> bool:
    """Put a single new entry at the file's end without parsing what is there: a run costs the same, whatever was before.

    False, and nothing is done, where the file is not as we left it or has the entry already: then it must be parsed.
    """
    if len(entries) != 1 or _left.get(path) is None or _left[path] != stamp(path):
        return False
    ((key, entry),) = entries.items()
    head = f"  {json.dumps(key)}: "
    with path.open("rb") as old:
        end = old.seek(0, os.SEEK_END) - len(END)
        old.seek(max(0, end))
        if old.read() != END or holds(old, f"\n{head}".encode()):
            return False
        with replacing(path) as new:
            copy(old, 0, end, new)
            new.write(b",\n" + (head + json.dumps(entry, indent=2).replace("\n", "\n  ")).encode() + END)
    return True


def _read(path: Path) -> dict[str, Any] | None:
    """The object in the file; empty if there is no file; None if it cannot be understood."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
