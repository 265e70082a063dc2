"""The program that travels: the text of its modules, and the few words of the command that read it from standard input."""

from __future__ import annotations

import functools
import hashlib
import shlex
import zlib
from pathlib import Path

RUNNERS = Path(__file__).parents[1]
MODULES = (
    *("procfs", "records", "bounded_log", "sweeping", "supervising", "supervisor"),
    *("ssh.far.gpus", "ssh.far.following", "ssh.far.copies", "ssh.far.logout", "ssh.far.main"),
)
"""In the order in which they are loaded; the supervisor's two are only handed on."""

OLD_PYTHON = "AUTOLOOP-OLD-PYTHON "

_LOADER = """
import sys
if sys.version_info < (3, 9):
    sys.stdout.write("AUTOLOOP-OLD-PYTHON %d.%d\\n" % sys.version_info[:2])
    sys.exit(3)
import types
for name in ("autoloop", "autoloop.runners", "autoloop.runners.ssh", "autoloop.runners.ssh.far", *SOURCES):
    module = sys.modules[name] = types.ModuleType(name)
    module.__path__ = []
    parent, _, last = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], last, module)
    if name in SOURCES and last not in ("supervisor", "supervising"):
        exec(compile(SOURCES[name], name + ".py", "exec"), module.__dict__)
sys.modules["autoloop.runners.ssh.far.main"].main(SOURCES, DIGEST)
"""


@functools.cache
def program() -> bytes:
    """What is sent first: its length in a line, then itself, packed, so that it fits into a pipe that nobody reads yet."""
    sources = {f"autoloop.runners.{name}": (RUNNERS / f"{name.replace('.', '/')}.py").read_text() for name in MODULES}
    digest = hashlib.sha256(repr(sources).encode()).hexdigest()[:16]
    packed = zlib.compress(f"SOURCES = {sources!a}\nDIGEST = {digest!r}\n{_LOADER}".encode("ascii"), 9)
    return b"%d\n%s" % (len(packed), packed)


def command(python: str) -> str:
    """For the login shell of the other side, whichever that is. `~/` is left to it."""
    home, rest = ("~/", python[2:]) if python.startswith("~/") else ("", python)
    words = "import sys,zlib;s=sys.stdin.buffer;exec(zlib.decompress(s.read(int(s.readline()))))"
    return f"exec {home}{shlex.quote(rest)} -I -S -c '{words}'"
