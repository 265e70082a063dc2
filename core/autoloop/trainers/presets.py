"""Launch presets: how to start, stop and read a kind of trainer. `loading` loads them, `faults` validates them."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal

import msgspec

from autoloop.model import Config

PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
PLACEHOLDERS = frozenset(
    {"python", "config", "config_dir", "config_name", "output_dir", "steps", "log_freq", "eval_freq", "device", "gpus"}
    | {"processes", "run_id", "name", "group", "entity", "project", "cwd", "seed"}
)
"""Placeholders `{…}` allowed in argv, flags and env; argv may also have `{script}` as a word."""
CONFIG_PLACEHOLDERS = ("config", "config_name")
"""The placeholders that name a run's config file."""
DUMP_PLACEHOLDERS = frozenset({"python", "config", "config_dir", "config_name", "device", "cwd"})
"""Placeholders allowed in `dump`, which does not belong to a run; `{script}` is allowed too."""

OverrideStyle = Literal["dashed-eq", "dashed-space", "hydra", "key-value", "file-only"]


class Failure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A log line that means the run failed although the command may have exited with 0.

    `cause` is an id of the diagnosis table; alternatively, `text` and `advice` describe it. `device`: only on that device.
    """

    pattern: str
    cause: str | None = None
    text: str | None = None
    advice: str = ""
    device: str | None = None


class WandbFlags(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Flags per W&B mode. All are omitted if the extra arguments set one of `unless`."""

    unless: tuple[str, ...] = ()
    offline: dict[str, str] = {}
    online: dict[str, str] = {}


class Resume(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a run resumes from its last checkpoint, in the same output directory.

    `checkpoint` is a path below `{output_dir}` that must exist. `flags` are added and replace the same keys in argv, flags
    and the extra arguments; the keys in `without` are removed from all of these.
    """

    checkpoint: str
    flags: dict[str, str] = {}
    without: tuple[str, ...] = ()


class Console(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to read the console log: regular expressions, searched anywhere in a line; an empty one matches nothing.

    Lines that none of them matches are read as the output of any trainer. Named groups: `progress` step, total, and rate
    (steps/s) or period (s/step); `metrics` step and rest (`name:value` or similar); `total` total; `checkpoint` step;
    `evaluation` step, name, value. `end` marks the end of a complete run. `names` maps printed names to the trainer's
    names in W&B; others get `prefix`.
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
"""The named groups that each console pattern requires."""


class Package(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The versions of the trainer's package that a preset supports: `since` <= version < `before`."""

    name: str
    since: str = ""
    before: str = ""
    otherwise: str = ""
    """The preset to use for other versions."""

    def fits(self, version: str) -> bool:
        found = _release(version)
        return _release(self.since) <= found and (not self.before or found < _release(self.before))

    @property
    def words(self) -> str:
        return f"from {self.since}" if self.since else f"before {self.before}"


class Preset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to call one kind of trainer. After `argv` come `flags` in `override_style`, then the config's overrides, then the
    extra arguments."""

    argv: tuple[str, ...]
    """In files also `command`, a string that is split into words as a shell does."""
    name: str = "trainer"
    title: str = ""
    script: str = ""
    """Default script, relative to the working folder; a script named by the user takes precedence."""
    module: str = ""
    """Started with `-m` if there is no script."""
    identity: str | None = None
    """Distinguishes trainings with its own script from those of other trainers with the same config. None: derived from
    argv, flags and environment, so a change of these makes another training; empty: no distinction."""
    package: Package | None = None
    """The trainer's package; its version shows whether this preset fits."""
    config: Literal["file", "overrides", "both"] = "file"
    """How a run's config reaches the trainer: as the file {config}, as one override per value, or both."""
    overrides: Literal["all", "changed"] | None = None
    """Which values are passed as overrides: all values of the config, or those that differ from the base. None: those that
    differ if `dump` provides the trainer's own values, else all."""
    override_style: OverrideStyle = "dashed-eq"
    """In files also `style`. The format of keys and values: `--a.b=1`, `--a.b 1`, Hydra's grammar, `a.b=1`, or none."""
    case: Literal["as-is", "kebab"] = "as-is"
    """kebab: `batch_size` is passed as `batch-size`."""
    values: Literal["json", "python"] = "json"
    """The format of values: `true`, `null`, or `True`, `None`. Hydra has its own format."""
    lists: Literal["value", "words"] = "value"
    """Whether a list is one value (`--a=[1, 2]`) or separate words (`--a 1 2`, for argparse's nargs)."""
    switches: bool = False
    """True is passed as `--a`, false as `--no-a`: argparse's BooleanOptionalAction, tyro, click."""
    null: str | None = None
    """The word for null. None: the format of `values` for a null from an edit, and nothing for a null in the base."""
    base: str | Config | None = None
    """The default config of runs: a file relative to the project, or the values."""
    dump: tuple[str, ...] = ()
    """The command that prints the complete config that the trainer would use, as YAML or JSON."""
    seed: str = ""
    """The path of the seed in the config; if empty, the only key named seed."""
    steps: str = ""
    """The path of the number of steps in the config, for a trainer without {steps}."""
    step: str = ""
    """The metric that is the trainer's step axis."""
    processes: int = 1
    """The number of processes of a run on the CPU; on GPUs, a run has one per GPU."""
    flags: dict[str, str] = {}
    reserved: tuple[str, ...] = ()
    """Keys that the extra arguments may not set, because Auto Loop would lose track of the run."""
    wandb: WandbFlags = WandbFlags()
    env: dict[str, str] = {}
    unset: tuple[str, ...] = ()
    python_path: tuple[str, ...] = ("src",)
    """Folders below the working folder that are prepended to PYTHONPATH if they exist."""
    output_dir: Literal["must-not-exist", "may-exist", "must-exist"] = "must-not-exist"
    """The trainer's requirement for its output directory, a new path for every attempt. Created only for `must-exist`."""
    console: Console = Console()
    resume: Resume | None = None
    """None: a run of this trainer cannot be extended."""
    checkpoints: tuple[str, ...] = ()
    """The checkpoints of a run, files or folders: paths below its output directory, with `*`, `?`, `[…]`, and `**` for any
    number of folders. `[keep]` of autoloop.toml deletes only paths that match these."""
    success: str | None = None
    """A run that exits with 0 has succeeded only if a log line matches; None: the exit code is sufficient."""
    failures: tuple[Failure, ...] = ()
    stop: tuple[tuple[str, float], ...] = (("INT", 10.0), ("TERM", 10.0), ("KILL", 0.0))
    straggler_grace: float = 15.0
    finish_grace: float = 300.0
    """Seconds that the trainer may continue (uploads) after it has printed that its training is complete; then it is stopped
    and counts as finished."""

    @property
    def passes_changes_only(self) -> bool:
        """Whether only values that differ from the base are passed as overrides."""
        return self.config != "file" and (self.overrides or ("changed" if self.dump else "all")) == "changed"

    @property
    def dumps_a_file(self) -> bool:
        """Whether `dump` takes a config file and prints the complete config for it."""
        return any(f"{{{name}}}" in word for word in self.dump for name in CONFIG_PLACEHOLDERS)


def passes(preset: Preset, placeholder: str) -> bool:
    """Whether the command or the environment of a run contains `{placeholder}`."""
    wanted = f"{{{placeholder}}}"
    return any(wanted in text for text in (*preset.argv, *preset.flags.values(), *preset.env.values()))


def passes_steps(preset: Preset) -> bool:
    """Whether the command of a run passes the number of steps; otherwise the trainer reads it from its config."""
    return passes(preset, "steps")


def passes_seed(preset: Preset, given: Collection[str] = ()) -> bool:
    """Whether the command or the environment of a run, or of its continuation, contains `{seed}`. `given`: the keys of flags
    that extra arguments replace."""
    flags = [template for key, template in preset.flags.items() if key not in given]
    resume = preset.resume.flags.values() if preset.resume else ()
    return any("{seed}" in text for text in (*preset.argv, *flags, *preset.env.values(), *resume))


def passes_config(preset: Preset) -> bool:
    """Whether the command or the environment of a run names its config file."""
    return any(passes(preset, name) for name in CONFIG_PLACEHOLDERS)


def _release(version: str) -> tuple[int, ...]:
    """Parse `0.6.1.dev3` as (0, 6, 1); an empty version sorts first."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, match[0].split("."))) if match else ()
