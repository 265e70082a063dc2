"""Starts a module of ours in a Python whose imports no file of a project can shadow: `command(module, …)`.

`python -m` puts the working folder first on the import path, and PYTHONPATH stands before the standard library: a
`queue.py` or an `autoloop.py` beside somebody's trainer would be ours. So this file is run by its path, with `-E -P`; what
PYTHONPATH names comes last, for machines that provide their packages by it. The environment itself stays as it is,
because trainers inherit it.
"""

import os
import runpy
import sys


def command(module: str, *arguments: str) -> list[str]:
    """The argv that runs `module`, as `python -m module arguments…` would."""
    options = ["-E", "-P", *(["-X", "utf8"] if sys.flags.utf8_mode else []), *(["-B"] if sys.dont_write_bytecode else [])]
    return [sys.executable, *options, __file__, module, *arguments]


if __name__ == "__main__":
    given = os.environ.get("PYTHONPATH", "")
    sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sys.path += [os.path.abspath(entry) for entry in given.split(os.pathsep)] if given else []
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
