"""`replay`: play back a past loop in the console."""

from __future__ import annotations

from pathlib import Path

from autoloop.model import UserError

from autoloop_tui.console import opening


def replay(loop: str | None = None, /, *, speed: float = 60) -> int:
    """Play back a past loop in the console, from its records. Nothing is changed.

    `[` and `]` go to the previous and the next event, `{` and `}` change the speed, P pauses. Steps are interpolated between
    start and end of a run; logs are shown in full.

    Parameters
    ----------
    loop
        Which loop (name or number); the newest by default.
    speed
        Playback speed: seconds of the loop per second.
    """
    if not opening.has_screen():
        raise UserError(
            opening.why_no_screen() or "A replay needs a terminal; `autoloop-tui status` prints the state of a loop."
        )
    if not 0 < speed <= 1e6:
        raise UserError(f"--speed must be more than 0 and at most 1000000, not {speed:g}.")
    return opening.open_console(Path.cwd(), loop, replay_speed=speed)
