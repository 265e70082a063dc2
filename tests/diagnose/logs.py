"""Logs of failed trainers, and their diagnosis."""

from __future__ import annotations

from autoloop.diagnose.diagnosis import diagnose
from autoloop.logs import log_lines
from autoloop.model import Cause, ExitRecord
from autoloop.trainers import load_preset

PLAIN = load_preset("plain")
ASYNC = """
CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.
For debugging consider passing CUDA_LAUNCH_BLOCKING=1
Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.
"""


def of(log: str, code: int | None = 1, signal: int | None = None) -> Cause:
    """Return the cause found for an attempt with the preset plain that ended with this log."""
    cause = diagnose(ExitRecord(code=None if signal else code, signal=signal), log_lines(log.encode()), PLAIN)
    assert cause is not None
    return cause


def raised(*exceptions: str) -> str:
    """Return a log that ends with a chain of exceptions, each `Type: message`, in the order in which they were raised."""
    frames = 'Traceback (most recent call last):\n  File "/srv/train.py", line 288, in <module>\n    train()\n'
    linked = "\nThe above exception was the direct cause of the following exception:\n\n"
    return "step 10/100\n" + linked.join(f"{frames}{exception}\n" for exception in exceptions)
