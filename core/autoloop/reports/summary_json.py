"""`autorun_summary.json`: {output directory: {metric: {first, last, best, best_step, delta, pct, …}, …, "steps": N}}."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from autoloop.disk import alone, set_aside, write_atomically
from autoloop.metrics import to_json
from autoloop.model import Run
from autoloop.store import Store


def write_run(store: Store, run: Run) -> str | None:
    """Merge one run into the loop's summary file. Returns a sentence if something was in the way."""
    if run.summary is None or run.output_dir is None:
        return None
    return merge(Path(store.loop(run.loop).spec.summary_out), {run.output_dir: to_json(run.summary)})


def write_summary(store: Store, loop: int) -> str | None:
    """Merge every run of the loop again, as the store has them, with what earlier attempts had reached."""
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
            text = _appended(path, entries)
            if text is None:
                known = _read(path)
                if known is None:
                    said = f"{path} could not be read as JSON; it is kept as {set_aside(path).name} and a new one was begun"
                    known = {}
                # Ours are finite numbers and clean text; what others put there may be neither and stays as it is.
                text = json.dumps({**known, **entries}, indent=2) + "\n"
            write_atomically(path, text)
            _left[path] = _stamp(path)
    except OSError as error:
        return f"{path} could not be written ({error.strerror}); `autoloop-tui report` writes it again later"
    return said


_left: dict[Path, tuple[int, int, int] | None] = {}
"""The files as this process left them: what they hold then need not be parsed again."""


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _appended(path: Path, entries: dict[str, Any]) -> str | None:
    """The file's text with new `entries` at its end, so that a run costs the same however many were before it.

    None where the file is not as we left it or has one of them already: then it must be parsed.
    """
    stamp = _stamp(path)
    if stamp is None or _left.get(path) != stamp:
        return None
    text = path.read_text(encoding="utf-8")
    added = []
    for key, entry in entries.items():
        head = f"  {json.dumps(key)}: "
        if f"\n{head}" in text:
            return None
        added.append(head + json.dumps(entry, indent=2).replace("\n", "\n  "))
    return text.removesuffix("\n}\n") + ",\n" + ",\n".join(added) + "\n}\n" if text.endswith("\n}\n") else None


def _read(path: Path) -> dict[str, Any] | None:
    """The object in the file; empty if there is no file; None if it cannot be understood."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
