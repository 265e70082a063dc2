"""The letter and colour of a run, the same in every list and chart. The letter never changes; the colour changes only if
another run shown beside it has the same one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

COLOURS = 6
"""Number of run colours in a theme, `chart-1` to `chart-6`."""


class Badge(NamedTuple):
    """The letter and colour of a run. In a large loop several runs share a colour, so it is always shown with the letter;
    `apart` gives runs shown together different colours as far as possible."""

    letter: str
    """One or more letters, like spreadsheet columns."""
    colour: int
    """1 to COLOURS."""

    @property
    def look(self) -> str:
        return f"chart-{self.colour}"


def badge_of(place: int, *, guest: bool = False) -> Badge:
    """Return the badge of the run at `place` in its loop, counted from 0. `guest`: a run of another loop, shown with a
    capital letter."""
    letters, left = "", place + 1
    while left:
        left, digit = divmod(left - 1, 26)
        letters = chr(ord("A" if guest else "a") + digit) + letters
    return Badge(letters, COLOURS - place % COLOURS if guest else place % COLOURS + 1)


def apart(badges: Mapping[str, Badge]) -> dict[str, Badge]:
    """Give runs shown together different colours: a run with the colour of an earlier run gets the first free colour."""
    owners = {badge.colour: run for run, badge in reversed(list(badges.items()))}
    free = [colour for colour in range(1, COLOURS + 1) if colour not in owners]
    found = {}
    for run, badge in badges.items():
        shared = owners[badge.colour] != run
        found[run] = badge._replace(colour=free.pop(0)) if shared and free else badge
    return found
