"""Entry point of the supervisor: `python -I -S supervisor.py <attempt directory>`, in its own session.

Python compiles the script itself at every start, but loads imported modules from cached bytecode. To keep the start of every
attempt fast, everything else is in `supervising.py`. Standard library only.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING or __package__:
    from autoloop.runners import supervising
else:
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    import supervising

if __name__ == "__main__":
    os._exit(supervising.main(sys.argv[1]))  # nothing is buffered, and finalising the interpreter would take 2 ms
