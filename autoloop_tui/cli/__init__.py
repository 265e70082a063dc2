"""The command line: commands, their options and their output."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoloop_tui.cli import parameters as parameters
