"""The identity that a process gives when it sends a request."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from autoloop import whoami

SAY = "import json, msgspec; from autoloop import whoami; print(json.dumps(msgspec.to_builtins(whoami.this_process())))"


def said(stdin: int, **variables: str) -> dict[str, object]:
    done = subprocess.run(
        ["sh", "-c", '"$0" -c "$1"; true', sys.executable, SAY],
        stdin=stdin,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "LOGNAME": "ada", **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_the_user_the_terminal_and_the_programs_above_are_named() -> None:
    _, there = os.openpty()
    at_terminal, alone = said(there), said(subprocess.DEVNULL, CLAUDECODE="1")
    assert (at_terminal["user"], at_terminal["terminal"]) == ("ada", os.ttyname(there))
    programs = at_terminal["programs"]
    assert isinstance(programs, list)
    assert programs[0] in ("sh", "dash", "bash")
    assert len(programs) <= whoami.ANCESTORS
    assert "agent" not in at_terminal
    assert "terminal" not in alone
    assert alone["agent"] == "claude-code"


def test_agents_are_known_by_what_they_set() -> None:
    assert whoami.agent_of({"PATH": "/bin"}) is None
    assert whoami.agent_of({"CLAUDECODE": "0"}) is None
    assert whoami.agent_of({"CODEX_SANDBOX": "seatbelt"}) == "codex"
    assert whoami.agent_of({"AI_AGENT": "My Agent\n 2.0"}) == "my-agent-2.0"
    assert whoami.agent_name("\x1b[31m") == "31m"
    assert whoami.agent_name("…") == "agent"
