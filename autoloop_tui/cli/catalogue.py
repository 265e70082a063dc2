"""The list of commands: module, one-line purpose and two examples for each. `parser.py` registers them from here.

Modules are named, not imported, so that a command loads only what it needs and listing the commands loads none of them.
"""

from __future__ import annotations

from keyword import iskeyword
from typing import NamedTuple

from autoloop.text.suggest import nearest


class Command(NamedTuple):
    module: str
    """In `cli.commands`."""
    line: str
    examples: tuple[str, ...]


GROUPS: dict[str, dict[str, Command]] = {
    "Start": {
        "run": Command(
            "run",
            "Plan a loop of rounds; with --exec, run it.",
            (
                "run --cfgs configs/*.json --steps 2000",
                "run --cfgs base.yaml --grid lr=1e-3,3e-3 --seeds 2 --exec",
                "run --propose optuna --grid lr=1e-4..1e-2 --rounds 6 --exec",
            ),
        ),
        "demo": Command(
            "demo", "Watch three rounds of a small real training.", ("demo", "demo my-demo --rounds 2 --approve auto")
        ),
        "examples": Command("examples", "Print commands to copy, by task.", ("examples", "examples grid")),
        "init": Command(
            "init",
            "Write autoloop.toml for your training command.",
            ("init -- python train.py --lr 1e-3", "init -- 'WANDB_PROJECT=a accelerate launch train.py a.yaml'"),
        ),
        "try": Command(
            "trial",
            "Run a few steps of the trainer and check what reaches it.",
            ("try", "try base.yaml --changes lr@mul=3 --device cpu"),
        ),
        "calibrate": Command(
            "calibrate",
            "Train a config with several seeds to measure their spread.",
            ("calibrate base.yaml --seeds 5 --exec", "calibrate base.yaml --seeds 42,43,44 --steps 3000"),
        ),
        "doctor": Command(
            "doctor",
            "Check everything a run needs, without starting one.",
            ("doctor --cfgs configs/*.json", "doctor --cfgs a.json --rounds 3 --decide --rules mine.toml --json"),
        ),
        "generate": Command(
            "generate",
            "Write variants of a config; with --exec, train them.",
            (
                "generate --base-cfg base.json --changes seed=7 --reason seed",
                "generate --recipe pi-unlock --base-cfg base.json --exec",
            ),
        ),
    },
    "Look": {
        "status": Command("inspect", "Show a loop's round, slots, queue and failures.", ("status", "status --all")),
        "runs": Command("inspect", "List a loop's runs with their key metrics.", ("runs", "runs --round 2 --json")),
        "explain": Command(
            "explain",
            "Explain what a run, slot or round is waiting for.",
            ("explain", "explain h5ktqxph", "explain slot 0"),
        ),
        "agents": Command(
            "agents",
            "Show what each actor did and spent; hold or release agents.",
            ("agents", "agents --hold"),
        ),
        "rules": Command(
            "rules",
            "List the active rules and how often each helped or hurt.",
            ("rules", "rules rules/mine.toml --json"),
        ),
        "noise": Command("calibrate", "Show how much runs differ between seeds.", ("noise", "noise --loop 2 --json")),
        "logs": Command("inspect", "Print a run's log.", ("logs -f", "logs h5ktqxph")),
        "plot": Command(
            "plot",
            "Plot metric curves in the terminal.",
            ("plot", "plot base lr_3e-3 --metric eval_l1 train/loss"),
        ),
        "replay": Command("replay", "Play back a past loop in the console.", ("replay", "replay 3 --speed 300")),
        "wait": Command("inspect", "Wait until a loop ends; exit with its code.", ("wait", "wait --quiet --loop 2")),
        "report": Command(
            "inspect",
            "Rewrite both reports, or write an HTML report to share.",
            ("report --loop loop_1700000000", "report --html night.html"),
        ),
    },
    "Decide": {
        "proposals": Command(
            "proposals", "List the proposals for the next round.", ("proposals", "proposals --round 1 --json")
        ),
        "approve": Command("proposals", "Approve proposals.", ("approve 1 3", 'approve --all --note "go"')),
        "reject": Command("proposals", "Reject proposals.", ('reject 4 --reason "diverged before"', "reject --all")),
        "undo": Command("proposals", "Undo decisions before the round starts.", ("undo", "undo 1 3")),
        "edit": Command(
            "proposals",
            "Replace a proposal's edits.",
            ("edit 2 --changes learning_rate@mul=0.5", "edit 2 --changes seed=7 optimizer.lr=1e-5"),
        ),
        "propose": Command(
            "proposals",
            "Propose a variant of a run for the next round.",
            ('propose h5ktqxph --changes seed=7 --reason "another seed"', "propose h5ktqxph --recipe pi-unlock"),
        ),
        "note": Command(
            "note",
            "Add a note to a run, proposal, round or the loop.",
            ('note h5ktqxph "NaN after the learning rate rose"', 'note proposal 3 "waits for the new data"'),
        ),
        "check": Command(
            "check",
            "Check a variant without proposing it.",
            ("check base --changes lr@mul=2", "check h5ktqxph --changes seed=7"),
        ),
        "start": Command("proposals", "Start the next round with the approved proposals.", ("start", "start --loop 2")),
        "hold": Command("proposals", "Keep the next round from starting automatically.", ("hold", "hold --off")),
    },
    "Act": {
        "stop": Command("control", "Stop a run or the loop; its files are kept.", ("stop", "stop h5ktqxph")),
        "kill": Command("control", "End a run or the loop at once.", ("kill", "kill h5ktqxph")),
        "pause": Command("control", "Start no new run until `resume`.", ("pause", "pause --loop 2")),
        "resume": Command(
            "control",
            "Resume a paused, stopped or orphaned loop.",
            ("resume --max-hours 6", "resume --rules mine.toml"),
        ),
        "rejudge": Command(
            "rejudge",
            "Judge a loop's finished runs again, also by other rules.",
            ("rejudge --rules mine.toml", "rejudge --loop 2 --json"),
        ),
        "retry": Command("control", "Queue a failed or stopped run again.", ("retry h5ktqxph", "retry base --loop 2")),
        "extend": Command(
            "control",
            "Continue an ended run from its last checkpoint.",
            ("extend h5ktqxph --steps 200000", "extend base --steps 10000 --loop 2"),
        ),
        "move": Command("control", "Move a queued run in the queue.", ("move h5ktqxph", "move h5ktqxph --before 7r5j8h63")),
    },
    "Past runs": {
        "backtest": Command(
            "backtest",
            "Replay rules over past runs: stops, savings and costs.",
            ("backtest --rules new.toml --against old.toml", "backtest outputs/train --find-stop eval_l1 --risk 0.2"),
        ),
        "effects": Command(
            "effects",
            "Show the effect of each setting, from pairs of past configs.",
            ("effects", "effects outputs/train --metric eval_l1 --json"),
        ),
        "fetch": Command(
            "fetch",
            "Fetch checkpoints that are still on hosts.",
            ("fetch h5ktqxph", "fetch base --only 'checkpoints/last/*'"),
        ),
        "disk": Command(
            "disk",
            "Show disk usage; move unneeded checkpoints to the trash.",
            ("disk --free", "disk --free --exec --outside /scratch/outputs"),
        ),
    },
    "Tools": {
        "analyze-offline": Command(
            "analyze",
            "Summarise the runs under a folder.",
            ("analyze-offline --outputs-root outputs/train", "analyze-offline --rules mine.toml --json summary.json"),
        ),
        "analyze-wandb": Command(
            "analyze",
            "Summarise the runs of a W&B project.",
            ("analyze-wandb --entity my-team --project my-project", "analyze-wandb --tags ot --max-runs 20 --rules"),
        ),
        "fetch-config": Command(
            "fetch_config",
            "Download the configs of W&B runs.",
            (
                "fetch-config h5ktqxph --entity my-team --project my-project",
                "fetch-config h5ktqxph --out configs --like base.json",
            ),
        ),
        "schema": Command("schema", "Print the JSON Schema of a command's --json output.", ("schema", "schema proposals")),
        "hooks": Command(
            "hooks",
            "List the hooks for events and send a test message.",
            ("hooks", "hooks --test phone", "hooks --show feishu"),
        ),
        "guide": Command("guide", "Print a guide for coding agents.", ("guide",)),
        "mcp": Command("mcp", "Serve this project to a coding agent.", ("mcp",)),
        "themes": Command("themes", "List and check colour themes.", ("themes", "themes --check mine.toml")),
    },
}

COMMANDS = {name: command for group in GROUPS.values() for name, command in group.items()}

SERVING = "serve-console"
"""The command that a console on another machine runs over SSH; users do not need it."""

SCRIPTS = {
    "autorun": "run",
    "generate-and-run": "generate",
    "fetch-wandb-config": "fetch-config",
    "iterate-until-200k": "run --rounds 8 --decide --until worth-200k",
    "common": "analyze-offline",
}
"""The commands that replace the scripts of earlier versions."""


def function(name: str) -> str:
    """Return the location of the command's function, as `module:function`."""
    called = f"{name}_" if iskeyword(name) else name.replace("-", "_")
    return f"autoloop_tui.cli.commands.{COMMANDS[name].module}:{called}"


def examples(name: str) -> str:
    lines = "\n".join(f"  autoloop-tui {words}" for words in COMMANDS[name].examples)
    return f"Examples:\n\n{lines}"


def suggestion(word: str) -> str | None:
    """Return the command probably meant by an unknown word: a misspelt command or the name of a former script."""
    plain = word.rpartition("/")[2].removesuffix(".py").rpartition(".")[2].replace("_", "-").lower()
    if plain in COMMANDS:
        return plain
    if plain in SCRIPTS:
        return SCRIPTS[plain]
    near = nearest(plain, [*COMMANDS, *SCRIPTS])
    return SCRIPTS.get(near, near) if near else None
