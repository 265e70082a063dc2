"""Launch presets: how a kind of trainer is called, stopped and read. `loading` reads them, `faults` tells what is wrong."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from autoloop.model import Config

PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
PLACEHOLDERS = frozenset(
    {"python", "config", "config_dir", "config_name", "output_dir", "steps", "log_freq", "eval_freq", "device", "gpus"}
    | {"processes", "run_id", "name", "group", "entity", "project", "cwd"}
)
"""What `{…}` may name in argv, flags and env; besides, one word of argv is `{script}`."""
CONFIG_PLACEHOLDERS = ("config", "config_name")
"""Those that name the file of a run's config."""
DUMP_PLACEHOLDERS = frozenset({"python", "config", "config_dir", "config_name", "device", "cwd"})
"""What `{…}` may name in `dump`, which no run belongs to; and `{script}`."""

OverrideStyle = Literal["dashed-eq", "dashed-space", "hydra", "key-value", "file-only"]


class Failure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line that means the run failed although the command may have ended with 0.

    `cause` is an id of the diagnosis table; or `text` and `advice` say it in words. `device`: only on that device.
    """

    pattern: str
    cause: str | None = None
    text: str | None = None
    advice: str = ""
    device: str | None = None


class WandbFlags(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Flags per W&B mode. Left out whole when the extra arguments give one of `unless`."""

    unless: tuple[str, ...] = ()
    offline: dict[str, str] = {}
    online: dict[str, str] = {}


class Resume(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a run goes on from its last checkpoint, in the same output directory.

    `checkpoint` is a path below `{output_dir}` that must be there. `flags` are added, and replace what argv, flags and
    the extra arguments give for the same keys; the keys of `without` are left out, whoever gives them.
    """

    checkpoint: str
    flags: dict[str, str] = {}
    without: tuple[str, ...] = ()


class Console(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the console log is read: regular expressions, searched anywhere in a line; an empty one looks for nothing.

    What none of them reads is read as the output of any trainer. Named groups: `progress` step, total, and rate
    (steps/s) or period (s/step); `metrics` step and rest (`name:value` or the like); `total` total; `checkpoint` step;
    `evaluation` step, name, value. `end` marks the end of a complete run. `names` maps printed names to the names the
    trainer gives W&B; others get `prefix`.
    """

    progress: str = ""
    metrics: str = ""
    total: str = ""
    checkpoint: str = ""
    evaluation: str = ""
    end: str = ""
    prefix: str = ""
    names: dict[str, str] = {}


GROUPS: dict[str, frozenset[str]] = {
    "progress": frozenset({"step", "total"}),
    "metrics": frozenset({"step", "rest"}),
    "total": frozenset({"total"}),
    "checkpoint": frozenset({"step"}),
    "evaluation": frozenset({"step", "name", "value"}),
    "end": frozenset(),
}
"""The named groups without which a console pattern finds nothing."""


class Package(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The versions of the trainer's package that a preset is made for: `since` <= version < `before`."""

    name: str
    since: str = ""
    before: str = ""
    otherwise: str = ""
    """The preset for the other versions."""

    def fits(self, version: str) -> bool:
        found = _release(version)
        return _release(self.since) <= found and (not self.before or found < _release(self.before))

    @property
    def words(self) -> str:
        return f"from {self.since}" if self.since else f"before {self.before}"


class Preset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one kind of trainer is called. `flags` follow `argv` in `override_style`, then what the config gives as
    overrides, then the extra arguments."""

    argv: tuple[str, ...]
    """In a file `command` may stand for it, one text that is split as a shell does."""
    name: str = "trainer"
    title: str = ""
    script: str = ""
    """Default script, relative to the folder of the launch; what a user names stands before it."""
    module: str = ""
    """Started with `-m` where there is no script."""
    identity: str | None = None
    """What tells its trainings with its own script from those of other trainers that have the same config. None: argv,
    flags and environment, so that a change of these makes another training; empty: nothing."""
    package: Package | None = None
    """The trainer's package, whose version tells whether this preset is the right one."""
    config: Literal["file", "overrides", "both"] = "file"
    """How a run's config reaches the trainer: as the file {config}, as one override a value, or both."""
    overrides: Literal["all", "changed"] | None = None
    """Which values are given as overrides: all of the config's, or those that differ from the base. None: those that
    differ where `dump` says what the trainer has without them, else all."""
    override_style: OverrideStyle = "dashed-eq"
    """In a file also `style`. How keys and values are written: `--a.b=1`, `--a.b 1`, Hydra's grammar, `a.b=1`, or not."""
    case: Literal["as-is", "kebab"] = "as-is"
    """kebab: `batch_size` is given as `batch-size`."""
    values: Literal["json", "python"] = "json"
    """How values are spelt: `true`, `null`, or `True`, `None`. Hydra's are spelt as Hydra wants them."""
    lists: Literal["value", "words"] = "value"
    """A list as one value (`--a=[1, 2]`), or as words of its own (`--a 1 2`, for argparse's nargs)."""
    switches: bool = False
    """A true is given as `--a`, a false as `--no-a`: argparse's BooleanOptionalAction, tyro, click."""
    null: str | None = None
    """What is given for a null. None: what `values` says for a null that an edit made, and nothing for one of the base."""
    base: str | Config | None = None
    """The config of a run for which none is given: a file relative to the project, or its values."""
    dump: tuple[str, ...] = ()
    """The command that prints the whole config, as YAML or JSON, that the trainer would use."""
    seed: str = ""
    """The path in the config of the seed; without it the one key that is called seed."""
    steps: str = ""
    """The path in the config of the number of steps, for a trainer that gets no {steps}."""
    step: str = ""
    """The metric that is the trainer's step axis."""
    processes: int = 1
    """The processes of a run on the CPU; on GPUs it has as many as it has GPUs."""
    flags: dict[str, str] = {}
    reserved: tuple[str, ...] = ()
    """Keys that the extra arguments may not give, because the tool would lose sight of the run."""
    wandb: WandbFlags = WandbFlags()
    env: dict[str, str] = {}
    unset: tuple[str, ...] = ()
    python_path: tuple[str, ...] = ("src",)
    """Folders below the folder of the launch that go before PYTHONPATH where they exist."""
    output_dir: Literal["must-not-exist", "may-exist", "must-exist"] = "must-not-exist"
    """What the trainer asks of its output directory, a new path for every attempt. Made only for `must-exist`."""
    console: Console = Console()
    resume: Resume | None = None
    """None: a run of this trainer cannot be extended."""
    checkpoints: tuple[str, ...] = ()
    """The checkpoints that a run leaves, files or folders: paths below its output directory, with `*`, `?`, `[…]`, and `**`
    for any number of folders. Only what these match is ever thrown away (`[keep]` of autoloop.toml)."""
    success: str | None = None
    """A run that ends with 0 has succeeded only if a line matches; None: the exit code is enough."""
    failures: tuple[Failure, ...] = ()
    stop: tuple[tuple[str, float], ...] = (("INT", 10.0), ("TERM", 10.0), ("KILL", 0.0))
    straggler_grace: float = 15.0
    finish_grace: float = 300.0
    """Seconds that the trainer may go on (uploads) after it said that its training is complete; then it is stopped, and
    counts as finished."""

    @property
    def passes_changes_only(self) -> bool:
        """Whether only those values of the config become overrides that differ from the base."""
        return self.config != "file" and (self.overrides or ("changed" if self.dump else "all")) == "changed"

    @property
    def dumps_a_file(self) -> bool:
        """Whether `dump` prints the whole of a config file that it is given."""
        return any(f"{{{name}}}" in word for word in self.dump for name in CONFIG_PLACEHOLDERS)


def passes(preset: Preset, placeholder: str) -> bool:
    """Whether the command of a run, or its environment, tells the trainer what `{placeholder}` stands for."""
    wanted = f"{{{placeholder}}}"
    return any(wanted in text for text in (*preset.argv, *preset.flags.values(), *preset.env.values()))


def passes_steps(preset: Preset) -> bool:
    """Whether the command of a run tells the number of steps; otherwise the trainer takes it from its config."""
    return passes(preset, "steps")


def passes_config(preset: Preset) -> bool:
    """Whether the command of a run, or its environment, names the file of its config."""
    return any(passes(preset, name) for name in CONFIG_PLACEHOLDERS)


def _release(version: str) -> tuple[int, ...]:
    """`0.6.1.dev3` as (0, 6, 1); an empty one stands before all."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, match[0].split("."))) if match else ()
