"""Launch presets: how a kind of trainer is called, stopped and read, as TOML.

Shipped ones are loaded by name, a person's own by path.
"""

from __future__ import annotations

import difflib
import re
import signal
from collections.abc import Iterable
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal

import msgspec

from autoloop import profiles
from autoloop.files import read_text
from autoloop.model import UserError
from autoloop.regex import compile_regex
from autoloop.toml import TomlError, read_toml

PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
PLACEHOLDERS = frozenset(
    {"python", "config", "output_dir", "steps", "log_freq", "eval_freq", "device", "gpus", "processes"}
    | {"run_id", "name", "group", "entity", "project", "cwd"}
)
"""What `{…}` may name in argv, flags and env; besides, one word of argv is `{script}`."""

OverrideStyle = Literal["dashed-eq", "dashed-space", "hydra", "file-only"]


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

    Named groups: `progress` step, total, and rate (steps/s) or period (s/step); `metrics` step and rest (`name:value`
    tokens); `total` total; `checkpoint` step; `evaluation` step, name, value. `end` marks the end of a complete run.
    `names` maps printed names to the names the trainer gives W&B; others get `prefix`.
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
    """How one kind of trainer is called. `flags` follow `argv` in `override_style`, the extra arguments follow them."""

    name: str
    title: str
    argv: tuple[str, ...]
    script: str = ""
    """Default script, relative to the folder of the launch; what a person names stands before it."""
    module: str = ""
    """Started with `-m` where there is no script."""
    package: Package | None = None
    """The trainer's package, whose version tells whether this preset is the right one."""
    override_style: OverrideStyle
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
    success: str | None = None
    """A run that ends with 0 has succeeded only if a line matches; None: the exit code is enough."""
    failures: tuple[Failure, ...] = ()
    stop: tuple[tuple[str, float], ...] = (("INT", 10.0), ("TERM", 10.0), ("KILL", 0.0))
    straggler_grace: float = 15.0
    finish_grace: float = 300.0
    """Seconds that the trainer may go on (uploads) after it said that its training is complete; then it is stopped, and
    counts as finished."""


def passes(preset: Preset, placeholder: str) -> bool:
    """Whether the command of a run, or its environment, tells the trainer what `{placeholder}` stands for."""
    wanted = f"{{{placeholder}}}"
    return any(wanted in text for text in (*preset.argv, *preset.flags.values(), *preset.env.values()))


def passes_steps(preset: Preset) -> bool:
    """Whether the command of a run tells the number of steps; otherwise the trainer takes it from its config."""
    return passes(preset, "steps")


def preset_names() -> list[str]:
    return sorted(_shipped())


def load_preset(name_or_path: str) -> Preset:
    """A shipped preset by its name, or one from a file (a path has a `/` or ends with `.toml`)."""
    if "/" in name_or_path or name_or_path.endswith(".toml"):
        return parse_preset(read_text(Path(name_or_path), "launch preset"), name_or_path)
    shipped, names = _shipped(), preset_names()
    if name_or_path not in shipped:
        raise UserError(
            f"Unknown launch preset {name_or_path!r}: {_nearest(name_or_path, names)}"
            f"there are {', '.join(names)}; or give the path of a .toml file."
        )
    return parse_preset(shipped[name_or_path].read_text(encoding="utf-8"), f"preset {name_or_path}")


def parse_preset(text: str, source: str) -> Preset:
    try:
        raw = read_toml(text)
    except TomlError as error:
        raise UserError(f"{source} is not valid TOML: {error}.") from error
    try:
        preset = msgspec.convert(raw, Preset)
    except msgspec.ValidationError as error:
        raise UserError(f"{source}: {_in_words(str(error))}.") from error
    for problem in _problems(preset):
        raise UserError(f"{source}: {problem}.")
    return preset


def _release(version: str) -> tuple[int, ...]:
    """`0.6.1.dev3` as (0, 6, 1); an empty one stands before all."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, match[0].split("."))) if match else ()


def _shipped() -> dict[str, Traversable]:
    """The file of each preset by its name: those for any trainer, and those of the profiles."""
    general = (resources.files("autoloop.trainers") / "presets").iterdir()
    files = (file for file in (*general, *profiles.presets()) if file.name.endswith(".toml"))
    return {file.name.removesuffix(".toml"): file for file in files}


def _in_words(message: str) -> str:
    """A validation message with the key first, and the nearest known one if it is unknown."""
    text, _, where = message.partition(" - at ")
    place = where.strip("`").removeprefix("$").removeprefix(".")
    prefix = f"{place}." if place else ""
    if unknown := re.fullmatch(r"Object contains unknown field `(.+)`", text):
        tables = {"": Preset, "wandb": WandbFlags, "console": Console, "resume": Resume, "package": Package}
        owner = tables.get(place, Failure)
        known = list(owner.__struct_fields__)
        return f"unknown key {prefix}{unknown[1]}; {_nearest(unknown[1], known)}known are {', '.join(known)}"
    if missing := re.fullmatch(r"Object missing required field `(.+)`", text):
        return f"the key {prefix}{missing[1]} is missing"
    return f"{place or 'the file'}: {text[:1].lower()}{text[1:]}"


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}? " if near else ""


def _problems(preset: Preset) -> Iterable[str]:
    """What the types cannot say, each in words."""
    if not preset.argv:
        yield "argv is empty, so there is nothing to start"
    templates = {f"argv[{index}]": word for index, word in enumerate(preset.argv) if word != "{script}"}
    tables = {"flags": preset.flags, "env": preset.env}
    tables |= {"wandb.offline": preset.wandb.offline, "wandb.online": preset.wandb.online}
    resume = preset.resume or Resume(checkpoint="")
    tables["resume.flags"] = resume.flags
    for table, entries in tables.items():
        templates |= {f"{table}.{key}": value for key, value in entries.items()}
    for key, template in templates.items():
        for name in set(PLACEHOLDER.findall(template)) - PLACEHOLDERS:
            near = _nearest(name, [*sorted(PLACEHOLDERS), "script"])
            known = ", ".join(sorted(PLACEHOLDERS))
            yield f"{key} has the placeholder {{{name}}}; {near}known are {known}, and {{script}} as a word of argv"
    for name in set(PLACEHOLDER.findall(resume.checkpoint)) - {"output_dir"}:
        yield f"resume.checkpoint has the placeholder {{{name}}}; the only one it may have is {{output_dir}}"
    if preset.override_style == "file-only" and any(tables[name] for name in tables if name != "env"):
        yield "override_style is file-only, so flags and wandb must be empty, and resume.flags too; put the words into argv"
    patterns = {f"console.{key}": getattr(preset.console, key) for key in ("progress", "metrics", "total", "end")}
    patterns |= {f"console.{key}": getattr(preset.console, key) for key in ("checkpoint", "evaluation")}
    patterns |= {f"failures[{index}].pattern": failure.pattern for index, failure in enumerate(preset.failures)}
    for key, pattern in {"success": preset.success or "", **patterns}.items():
        try:
            names = compile_regex(pattern).names
        except UserError as error:
            yield f"{key} is not a usable regular expression: {error}"
            continue
        if pattern and (lacking := sorted(GROUPS.get(key.removeprefix("console."), frozenset()) - names)):
            groups = " and ".join(f"(?P<{name}>...)" for name in lacking)
            yield f"{key} lacks the group {groups}: put it round what the pattern is to find there"
    for index, failure in enumerate(preset.failures):
        if failure.cause is None and failure.text is None:
            yield f"failures[{index}] needs a cause (an id of the diagnosis table) or a text"
    for name, grace in preset.stop:
        if not hasattr(signal, f"SIG{name}") or grace < 0:
            yield f'stop holds {[name, grace]}; a step is a signal such as "TERM" and its grace in seconds'
    if not passes(preset, "config"):
        yield (
            "no {config} stands in argv, flags or env, so no config would reach the trainer and all runs would be the same; "
            'add it, as in config = "{config}" under [flags]'
        )
