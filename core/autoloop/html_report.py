"""Writes a loop's HTML report to a file, from the store and the run histories that are still on disk."""

from __future__ import annotations

from pathlib import Path

from autoloop.engine.planning.kept_metrics import metrics_of
from autoloop.engine.runs.following import history_reader
from autoloop.files import open_regular, write_atomically
from autoloop.model import Loop, UserError
from autoloop.reports.html import SIGN, render_page
from autoloop.store import Store

BEGINNING = 1000
"""The number of bytes at the beginning of a file that are searched for the report's marker."""


def write_html(store: Store, loop: Loop, path: Path) -> None:
    """Write the HTML report of a loop atomically. UserError if the file cannot be written, or exists and is not such a
    report."""
    try:
        ours = _is_ours(path)
    except OSError as error:
        raise UserError(f"{path} cannot be replaced ({error.strerror}); choose another file.") from None
    if not ours:
        raise UserError(f"{path} exists and is not an HTML report of Auto Loop; choose another file or delete it.")
    page = render_page(store, loop.id, metrics_of(store.places, loop), history_reader(store, loop))
    try:
        write_atomically(path, page)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); choose another file.") from None


def _is_ours(path: Path) -> bool:
    """Whether the file may be replaced: it does not exist, is empty, or is a report of ours."""
    try:
        with open_regular(path) as file:
            beginning = file.read(BEGINNING)
    except FileNotFoundError:
        return True
    return not beginning or SIGN.encode() in beginning
