"""Finds faults of a preset that its types do not rule out, each as text for users."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator

from autoloop.model import UserError
from autoloop.regex import compile_regex
from autoloop.text.suggest import did_you_mean
from autoloop.trainers.presets import (
    DUMP_PLACEHOLDERS,
    GROUPS,
    PLACEHOLDER,
    PLACEHOLDERS,
    Preset,
    Resume,
    passes_config,
)


def faults(preset: Preset) -> Iterator[str]:
    """Yield the reasons why a preset cannot be used; none for a valid preset."""
    if not preset.argv:
        yield "command is empty, so there is nothing to start"
    yield from _placeholders(preset)
    yield from _config(preset)
    yield from _patterns(preset)
    for index, failure in enumerate(preset.failures):
        if failure.cause is None and failure.text is None:
            yield f"failures[{index}] needs a cause (an id of the diagnosis table) or a text"
    for name, grace in preset.stop:
        if not hasattr(signal, f"SIG{name}") or grace < 0:
            yield f'stop holds {[name, grace]}; a step is a signal such as "TERM" and its grace in seconds'
    for pattern in preset.checkpoints:
        parts = pattern.split("/")
        if not all(parts) or ".." in parts or not parts[-1].strip("*?") or PLACEHOLDER.search(pattern):
            yield f'checkpoints holds "{pattern}"; write a path below the output directory whose last part has a name'
    if not 1 <= preset.processes <= 1024:
        yield f"processes is {preset.processes}; give how many processes a run has on the CPU, 1 or more"


def _placeholders(preset: Preset) -> Iterator[str]:
    templates = {f"command[{index}]": word for index, word in enumerate(preset.argv) if word != "{script}"}
    resume = preset.resume or Resume(checkpoint="")
    tables = {"flags": preset.flags, "env": preset.env, "resume.flags": resume.flags}
    tables |= {"wandb.offline": preset.wandb.offline, "wandb.online": preset.wandb.online}
    for table, entries in tables.items():
        templates |= {f"{table}.{key}": value for key, value in entries.items()}
    for key, template in templates.items():
        yield from _unknown(key, template, PLACEHOLDERS, ", and {script} as a word of command")
    for index, word in enumerate(preset.dump):
        if word != "{script}":
            yield from _unknown(f"dump[{index}]", word, DUMP_PLACEHOLDERS, ", and {script} as a word")
    for name in set(PLACEHOLDER.findall(resume.checkpoint)) - {"output_dir"}:
        yield f"resume.checkpoint has the placeholder {{{name}}}; the only one it may have is {{output_dir}}"
    if preset.override_style == "file-only" and any(tables[name] for name in tables if name != "env"):
        yield "style is file-only, so flags and wandb must be empty, and resume.flags too; put the words into command"


def _unknown(key: str, template: str, allowed: Iterable[str], more: str) -> Iterator[str]:
    known = sorted(allowed)
    for name in sorted(set(PLACEHOLDER.findall(template)) - set(known)):
        near = _hint(name, [*known, "script"])
        yield f"{key} has the placeholder {{{name}}}; {near}known are {', '.join(known)}{more}"


def _config(preset: Preset) -> Iterator[str]:
    """Yield the reasons why a config, and thus every edit of it, would not reach the trainer."""
    if preset.config in ("file", "both") and not passes_config(preset):
        yield (
            "{config} does not occur in command, flags or env, so no config would reach the trainer and all runs would be "
            'the same; add it, as in config = "{config}" under [flags], or set config = "overrides" if the trainer takes '
            "its values from the command line"
        )
    if preset.config in ("overrides", "both") and preset.override_style == "file-only":
        yield (
            f'config = "{preset.config}" passes values on the command line, but style = "file-only" passes none; choose '
            "another style"
        )
    if preset.config == "file" and preset.overrides is not None:
        yield 'overrides selects values for the command line, but config = "file" passes none; set config = "overrides"'
    if preset.overrides == "changed" and preset.base is None and not preset.dump:
        yield 'overrides = "changed" needs to know what values are changed from: add base or dump'
    if preset.dump and preset.base is not None and not preset.dumps_a_file:
        yield "dump has no {config}, so it would not look at base; omit one of them"
    if isinstance(preset.base, dict) and preset.dumps_a_file:
        yield "dump reads the file {config}, and base is a table; give base as the path of a file"


def _patterns(preset: Preset) -> Iterator[str]:
    patterns = {"success": preset.success or ""}
    patterns |= {f"console.{key}": getattr(preset.console, key) for key in GROUPS}
    patterns |= {f"failures[{index}].pattern": failure.pattern for index, failure in enumerate(preset.failures)}
    for key, pattern in patterns.items():
        try:
            names = compile_regex(pattern).names
        except UserError as error:
            yield f"{key} is not a usable regular expression: {error}"
            continue
        if pattern and (lacking := sorted(GROUPS.get(key.removeprefix("console."), frozenset()) - names)):
            groups = " and ".join(f"(?P<{name}>...)" for name in lacking)
            yield f"{key} lacks the group {groups}: put it around the part of the pattern that matches the value"


def _hint(word: str, known: Iterable[str]) -> str:
    near = did_you_mean(word, known)
    return f"{near} " if near else ""
