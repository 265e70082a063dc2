"""The stopping rule of a comparison that is checked after every run: when it is decided, and when it is given up.

Two one-sided sequential probability ratio tests of "no effect" against "an effect of one standard deviation between seeds",
with a limit. With z the effect over its standard error, and h the z that such an effect is expected to have by now, the log
likelihood ratio is `z * h - h * h / 2`. Above Wald's upper boundary the test decides, below the lower one it gives up, for
any number of looks; Siegmund's correction subtracts the overshoot of a discrete walk. bench/judgement measures the error
rates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from autoloop.verdicts.distributions import normal_quantile

POWER = 0.95
"""Power for an effect of one standard deviation between seeds, before the limit, which reduces it slightly."""
EARLY_LOOKS = 3
EARLY_SHARE = 0.03
"""Share of the error rate that is spent on each of the first looks, at one to three runs per config: there the boundary
alone would require unrealistic differences."""
LONGEST = 1.7
"""Information at which a comparison is given up, as a multiple of what the fixed test of the same error rates needs."""
OVERSHOOT = 0.583
"""Siegmund's constant: the mean overshoot of a random walk past a boundary, as a fraction of its step."""
STEP = math.sqrt(0.5)
"""The h of one run of each config: the step of the walk if runs come in pairs."""


@dataclass(frozen=True)
class Boundary:
    """`alpha`: the rate at which equal configs may be called "better", over all looks; "worse" has the same rate. `step`:
    the h of one more run of each."""

    alpha: float
    step: float = STEP

    def decides(self, h: float, runs: int) -> float:
        """The least |z| that decides. `runs`: the smaller of the two configs' numbers of runs."""
        h = min(h, math.sqrt(self.limit))  # beyond it, the boundary would rise as information grows
        share = self.alpha * (1 - EARLY_LOOKS * EARLY_SHARE)
        line = (math.log(POWER / share) - self._overshoot + h * h / 2) / h
        return min(line, normal_quantile(1 - self.alpha * EARLY_SHARE)) if runs <= EARLY_LOOKS else line

    def gives_up(self, h: float) -> float:
        """The largest |z| that counts as no difference; negative while it is too early for that."""
        if h * h >= self.limit:
            return math.inf
        return (h * h / 2 - math.log((1 - self.alpha) / (1 - POWER)) + self._overshoot) / h

    @property
    def limit(self) -> float:
        """The h² at which a comparison ends."""
        return LONGEST * self.fixed

    @property
    def fixed(self) -> float:
        """The h² at which a test with a single look has the same error rates."""
        return (normal_quantile(1 - self.alpha) + normal_quantile(POWER)) ** 2

    @property
    def _overshoot(self) -> float:
        return OVERSHOOT * min(self.step, 1.0)
