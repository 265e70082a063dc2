"""Verdicts and outcomes in words."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypedDict

from autoloop.metrics import MetricBook, expectation_text
from autoloop.model import Call, Comparison, Confirmation, Expectation, Outcome, RuleRecord, RunState, Standing
from autoloop.text.changes import changes_text
from autoloop.text.plural import plural
from autoloop.text.values import number, signed
from autoloop.verdicts.distributions import wilson
from autoloop.verdicts.noise import Noise, NoiseGap
from autoloop.verdicts.results import Fate, Result
from autoloop.verdicts.verdict import Basis, Statistic, Verdict

WITHIN_RUN = "within the run only"
MOST = 6
"""The largest number of changes and of confirmations that are listed."""


def noise_unknown(why: NoiseGap) -> str:
    """The reason as a sentence, with advice if the seed seems to have no effect."""
    advice = ": does the seed reach the trainer? `autoloop-tui try` checks it" if why is NoiseGap.SPREAD else ""
    return f"{why[0].upper()}{why[1:]}{advice}."


def short(verdict: Verdict) -> str:
    """The verdict in a few words: `better (n 4, 4)`, `within the run only`."""
    if verdict.basis in (Basis.WITHIN_RUN, Basis.UNEQUAL_STEPS, Basis.MISSING):
        return verdict.basis.value
    return f"{verdict.call.value} (n {verdict.runs[0]}, {verdict.runs[1]})"


def sentence(verdict: Verdict) -> str:
    """`better: -0.05 (tail mean) [-0.09, -0.01], n 4 and 4, paired by seed`, or what is missing for a verdict."""
    if verdict.basis is Basis.MISSING:
        return "no value to compare"
    text = f"{number(verdict.effect)} ({verdict.statistic.value})"
    if verdict.basis is Basis.UNEQUAL_STEPS:
        return f"{text}, not at equal steps"
    if verdict.interval is None:
        return f"{text}, {WITHIN_RUN}: {verdict.lacking}"
    low, high = map(number, verdict.interval)
    counts = f"n {verdict.runs[0]} and {verdict.runs[1]}, {verdict.basis.value}"
    left = f"; about {plural(verdict.more, 'more run')} would settle it" if verdict.more else ""
    return f"{verdict.call.value}: {text} [{low}, {high}], {counts}{left}"


def result_texts(result: Result) -> list[str]:
    """The outcome of a proposal in several lengths, longest first, so that a narrow column can show one that fits.

    `ran -0.008 better`, `ran -0.008 (not enough runs)`, `ran, no difference shown`, `failed: out of GPU memory`,
    `stopped at step 600`, `queued`.
    """
    word = result.fate.value
    if result.fate in (Fate.FAILED, Fate.STOPPED):
        run = next((run for run in result.runs if run.state is not RunState.STOPPED), result.runs[0])
        if result.fate is Fate.STOPPED:
            return [f"stopped at step {run.step}", word]
        why = (run.reason or "").removeprefix(f"{run.state.value}: ")
        return [f"{word}: {why}", word] if why else [word]
    verdict = result.verdict
    if result.fate is not Fate.RAN or verdict is None or math.isnan(verdict.effect):
        return [word]
    if verdict.call is Call.NO_DIFFERENCE:
        return ["ran, no difference shown", "no difference", word]
    change = number(verdict.effect, 3)
    change = change if change.startswith("-") else f"+{change}"
    if verdict.basis is Basis.UNEQUAL_STEPS:
        return [f"ran {change}, {verdict.basis.value}", "ran, other steps", word]
    if verdict.call is Call.NOT_ENOUGH:
        return [f"ran {change} ({verdict.call.value})", f"ran {change}", change, word]
    call = verdict.call.value
    return [f"ran {change} {call}", f"{change} {call}", call]


class OutcomeDocument(TypedDict):
    """The outcome of a proposal: `effect` and `interval` are its runs minus their base, in `metric`."""

    fate: Fate
    text: str
    runs: list[str]
    metric: str | None
    call: Call | None
    basis: Basis | None
    statistic: Statistic | None
    effect: float | None
    interval: tuple[float, float] | None
    n: tuple[int, int] | None
    """Runs of each side."""
    more: int | None
    """The number of further runs, of both sides together, that would settle it."""
    expectation_met: bool | None


def result_document(result: Result) -> OutcomeDocument:
    """The outcome of a proposal as data."""
    verdict = result.verdict
    known = verdict is not None and not math.isnan(verdict.effect)
    return {
        "fate": result.fate,
        "text": result_texts(result)[0],
        "runs": [run.id for run in result.runs],
        "metric": result.metric,
        "call": verdict.call if verdict else None,
        "basis": verdict.basis if verdict else None,
        "statistic": verdict.statistic if verdict else None,
        "effect": verdict.effect if verdict and known else None,
        "interval": verdict.interval if verdict else None,
        "n": verdict.runs if verdict else None,
        "more": verdict.more if verdict else None,
        "expectation_met": result.met,
    }


def expectation_said(expects: Expectation, result: Result | None, book: MetricBook) -> str:
    """`expects eval_l1 lower`; once the proposal has run, with whether that was met."""
    text = f"expects {expectation_text(expects, book)}"
    if result is None or result.fate is not Fate.RAN:
        return text
    return f"{text}: {'not decided' if result.met is None else 'met' if result.met else 'not met'}"


class NoiseDocument(TypedDict):
    """The spread between seeds, with its 95 % interval."""

    sd: float
    interval: tuple[float, float]
    dof: float
    runs: int
    configs: int
    correlation: float | None
    """Between runs with equal seeds."""


def noise_document(noise: Noise) -> NoiseDocument:
    """The spread between seeds, with its 95 % interval, as data."""
    return {
        "sd": noise.sd,
        "interval": noise.interval(),
        "dof": noise.dof,
        "runs": noise.runs,
        "configs": noise.groups,
        "correlation": noise.correlation,
    }


def noise_text(noise: Noise) -> str:
    """`0.034 [0.023, 0.062] (10 runs of 1 config)`: the spread between seeds and its 95 % interval."""
    return f"{number(noise.sd, 2)} {noise_basis(noise)}"


def noise_basis(noise: Noise) -> str:
    """`[0.023, 0.062] (10 runs of 1 config)`: the 95 % interval of the spread between seeds, and the runs it is based on."""
    low, high = noise.interval()
    seeds = f"{plural(noise.runs, 'run')} of {plural(noise.groups, 'config')}"
    return f"[{number(low, 2)}, {number(high, 2)}] ({seeds})"


def outcome_lines(found: Outcome, name_of: Callable[[Standing], str], metric: str) -> list[str]:
    """A loop's outcome in lines: whether a config is better than the baseline, its changes, other confirmations, the best
    config of each round, rules, cost.

    `name_of`: returns a config's name; `metric`: the metric's name as shown.
    """
    lines = [_headline(found, name_of, metric)]
    if found.changes:
        more = f" and {len(found.changes) - MOST} more" if len(found.changes) > MOST else ""
        lines.append(f"{name_of(found.first)} differs from the baseline in {changes_text(found.changes[:MOST])}{more}")
    others = [each for each in found.confirmations if not (found.better and each.contender == found.first.run)]
    lines += [_confirmation(each, name_of, metric) for each in others[:MOST]]
    if len(found.rounds) > 1:
        word = "highest" if found.highest else "lowest"
        rounds = (f"round {each.round} {_standing(each.first, name_of)}" for each in found.rounds)
        lines.append(f"{word} {metric} of the new configs per round: {'; '.join(rounds)}")
    lines += [_record(each) for each in found.rules]
    hours = f"{found.seconds / 3600:.2g} {'GPU hours' if found.gpus else 'hours of training'}"
    return [*lines, f"cost: {plural(found.runs, 'run')}, {hours}"]


def record_text(each: RuleRecord | None) -> str:
    """A rule's record in a project: `helped 3 of 7 (95 %: 16–75 %), hurt 1 (this project)`, of the proposals that ran."""
    if each is None or not each.proposed:
        return "has not fired in this project"
    if not each.ran:
        return f"fired {plural(each.proposed, 'time')}, none of its proposals has run (this project)"
    low, high = wilson(each.better, each.ran)
    text = f"helped {each.better} of {each.ran} (95 %: {low * 100:.0f}–{high * 100:.0f} %), hurt {each.worse}"
    if each.no_difference:
        text += f", no difference {each.no_difference}"
    if each.undecided:
        text += f", not enough runs {each.undecided}"
    return f"{text} (this project)"


class RecordDocument(TypedDict):
    """The outcomes of a rule's proposals in the project; `interval95`: of the share that helped among those that ran."""

    fired: int
    approved: int
    rejected: int
    ran: int
    helped: int
    hurt: int
    no_difference: int
    not_enough_runs: int
    interval95: tuple[float, float] | None


def record_document(each: RuleRecord | None) -> RecordDocument | None:
    """A rule's record in a project as data; None without one."""
    if each is None:
        return None
    return {
        "fired": each.proposed,
        "approved": each.approved,
        "rejected": each.rejected,
        "ran": each.ran,
        "helped": each.better,
        "hurt": each.worse,
        "no_difference": each.no_difference,
        "not_enough_runs": each.undecided,
        "interval95": wilson(each.better, each.ran) if each.ran else None,
    }


def _headline(found: Outcome, name_of: Callable[[Standing], str], metric: str) -> str:
    base, first, between = name_of(found.baseline), name_of(found.first), found.comparison
    if between is None:
        return f"no config is better than the baseline, {base}, in {metric}"
    if found.better:
        fresh = f"confirmed on {plural(min(between.runs), 'fresh seed')}, " if found.confirms else ""
        return f"{first} is better than the baseline, {base}: {metric} {_effect(found, between)}, {fresh}{between.basis}"
    word = "highest" if found.highest else "lowest"
    if found.confirms:
        text = f"no config has been confirmed on fresh seeds to be better than the baseline, {base}"
        tried = any(each.contender == found.first.run for each in found.confirmations)
        text += f"; {first} has the {word} {metric}"
        return text if tried else f"{text}, {_effect(found, between)}, not run again"
    text = f"no config has been shown to be better than the baseline, {base}; {first} has the {word} {metric}"
    text += f", {_effect(found, between)}"
    if between.interval is None:
        return f"{text}; {between.basis}, which cannot tell an effect from chance: `run --seeds 3` or `calibrate` can"
    return f"{text}, {between.basis}: {between.call.value}{_left(between)}"


def _confirmation(each: Confirmation, name_of: Callable[[Standing], str], metric: str) -> str:
    """A contender that is not the winner, with its result on fresh seeds."""
    contender = Standing(run=each.contender, value=each.explored, runs=each.explored_runs)
    text = f"{name_of(contender)} looked better in {plural(each.explored_runs, 'run')} ({metric} {signed(each.explored)})"
    between = each.comparison
    seeds = plural(min(between.runs), "fresh seed") if between else ""
    if between is None:
        text += "; it was not compared on fresh seeds"
    elif each.confirmed:
        text += f"; confirmed on {seeds}: {_plain(between)}"
    elif each.settled and not each.given_up:
        text += f"; not confirmed on {seeds}: {_plain(between)}, {between.call.value}"
    else:
        text += f"; undecided on {seeds}: {_plain(between)}{_left(between)}"
    failed = f"; {each.failed} of its runs on fresh seeds ended without a value" if each.failed else ""
    return text + failed + (f"; given up: {each.given_up}" if each.given_up else "")


def _effect(found: Outcome, between: Comparison) -> str:
    counts = f", {found.statistic} of {between.runs[0]} and {plural(between.runs[1], 'run')}" if between.interval else ""
    return _plain(between) + counts


def _plain(between: Comparison) -> str:
    """`-0.03 [-0.05, -0.01]`."""
    if between.interval is None:
        return signed(between.effect)
    low, high = (signed(each) for each in between.interval)
    return f"{signed(between.effect)} [{low}, {high}]"


def _left(between: Comparison) -> str:
    return f"; about {plural(between.more, 'more run')} would settle it" if between.more else ""


def _standing(each: Standing, name_of: Callable[[Standing], str]) -> str:
    return f"{number(each.value)} {name_of(each)}"


def _record(each: RuleRecord) -> str:
    """`rule plateau: 4 proposed, 3 ran; 1 better, 2 with too few runs`."""
    counts = [(each.better, "better"), (each.worse, "worse"), (each.no_difference, "no difference")]
    judged = ", ".join(f"{count} {word}" for count, word in [*counts, (each.undecided, "with too few runs")] if count)
    name = each.rule if each.searched else f"rule {each.rule}"
    return f"{name}: {each.proposed} proposed, {each.ran} ran" + (f"; {judged}" if judged else "")
