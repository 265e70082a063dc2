"""The list of JSON answers: version, commands that print it, and type.

Types are named, not imported, so that printing one answer loads none of the others.
"""

from __future__ import annotations

from typing import NamedTuple


class Answer(NamedTuple):
    version: int
    """Raised when a field is removed or changes its meaning or type, but not when a field is added."""
    commands: tuple[str, ...]
    type: str
    """In `cli.documents`, as `module:Type`."""
    line: str


ANSWERS: dict[str, Answer] = {
    "status": Answer(1, ("status",), "loops:StatusDocument", "The state of a loop."),
    "loops": Answer(1, ("status --all",), "loops:LoopsDocument", "All loops of the project."),
    "runs": Answer(1, ("runs",), "loops:RunsDocument", "The runs of a loop, with every field."),
    "proposals": Answer(1, ("proposals",), "judging:ProposalsDocument", "Proposals and their outcomes."),
    "agents": Answer(1, ("agents",), "judging:AgentsDocument", "The actions and spending of each actor in a loop."),
    "rules": Answer(1, ("rules",), "judging:RulesDocument", "The active rules and their records."),
    "noise": Answer(1, ("noise",), "judging:NoiseAnswer", "The noise of the metrics between seeds."),
    "rejudge": Answer(1, ("rejudge",), "judging:RejudgeDocument", "The proposals that rules make now and made then."),
    "plan": Answer(1, ("run", "run --exec --detach"), "plans:PlanDocument", "A planned or started loop."),
    "findings": Answer(1, ("doctor",), "plans:FindingsDocument", "Checks before a start."),
    "check": Answer(1, ("check",), "plans:CheckDocument", "The effect of edits to a run."),
    "hooks": Answer(1, ("hooks",), "plans:HooksDocument", "Commands and webhooks for events."),
    "backtest": Answer(1, ("backtest",), "past:BacktestDocument", "The effect that rules would have had on past runs."),
    "safe-stop": Answer(1, ("backtest --find-stop",), "past:SafeStopDocument", "When the worse half can be stopped."),
    "effects": Answer(1, ("effects",), "past:EffectsDocument", "The effect of each setting."),
    "usage": Answer(1, ("disk",), "past:UsageDocument", "Disk usage of loops and runs."),
    "freeing": Answer(1, ("disk --free",), "past:FreeingDocument", "Checkpoints that can be freed."),
    "freed": Answer(
        1,
        ("disk --free --exec", "disk --undo", "disk --empty"),
        "past:FreedDocument",
        "The files that were moved or deleted.",
    ),
    "analysis": Answer(
        1,
        ("analyze-offline --rules", "analyze-wandb"),
        "past:AnalysisDocument",
        "Past runs and rules' proposals.",
    ),
    "summaries": Answer(1, ("analyze-offline",), "past:Summaries", "Past runs by output directory."),
    "themes": Answer(1, ("themes",), "plans:ThemesDocument", "Colour themes and their contrast."),
    "theme": Answer(1, ("themes --check",), "plans:ThemeDocument", "One colour theme."),
}

UNMARKED = frozenset({"summaries"})
"""Answers without the field `schema`: their keys are output directories, as in the scripts of earlier versions."""


def mark(name: str) -> str:
    """Return the value of an answer's field `schema`: `status/1`."""
    return f"{name}/{ANSWERS[name].version}"


def named(words: str) -> str | None:
    """Return the name of an answer: of a command (`disk`) or a form of it (`disk --free`), or a name (`freeing`,
    `freeing/1`)."""
    for name, answer in ANSWERS.items():
        if words in answer.commands:
            return name
    return next((name for name in ANSWERS if words in (name, mark(name))), None)
