"""The earliest step at which runs can be stopped, for display."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoloop.text.plural import plural

from autoloop_tui.cli.output import printing
from autoloop_tui.cli.output.rates import interval_text, rate_text

if TYPE_CHECKING:
    from autoloop.backtest import SafeStop, StopCandidate

    from autoloop_tui.cli.documents.past import SafeStopDocument, TriedDocument

SHOWN = 12
"""Maximum number of steps in the table, besides the safe one."""


def document(found: SafeStop) -> SafeStopDocument:
    return {
        "metric": found.metric,
        "risk": found.risk,
        "runs": found.runs,
        "cohorts": found.cohorts,
        "safe": _step(found.safe) if found.safe else None,
        "tried": [_step(each) for each in found.tried],
    }


def text(found: SafeStop, metric: str) -> str:
    """`metric`: its name as shown in tables."""
    if not found.tried:
        return "\n".join(
            _wrapped(f"No loop has four finished runs of equal length with early points of {metric} to compare.")
        )
    compared = (
        f"{plural(found.runs, 'finished run')} in {plural(found.cohorts, 'group')} of one loop and length. At each step, "
        f"the worse half by {metric} is stopped; a run counts as lost if it would have ended in the best quarter."
    )
    stride = -(-len(found.tried) // SHOWN)
    rows = [
        [
            each.step,
            f"{each.lost.hits} of {each.lost.n}",
            interval_text(each.lost),
            f"{each.saved:.0%}",
            "safe" if each is found.safe else "",
        ]
        for index, each in enumerate(found.tried)
        if index % stride == 0 or each is found.safe
    ]
    table = printing.table(["step", "lost", "95 % interval", "steps saved", ""], rows, cells=printing.across())
    return "\n".join([*_wrapped(compared), "", table, "", *_wrapped(_verdict(found))])


def _verdict(found: SafeStop) -> str:
    risk, safe = f"{found.risk:.0%}", found.safe
    if safe is not None:
        return (
            f"The worse half can be stopped at step {safe.step}: from then on, at most {risk} of the stopped runs would "
            f"have ended among the best (observed: {rate_text(safe.lost)}). That saves {safe.saved:.0%} of all steps."
        )
    if found.floor > found.risk:
        return (
            f"No step can be shown to be safe at a risk of {risk}: with so few runs, the risk could be "
            f"{found.floor:.0%} even if none had been lost. Use more finished runs or a larger --risk."
        )
    return f"No step is safe at a risk of {risk}: too many runs that started badly ended among the best."


def _step(each: StopCandidate) -> TriedDocument:
    return {"step": each.step, "stopped_among_best": each.lost.to_json(), "share_of_steps_saved": each.saved}


def _wrapped(sentence: str) -> list[str]:
    return printing.wrapped(sentence, printing.across())
