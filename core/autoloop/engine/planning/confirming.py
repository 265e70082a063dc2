"""`--replicates auto` in a plan: how much of each round may go to confirming runs."""

from __future__ import annotations

from collections.abc import Sequence

from autoloop.model import LoopSpec, Run
from autoloop.verdicts.confirmation import share


def confirming_text(spec: LoopSpec, runs: Sequence[Run]) -> str | None:
    """How many runs may confirm configs that look better than the baseline, in words; None if the loop confirms nothing.
    `runs`: those of round 1; a later round is larger only if rules ask for more variants."""
    if not spec.confirms:
        return None
    if not any(run.group for run in runs):
        return (
            "Nothing can be confirmed on fresh seeds, so no config will be called better: no config has a known seed "
            "key; set `seed` in [trainer]."
        )
    part = share(len(runs), len(runs), len(spec.slots), None, last=False)
    most = "all runs of round 2" if spec.rounds == 2 else f"up to {2 * part.pairs} of {part.size} runs per round"
    most += "" if spec.rounds == 2 else ", and all of the last round"
    return (
        f"A config that looks better than the baseline, {runs[0].name}, runs again beside it on fresh seeds before it is "
        f"called better: {most}. `--replicates 0` turns this off."
    )
