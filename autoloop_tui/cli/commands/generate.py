"""`generate`: write variants of one config as files; with --exec, train them as a loop."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from autoloop.configs import diff, edits_from_mapping, parse_config
from autoloop.engine.planning.config_files import SourceConfig, read_source, sources_of
from autoloop.engine.planning.variant_policies import project_policy, store_of
from autoloop.model import LoopSpec, UserError
from autoloop.settings import load_settings
from autoloop.text.changes import change_text
from autoloop.text.names import safe_name
from autoloop.trainers import load_preset
from autoloop.variants.axes import parse_grid
from autoloop.variants.check import CheckedVariant, check
from autoloop.variants.files import WrittenVariant, load_recipe, write_variant
from autoloop.variants.grids import points
from autoloop.variants.policy import VariantPolicy
from autoloop.variants.request import VariantRequest
from cyclopts import Parameter, Token

from autoloop_tui.cli import run_flags
from autoloop_tui.cli.options import (
    NO_GRID,
    NO_LAUNCH_FLAGS,
    GridFlags,
    GridOptions,
    LaunchFlags,
    LaunchOptions,
    RunOptions,
    loop_spec,
)
from autoloop_tui.cli.output import printing
from autoloop_tui.cli.start_loop import start_loop

REASON = "variant"
"""The reason of a variant for which none is given."""


def _groups(_: Any, tokens: Sequence[Token]) -> list[list[str]]:
    """Group the words by --changes flag: cyclopts numbers the words of each occurrence from 0."""
    groups: list[list[str]] = []
    for token in tokens:
        if token.index == 0:
            groups.append([])
        groups[-1].append(token.value)
    return groups


Groups = Parameter(consume_multiple=True, converter=_groups, n_tokens=-1)


def generate(
    *,
    base_cfg: str | None = None,
    changes: Annotated[list[list[str]] | None, Groups] = None,
    reason: list[str] | None = None,
    recipe: str | None = None,
    out_dir: str | None = None,
    grid: GridFlags = NO_GRID,
    options: LaunchFlags = NO_LAUNCH_FLAGS,
) -> int:
    """Write variants of a config; with --exec, train them as one loop.

    Prints `Wrote variant: PATH (REASON)` and the changes for each variant, then the command that trains them. The same edits
    of the same config always give the same file name; no other file is overwritten. On any error nothing is written.

    Parameters
    ----------
    base_cfg
        The base config (a JSON, YAML or TOML file). By default the base named by the recipe, else the one in [trainer].
    changes
        The edits of one variant: path@op=value (set, new, mul, add, min, max), path@del, or JSON, '{"path@op": value}'.
        Repeat the flag for more variants.
    reason
        The reason: one for all variants, or one per --changes.
    recipe
        Take the variants from a recipe instead of --changes: a built-in name (pi-unlock) or a .toml file.
    out_dir
        The output folder; by default that of the base config.
    """
    cwd = Path.cwd()
    settings = load_settings(cwd)
    extra = run_flags.trainer_arguments(options.extra or [])
    launch = dataclasses.asdict(options) | {"extra": extra}
    in_grid = bool(grid.grid or grid.seeds)
    if in_grid and (changes or reason or recipe):
        raise UserError("--grid and --seeds define the variants; omit --changes, --reason and --recipe.")
    base, asked = (base_cfg, []) if in_grid else _what_is_asked(base_cfg, changes, reason, recipe)
    named = in_grid or bool(reason) or recipe is not None
    given = _base(loop_spec(RunOptions(cfgs=[base] if base else None, **launch), cwd, settings))
    config = given.config
    by_hash: dict[str, str] = {}
    with store_of(cwd) as store:
        policy = project_policy(
            cwd,
            settings,
            store,
            preset=options.preset,
            script=options.train_script,
            steps=options.steps,
            extra=extra,
        )
        variants = [check(config, each, policy, given.suffix) for each in asked]
    if in_grid:
        asked, variants = _grid(given, grid, policy)
    for each, variant in zip(asked, variants, strict=True):
        if variant.blocked:
            raise UserError(f"Nothing was written because of {_called(each, asked, named=named)}: {variant.blocked}")
        if variant.hash in by_hash:
            called = _called(each, asked, named=named)
            raise UserError(f"{called} is the same training as {by_hash[variant.hash]}; omit one.")
        by_hash[variant.hash] = _called(each, asked, named=named)

    folder = Path(out_dir).expanduser() if out_dir is not None else Path(base).expanduser().parent if base else Path()
    files: list[WrittenVariant] = []
    accepted = False

    def accept() -> None:
        nonlocal accepted
        accepted = True
        print("\n\n".join(_text(*each) for each in zip(asked, variants, files, strict=True)))

    try:
        for each, variant in zip(asked, variants, strict=True):
            point = safe_name(each.reason) if in_grid else None
            files.append(write_variant(folder, given.name, given.text, variant, given.suffix, named=point))
        paths = [str(file.path) for file in files]
        if options.exec_:
            name = asked[0].reason if len(asked) == 1 else None
            spec = loop_spec(RunOptions(cfgs=paths, name=name, **launch), cwd, settings)
            return start_loop(spec, settings, options, on_accepted=accept)
    except UserError:
        for file in files:
            if file.new and not accepted:
                file.path.unlink(missing_ok=True)
        raise
    accept()
    command = ["autoloop-tui", "run", "--cfgs", *paths, *_flags(options), "--exec"]
    print(f"\nTrain {'it' if len(variants) == 1 else 'them'}: {printing.printable(shlex.join(command + _trainer(extra)))}")
    print("Without --exec this shows the trainer's own command.")
    return 0


def _base(spec: LoopSpec) -> SourceConfig:
    """Return the config to start from: the named one, else the base of the preset."""
    preset = load_preset(spec.preset)
    try:
        (source,) = sources_of(spec, preset)
    except UserError:
        raise UserError("No base config: name one with --base-cfg.") from None
    return read_source(source, spec, preset, None)


def _grid(
    given: SourceConfig, grid: GridOptions, policy: VariantPolicy
) -> tuple[list[VariantRequest], list[CheckedVariant]]:
    """Return the points of the grid as variants; their names are the reasons."""
    parsed = parse_grid(grid.grid or [], grid.seeds, zipped=grid.zip)
    asked, variants = [], []
    for point in points(given.config, parsed, policy, seed=policy.seed, suffix=given.suffix):
        asked.append(VariantRequest(reason=point.name, edits=[]))
        changes = diff(given.config, point.config)
        variants.append(CheckedVariant(point.config, changes, policy.hash(point.config)))
    return asked, variants


def _what_is_asked(
    base: str | None, changes: list[list[str]] | None, reasons: list[str] | None, recipe: str | None
) -> tuple[str | None, list[VariantRequest]]:
    """Return the base and its variants, from the recipe or the flags. UserError names the flag."""
    if recipe is not None:
        if changes or reasons:
            raise UserError("A recipe defines the changes and reasons; omit --changes and --reason.")
        read = load_recipe(recipe)
        if base is None and read.base is None:
            raise UserError(f"The recipe {read.name} names no base; name a config with --base-cfg.")
        return base or read.base, read.variants
    groups = [_edits(words) for words in changes or []]
    if not groups or not all(groups):
        raise UserError("Nothing to change: give --changes path@op=value …, or --recipe.")
    reasons = reasons or [REASON]
    if len(reasons) not in (1, len(groups)):
        raise UserError(f"{len(reasons)} --reason for {len(groups)} --changes: give one for all, or one per --changes.")
    reasons = reasons * len(groups) if len(reasons) == 1 else reasons
    return base, [VariantRequest(reason=r, edits=e) for r, e in zip(reasons, groups, strict=True)]


def _edits(words: list[str]) -> list[str]:
    """Return the edits of one --changes flag; JSON objects are split into edits."""
    edits: list[str] = []
    for word in words:
        as_json = word.lstrip().startswith("{")
        edits += edits_from_mapping(parse_config(word, "--changes")) if as_json else [word]
    return edits


def _called(each: VariantRequest, asked: list[VariantRequest], *, named: bool) -> str:
    """Return a label such as `variant 2 (reason)`; `named`: whether a reason was given."""
    number = next(number for number, other in enumerate(asked, 1) if other is each)
    name = f"variant {number}" if len(asked) > 1 else "the variant"
    return f"{name} ({each.reason})" if named else name


def _text(asked: VariantRequest, variant: CheckedVariant, file: WrittenVariant) -> str:
    changes = variant.changes
    wide = max((printing.width(change.path) for change in changes), default=0)
    # Users' scripts parse this line.
    lines = [f"Wrote variant: {file.path} ({asked.reason})"]
    lines += [f"    {printing.pad(change.path, wide)}  {change_text(change)}" for change in changes]
    noted = {change.note for change in changes}
    lines += [f"    note: {note}" for note in variant.notes if note not in noted]
    if not file.new:
        lines.append("    note: the file already existed with this content")
    return "\n".join(printing.printable(line) for line in lines)


def _flags(options: LaunchOptions) -> list[str]:
    """Return the equivalent flags of `run`, without those at their default."""
    words: list[str] = []
    for field in dataclasses.fields(options):
        name, value = field.name, getattr(options, field.name)
        if name in ("exec_", "extra", "no_ui", "detach") or (value == field.default and name != "steps"):
            continue
        words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return words


def _trainer(extra: list[str]) -> list[str]:
    return ["--extra", *extra] if extra else []
