"""An engine in a separate process that waits less long for a silent Slurm or supervisor."""

from __future__ import annotations

from autoloop.engine.driver import process
from autoloop.runners.slurm import runner

runner.UNKNOWN, runner.SILENCE = 3.0, 20.0

if __name__ == "__main__":
    process.main()
