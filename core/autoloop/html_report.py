"""The page of a loop in a file: its store, and as much of the histories of its runs as is still on disk."""

from __future__ import annotations

from pathlib import Path

from autoloop.engine.planning.kept_metrics import metrics_of
from autoloop.engine.runs.following import history_reader
from autoloop.files import open_regular, write_atomically
from autoloop.model import Loop, UserError
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
    page = render_page(store, loop.id, metrics_of(store.places, loop), history_reader(store, loop))
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
