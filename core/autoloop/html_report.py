"""The page of a loop in a file: its store, and as much of the histories of its runs as is still on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from autoloop.engine.planning.frozen import preset_of
from autoloop.engine.planning.kept_metrics import metrics_of
from autoloop.engine.runs.following import follow_attempt
from autoloop.files import open_regular, write_atomically
from autoloop.metrics import canonical_columns
from autoloop.model import Loop, Run, Series, UserError
from autoloop.reports.html import SIGN, render_page
from autoloop.store import Store

BEGINNING = 1000
"""Bytes of a file in which the sign of a page is looked for."""


def write_html(store: Store, loop: Loop, path: Path) -> None:
    """Write the page of a loop in one step. UserError if the file cannot be written, or holds anything but such a page."""
    try:
        ours = _is_ours(path)
    except OSError as error:
        raise UserError(f"{path} cannot be replaced ({error.strerror}); name another file.") from None
    if not ours:
        raise UserError(f"{path} exists and is no page of `autoloop-tui report`; name another file, or delete it.")
    page = render_page(store, loop.id, metrics_of(store.places, loop), _reader(store, loop))
    try:
        write_atomically(path, page)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); name another file.") from None


def _is_ours(path: Path) -> bool:
    """Whether the file may be replaced: there is none, or an empty one, or one that was written here."""
    try:
        with open_regular(path) as file:
            beginning = file.read(BEGINNING)
    except FileNotFoundError:
        return True
    return not beginning or SIGN.encode() in beginning


def _reader(store: Store, loop: Loop) -> Callable[[Run], Mapping[str, Series]]:
    """A function that reads a run's history; nothing of one that has none, or whose files are gone."""
    try:
        preset = preset_of(store.places, loop)
    except UserError:
        preset = None
    attempts = {attempt.run: attempt for attempt in store.loop_attempts(loop.id)}
    book = metrics_of(store.places, loop)

    def read(run: Run) -> Mapping[str, Series]:
        attempt = attempts.get(run.id)
        if attempt is None:
            return {}
        follower = follow_attempt(attempt, run, loop.spec, preset)
        try:
            while follower.poll():
                pass
            return canonical_columns(follower.columns, book)
        finally:
            follower.close()

    return read
