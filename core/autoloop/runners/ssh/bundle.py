"""The program that is sent to a host: its modules as text, and the short command that reads them from standard input."""

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
"""In loading order. The supervisor's two modules are not loaded but written to files on the host."""

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
    """Return the first bytes to send: a line with the length, then the program, compressed to fit into an unread pipe."""
    sources = {f"autoloop.runners.{name}": (RUNNERS / f"{name.replace('.', '/')}.py").read_text() for name in MODULES}
    digest = hashlib.sha256(repr(sources).encode()).hexdigest()[:16]
    packed = zlib.compress(f"SOURCES = {sources!a}\nDIGEST = {digest!r}\n{_LOADER}".encode("ascii"), 9)
    return b"%d\n%s" % (len(packed), packed)


def command(python: str) -> str:
    """Return the command for the login shell of the host, whichever shell that is. `~/` is left for it to expand."""
    home, rest = ("~/", python[2:]) if python.startswith("~/") else ("", python)
    words = "import sys,zlib;s=sys.stdin.buffer;exec(zlib.decompress(s.read(int(s.readline()))))"
    return f"exec {home}{shlex.quote(rest)} -I -S -c '{words}'"
