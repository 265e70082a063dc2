"""`examples`: commands to copy, by task."""

from __future__ import annotations

from autoloop.model import UserError

TASKS: dict[str, tuple[str, ...]] = {
    "See it work on a CPU in two minutes": ("demo",),
    "Use your current training command": (
        "init -- python train.py --lr 1e-3",
        "try",
        "run --exec",
    ),
    "Check a plan before spending GPU time": (
        "run --cfgs configs/*.json --steps 2000",
        "doctor --cfgs configs/*.json --steps 2000",
    ),
    "Train a grid, three seeds each, on four GPUs": (
        "run --cfgs base.yaml --grid lr=1e-3,3e-3,1e-2 --seeds 3 --concurrency 4 --exec",
        "runs",
        "plot --metric eval_l1",
    ),
    "Let rules propose the next rounds, and decide yourself": (
        "run --cfgs base.yaml --rounds 3 --decide --rules rules.toml --approve manual --exec --detach",
        "proposals",
        "approve 1 3",
        'reject 2 --reason "diverged before"',
        "start",
    ),
    "Let Optuna search": ("run --cfgs base.yaml --propose optuna --grid lr=1e-4..1e-2 dropout=0..0.5 --rounds 6 --exec",),
    "Leave it unattended overnight": (
        "run --cfgs base.yaml --rounds 8 --decide --rules rules.toml --max-hours 10 --retries 1 --exec --detach",
        "wait",
        "report --html night.html",
    ),
    "Find out why nothing is happening": ("status", "explain", "logs -f"),
    "Stop, then resume": ("stop", "resume"),
    "Train a run for longer": ("extend base --steps 20000",),
    "Measure the spread between seeds": ("calibrate base.yaml --seeds 5 --exec", "noise"),
    "Try rules on past runs": (
        "backtest --rules rules/mine.toml",
        "backtest --find-stop eval_l1",
    ),
    "Summarise runs that were trained without Auto Loop": (
        "analyze-offline --outputs-root outputs/train",
        "analyze-wandb --entity my-team --project my-project",
    ),
    "Free disk space": ("disk", "disk --free", "disk --free --exec"),
    "Run on a cluster, or on other machines": (
        "run --cfgs configs/*.json --slurm --exec --detach",
        "run --cfgs configs/*.json --hosts all --exec --detach",
    ),
    "Watch a machine from a laptop": ("--host box --project act",),
    "Control it from a script": ("status --json", "proposals --json", "schema proposals"),
    "Let a coding agent propose": ("guide", "mcp", "agents"),
}
"""Complete command lines, without the program's name."""


def examples(task: str | None = None, /) -> int:
    """Print commands to copy, by task.

    Parameters
    ----------
    task
        Show only examples that contain this word, such as grid, approve or unattended.
    """
    word = (task or "").lower()
    found = {title: lines for title, lines in TASKS.items() if word in "\n".join((title, *lines)).lower()}
    if not found:
        raise UserError(f"No example mentions {task}; `autoloop-tui examples` prints all of them.")
    print("\n\n".join("\n".join((title, *(f"  autoloop-tui {line}" for line in lines))) for title, lines in found.items()))
    return 0
