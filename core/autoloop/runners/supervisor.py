"""Where the supervisor starts: `python -I -S supervisor.py <attempt directory>`, in a session of its own.

Python compiles the file that it is given at every start; what it imports comes from the bytecode kept beside it. Every
attempt pays for this start, so all else is in `supervising.py`. Standard library only.
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
    os._exit(supervising.main(sys.argv[1]))  # nothing is buffered, and taking the interpreter down would cost 2 ms
