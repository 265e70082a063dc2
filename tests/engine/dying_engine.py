"""An engine that is killed between the ends of two attempts and the starts that follow: `dying_engine.py RECORD MOMENT …`,
followed by the usual arguments of an engine.

It waits for both ends, so that the sequence is always the same: a record of the ends and an intent, one of a handle and the
next intent, one of the last handle. RECORD counts them from 0; MOMENT is `before` the record or `within` its transaction.
"""

from __future__ import annotations

import os
import signal
import sys

from autoloop.engine.driver import process
from autoloop.engine.runs.attempts import Intent
from autoloop.engine.runs.execution import EndedAttempt, Execution


class Dying(Execution):
    records: int | None = None
    """Number of records since both have ended."""

    def wait(self, seconds: float) -> list[EndedAttempt]:
        ended = super().wait(seconds)
        while ended and self.busy:
            ended += super().wait(seconds)
        if ended and self.records is None:
            self.records = 0
        return ended

    def _record(self, intent: Intent | None = None) -> None:
        if self.records is None:
            return super()._record(intent)
        if self.records == int(RECORD):
            if MOMENT == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            with self.context.store.transaction():
                super()._record(intent)
                os.kill(os.getpid(), signal.SIGKILL)
        self.records += 1
        return super()._record(intent)


if __name__ == "__main__":
    RECORD, MOMENT = sys.argv[1:3]
    del sys.argv[1:3]
    from autoloop.engine.driver import engine

    engine.Execution = Dying  # type: ignore[attr-defined]
    process.main()
