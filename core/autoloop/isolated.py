"""Runs one of our modules so that no file of a project can shadow its imports: `command(module, …)`.

`python -m` puts the working folder first on the import path, and PYTHONPATH comes before the standard library: we would
import a `queue.py` or an `autoloop.py` beside a user's trainer. So this file is run by its path, with `-E -P`, and
PYTHONPATH is appended at the end for machines that provide packages that way. The environment itself is not changed, because
trainers inherit it.
"""

import os
import runpy
import sys


def command(module: str, *arguments: str) -> list[str]:
    """Return the argv that runs `module` like `python -m module arguments…`."""
    options = ["-E", "-P", *(["-X", "utf8"] if sys.flags.utf8_mode else []), *(["-B"] if sys.dont_write_bytecode else [])]
    return [sys.executable, *options, __file__, module, *arguments]


if __name__ == "__main__":
    given = os.environ.get("PYTHONPATH", "")
    sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sys.path += [os.path.abspath(entry) for entry in given.split(os.pathsep)] if given else []
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
