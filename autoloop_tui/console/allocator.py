"""Settings of the C library's allocator."""

from __future__ import annotations

from contextlib import suppress

M_TRIM_THRESHOLD, M_ARENA_MAX = -1, -8
"""From glibc's malloc.h."""


def keep_small() -> None:
    """Make all threads share one heap whose free end is returned to the system. By default glibc gives each thread a heap of
    its own, and the rows of a large loop, read by a thread, leave gaps in it. No effect without glibc."""
    with suppress(ImportError, AttributeError, OSError):  # Python may be built without ctypes
        import ctypes  # imported here because the first paint does not need it

        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_TRIM_THRESHOLD, 128 << 10)
        mallopt(M_ARENA_MAX, 1)
