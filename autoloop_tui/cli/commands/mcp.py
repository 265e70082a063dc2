"""`mcp`: the server for coding agents."""

from __future__ import annotations

import gc
from importlib.util import find_spec

from autoloop.model import UserError


def mcp() -> int:
    """Serve this project to a coding agent over the Model Context Protocol, on standard input and output.

    No tool approves, starts or stops anything. In Claude Code, from the project's
    folder: claude mcp add autoloop -- autoloop-tui mcp
    """
    if find_spec("mcp") is None:
        raise UserError("The mcp package is not installed; run: pip install 'autoloop-tui[agents]'")
    gc.disable()  # nothing that is loaded becomes garbage, and collecting takes a fifth of the start-up time
    from autoloop_tui.agents.server import serve

    gc.freeze()
    gc.enable()
    serve()
    return 0
