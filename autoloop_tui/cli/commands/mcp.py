"""`mcp`: the server for coding agents."""

from __future__ import annotations

from importlib.util import find_spec

from autoloop.model import UserError


def mcp() -> int:
    """Serve this project to a coding agent: tools by the Model Context Protocol, on standard input and output.

    No tool approves, starts or stops anything. In Claude Code, from the project's
    folder: claude mcp add autoloop -- autoloop-tui mcp
    """
    if find_spec("mcp") is None:
        raise UserError("The mcp package is not installed: pip install 'autoloop-tui[agents]' brings it.")
    from autoloop_tui.agents.server import serve

    serve()
    return 0
