"""`replay`: a past loop on the screens of the console."""

from __future__ import annotations

from pathlib import Path

from autoloop.model import UserError

from autoloop_tui.console import opening


def replay(loop: str | None = None, /, *, speed: float = 60) -> int:
    """Play a past loop on the console's screens, from what the store holds. Nothing is changed.

    `[` and `]` go to the previous and the next event, `{` and `}` change the speed, P
    pauses. A run's step between start and end is taken to have risen evenly; logs are
    shown whole.

    Parameters
    ----------
    loop
        Which loop (name or number); the newest by default.
    speed
        Seconds of the loop in one second.
    """
    if not opening.has_screen():
        raise UserError(
            opening.why_no_screen() or "A replay needs a terminal; `autoloop-tui status` prints how a loop stands."
        )
    if not 0 < speed <= 1e6:
        raise UserError(f"--speed must be more than 0 and at most 1000000, not {speed:g}.")
    return opening.open_console(Path.cwd(), loop, replay_speed=speed)
