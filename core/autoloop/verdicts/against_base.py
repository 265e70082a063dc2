"""A run's config among others, as rules see it: its replicates, the noise between seeds, the verdict against its base."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from autoloop.model import Call, Run
from autoloop.verdicts.judge import Judge
from autoloop.verdicts.noise import Noise
from autoloop.verdicts.verdict import Verdict
from autoloop.verdicts.wording import WITHIN_RUN, sentence


@dataclass(frozen=True)
class BaseComparison:
    """A run's config and the config it was made from. `base`: a run of the latter; None for a config of the user.

    Each method raises a LookupError with the reason if it has no answer.
    """

    judge: Judge
    run: Run
    base: Run | None

    @property
    def runs(self) -> int:
        """The number of finished runs of the config."""
        return len(self.judge.replicates(self.run))

    def noise(self, metric: str) -> Noise:
        """The noise of a metric between seeds."""
        found = self.judge.noise(metric)
        if found is None:
            raise LookupError(f"{WITHIN_RUN}: {self.judge.lacking(metric)}")
        return found

    def verdict(self, metric: str) -> Verdict:
        """The verdict on the config against its base."""
        if self.base is None:
            raise LookupError("the config has no base")
        found = self.judge.between(self.run, self.base, metric)
        if found is None:
            raise LookupError(f"its base, {self.base.name} ({self.base.id}), has not finished")
        return found

    def better(self, metric: str) -> bool:
        """Whether the config has been shown to be better than its base. False if it is worse, or if a difference would have
        shown by now; LookupError while this is undecided."""
        verdict = self.verdict(metric)
        if verdict.call is Call.NOT_ENOUGH:
            raise LookupError(sentence(verdict))
        if verdict.call in (Call.HIGHER, Call.LOWER):
            raise LookupError(f"it is {verdict.call.value}, and nothing tells whether higher or lower is better")
        return verdict.call is Call.BETTER


def base_of(run: Run, find: Callable[[str], Run | None]) -> Run | None:
    """The run that a run's config was made from. For a replicate, this is the base of the config that it replicates."""
    seen = {run.id}
    base = find(run.base_run) if run.base_run else None
    while base is not None and base.id not in seen and run.group and base.group == run.group:
        seen.add(base.id)
        base = find(base.base_run) if base.base_run else None
    return base
