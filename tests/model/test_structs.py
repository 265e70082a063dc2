"""Decoders of structs are created by one thread at a time: two threads that resolve a type at once crash the process."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import autoloop
import pytest

import autoloop_tui

THREADS = """
import sys, threading
from autoloop.model import Attempt, Loop, Proposal, Run
from autoloop.model.structs import decoder
sys.setswitchinterval(1e-6)
gate = threading.Barrier(16)
KINDS = (Loop, Run, Proposal, Attempt)
def work(turn):
    gate.wait()
    for kind in KINDS[turn % 4:] + KINDS[:turn % 4]:
        for body in (b"{}", b'{"id": "x", "spec": {"name": "a"}, "state": "active"}'):
            try:
                decoder(kind).decode(body)
            except ValueError:
                pass
threads = [threading.Thread(target=work, args=(turn,)) for turn in range(16)]
for each in threads: each.start()
for each in threads: each.join()
print("alive")
"""


@pytest.mark.parametrize("again", range(6))
def test_threads_that_meet_a_type_at_one_moment_all_read_it(again: int) -> None:
    """Without the lock, about one process in eight ends with SIGSEGV."""
    ran = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "alive\n"), ran.stderr


def test_nothing_reads_structs_in_another_way() -> None:
    """`dict[str, Any]` and plain values have no types to resolve."""
    roots = [Path(package.__path__[0]) for package in (autoloop, autoloop_tui)]
    direct = re.compile(r"msgspec\.convert\(|json\.decode\([^\n]*type=(?!dict\[str, Any\])|json\.Decoder\((?!list\[float\])")
    found = [path for root in roots for path in root.rglob("*.py") if direct.search(path.read_text(encoding="utf-8"))]
    assert [path.name for path in found] == ["structs.py"]
