"""A loop's plan as text and as JSON."""

from __future__ import annotations

import os

from autoloop.engine.planning.halve import halve_text
from autoloop.engine.planning.limits import describe_plan
from autoloop.engine.planning.plan import LoopPlan
from autoloop.secrets import shown_value
from autoloop.text.plural import plural
from autoloop.text.searches import search_words

from autoloop_tui.cli.documents.plans import PlanDocument
from autoloop_tui.cli.output import printing


def plan_text(plan: LoopPlan, *, margin: int = 0) -> str:
    """Return the plan for people: what would run where, each command line, and notes. `margin`: cells not used for text."""
    cells = printing.across()
    cells = None if cells is None else cells - margin
    rows = [
        [
            planned.run.position,
            planned.run.name,
            planned.slot.label if planned.slot else "next free",
            printing.printable(os.path.relpath(planned.output_dir)),
        ]
        for planned in plan.runs
    ]
    spec = plan.spec
    limits = describe_plan(spec)
    by = " and ".join([*(["rules"] if spec.decide else []), *([spec.search.sampler.words] if spec.search else [])])
    then = f"then up to {spec.rounds - 1} more by {by}, approve {spec.approve}" if spec.rounds > 1 else "one round"
    then += f", {halving}" if (halving := halve_text(spec)) else ""
    then += f", then extend the winner to {spec.extend_winner} steps" if spec.extend_winner is not None else ""
    searched = [f"searched: {search_words(spec.search)}"] if spec.search else []
    steps = " or ".join(str(number) for number in sorted({planned.run.total_steps for planned in plan.runs}))
    notes = [*searched, *filter(None, [plan.steps_by, plan.confirming]), *plan.warnings]
    head = (
        f"Plan: {plural(len(plan.runs), 'run')} × {steps} steps on {plural(len(spec.slots), 'slot')} "
        f"({spec.device}), preset {spec.preset}, {then}, "
        f"W&B {'online' if spec.wandb.online else 'offline'}" + (f", {limits}" if limits else "")
    )
    parts = [
        *printing.wrapped(head, cells, others="  "),
        "",
        printing.table(["#", "config", "slot", "output directory"], rows, texts=(1, 3), cells=cells),
        "",
        *(
            f"[{planned.run.position}] {printing.printable(planned.launch.command_line(os.environ))}"
            for planned in plan.runs
        ),
        *(["", "Live rules, during training (--no-live turns them off):"] if plan.live else []),
        *(
            line
            for each in plan.live
            for line in printing.wrapped(printing.printable(each), cells, first="  ", others="    ")
        ),
        *([""] if notes else []),
        *(line for each in notes for line in printing.wrapped(printing.printable(each), cells, first="note: ", others="  ")),
        "",
        "Nothing was started. Add --exec to start the loop.",
    ]
    return "\n".join(parts)


def plan_json(plan: LoopPlan) -> str:
    """Return the plan for programs."""
    document: PlanDocument = {
        "loop": plan.name,
        "output_dir": plan.output_dir,
        "warnings": plan.warnings,
        "live_rules": plan.live,
        "confirming": plan.confirming,
        "halve": plan.spec.halve,
        "then": None if plan.spec.extend_winner is None else {"extend": plan.spec.extend_winner},
        "search": plan.spec.search,
        "runs": [
            {
                "index": planned.run.position,
                "name": planned.run.name,
                "id": planned.run.id,
                "config": planned.run.source_path,
                "slot": planned.slot.label if planned.slot else None,
                "output_dir": planned.output_dir,
                "argv": planned.launch.argv,
                "env": {name: shown_value(name, value) for name, value in planned.launch.env.items()},
            }
            for planned in plan.runs
        ],
    }
    return printing.answer("plan", document)
