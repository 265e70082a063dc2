"""Incremental output of a run's log to the terminal, without secrets and control sequences."""

from __future__ import annotations

import sys
from pathlib import Path

from autoloop.runners import bounded_log
from autoloop.secrets import mask_bytes, unsure

from autoloop_tui.cli.output import printing


def copy_log(path: Path, offset: int, left_out: int, ended: bool, known: list[str]) -> tuple[int, int]:
    """Write the log from `offset` on to stdout. Return the new offset and the number of bytes now omitted from the log.

    `known`: secrets to mask. Unless `ended`, nothing is shown of an incomplete line, because it may hold the beginning of a
    secret. On a terminal, a progress bar is one line with all of its states; in other outputs, and if `ended`, it is only
    its last state. A missing log is not an error.
    """
    fold = ended or not sys.stdout.isatty()
    try:
        with path.open("rb") as file:
            before, left_out = left_out, bounded_log.left_out(file.fileno())
            offset = bounded_log.moved(offset, before, left_out)
            file.seek(offset)
            data = b""
            while chunk := file.read(1 << 20):
                data += chunk
                end = len(data) - unsure(data, redrawn=fold)
                _show(data[:end], known, fold)
                offset, data = offset + end, data[end:]
            if ended:
                _show(data, known, fold)
                offset += len(data)
    except FileNotFoundError:
        pass
    return offset, left_out


def _show(data: bytes, known: list[str], fold: bool) -> None:
    text = mask_bytes(data, known).decode("utf-8", "replace")
    sys.stdout.buffer.write(printing.log_text(text, fold=fold).encode())
    sys.stdout.buffer.flush()
