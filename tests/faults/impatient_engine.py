"""An engine as a process of its own that waits less long for a Slurm or a supervisor that says nothing."""

from __future__ import annotations

from autoloop.engine.driver import process
from autoloop.runners.slurm import runner

runner.UNKNOWN, runner.SILENCE = 3.0, 20.0

if __name__ == "__main__":
    process.main()
