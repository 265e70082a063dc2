"""Write a `[trainer]` table for a command without a preset: each argument goes to the command, the base or the flags."""

from __future__ import annotations

import copy
import os
import re
import sys

from autoloop.adoption.arguments import Argument, named, spelt_in_python, value_of
from autoloop.adoption.config_file import config_file, leaf_values
from autoloop.adoption.draft import Draft, put
from autoloop.adoption.known import known, plain
from autoloop.adoption.roles import assign_roles, seed_key
from autoloop.adoption.script import constants_of
from autoloop.adoption.styles import style_of, without_sweep
from autoloop.configs import Config, dump_config, parse_config, rewrite
from autoloop.model import UserError
from autoloop.secrets.names import is_secret
from autoloop.trainers import Preset
from autoloop.trainers.dump import dumped

_DEVICE = re.compile(r"cpu|gpu|cuda(:\d+)?")
_FILE_WITHIN = re.compile(r".*\.(pt|pth|ckpt|safetensors|json|jsonl|csv|txt|log|pkl|h5|bin|npz)")


def fill_table(draft: Draft) -> None:
    """Fill in the draft's table, words, flags and base."""
    Table(draft).fill()


class Table:
    """The conversion of one command into a table."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.trainer = draft.trainer
        self.config = config_file(draft)
        self.style = style_of(draft, self.config.argument if self.config else None)
        if self.style == "hydra":
            without_sweep(draft)
        self.as_flags = bool(self.config and self.trainer and self.trainer.file_as_flags and self._alone())
        """Whether the config file's values are passed as flags, because the trainer takes no flags together with a file."""
        self.in_file = self.config is not None and not self.config.is_python and not self.as_flags
        """Whether the config is passed to the trainer as a file."""
        self.python = (self.trainer is not None and self.trainer.values == "python") or spelt_in_python(draft.arguments)
        self.folded: Config = copy.deepcopy(self.config.config) if self.config else {}
        self.has_output = False

    def fill(self) -> None:
        draft = self.draft
        self._begin()
        for argument in draft.arguments:
            self._place(argument)
        self._defaults()
        self._seed()
        if self.trainer:
            for key, template in self.trainer.flags.items():
                self._add(key, template)
        if not self.in_file and not self.as_flags and self._dumped():
            pass
        elif self.in_file or self.as_flags:
            self._finish_file()
        else:
            self._finish_base()
        self._output()
        assign_roles(draft, self._values(), in_file=self.in_file)
        self._launch()

    # -------------------------------------------------------------------------------------------------------- setup

    def _alone(self) -> bool:
        return all(each is (self.config.argument if self.config else None) for each in self.draft.arguments)

    def _begin(self) -> None:
        draft, config = self.draft, self.config
        draft.table["config"] = "file" if self.in_file else "overrides"
        if self.trainer and self.trainer.constants:
            for key, value in draft.script.constants.items():
                put(draft.base, key, value)
            if config and config.is_python:
                for key, value in constants_of(draft.cwd / config.path).items():
                    put(draft.base, key, value)
        elif config and config.is_python:
            draft.say("config", f"{config.path} is a Python file, which edits cannot change; it is passed unchanged")
        if self.in_file and config and config.argument is None:
            draft.words += self._spelt(config.flag, "{config}")

    # ------------------------------------------------------------------------------------------------- one argument

    def _place(self, each: Argument) -> None:
        draft = self.draft
        if self.config and each is self.config.argument:
            if not self.as_flags:
                draft.words += [w.replace(self.config.path, "{config}") for w in each.words] if self.in_file else each.words
            return
        if is_secret(each.key, each.text):
            draft.say("left out", f"{each.key}: a secret is not written to a file; pass it in an environment variable")
            return
        if self.trainer and each.key in self.trainer.flags:
            draft.say("left out", f"{' '.join(each.words)}: it is set for each run")
            return
        key = (self.trainer.renames.get(each.key) if self.trainer else None) or each.key
        if each.texts and self._is_output(key):
            self._keep(each, key, self._within(each.text))
            self.has_output = True
            draft.say("output", f"{key} becomes a separate folder for each run instead of {each.text}")
        elif each.texts and _DEVICE.fullmatch(each.text) and named(key, known().names.device):
            self._keep(each, key, "{device}")
            draft.on_cpu |= each.text == "cpu"
            draft.say("device", f"{key} becomes cuda or cpu, as set by --device ({each.text} in the command)")
        elif not self._take(each, key):
            draft.words += each.words
            draft.on_cpu |= each.kind == "switch" and plain(each.key) in ("no_cuda", "cpu", "use_cpu")
            if each.kind != "word":
                draft.say("fixed", f"{' '.join(each.words)} is passed to every run{_why_fixed(each)}")

    def _is_output(self, key: str) -> bool:
        return named(key, (*known().names.output, *([self.trainer.output] if self.trainer else [])))

    def _within(self, text: str) -> str:
        return f"{{output_dir}}/{os.path.basename(text)}" if _FILE_WITHIN.fullmatch(text) else "{output_dir}"

    def _keep(self, each: Argument, key: str, template: str) -> None:
        """Keep an argument, with a placeholder that Auto Loop fills in as its value."""
        self.draft.base.pop(key, None)
        if key != each.key or (self.style == "hydra" and each.kind == "override"):
            self._add(key, template)
        elif each.joined:
            self.draft.words.append(each.words[0].partition("=")[0] + "=" + template)
        else:
            self.draft.words += [each.words[0], template]

    def _take(self, each: Argument, key: str) -> bool:
        """Make the argument a value that edits can change; False if that is impossible."""
        dashed = self.style.startswith("dashed")
        fits = each.kind == ("flag" if dashed else "override") or key != each.key
        if each.kind == "word" or not each.texts or not fits or key.startswith(("+", "~")):
            return False
        value = value_of(each.texts, python=self.python)
        if self.in_file:
            if not (self.trainer and self.trainer.folds) and key not in leaf_values(self.folded):
                return self._is_seed(key) and self._pass_seed(each, value)
            key = key if key in leaf_values(self.folded) else key.replace("-", "_")
            return put(self.folded, key, value)
        if value in (None, "") or each.text in ("None", "null") or sum(o.key == each.key for o in self.draft.arguments) > 1:
            return False
        if self.style == "hydra" and isinstance(value, str) and ("." not in key or value.startswith(("[", "{"))):
            return False  # a group choice, or a value that only Hydra's grammar can express
        if not put(self.draft.base, key, value):
            return False
        if len(each.texts) > 1:
            self.draft.table["lists"] = "words"
        return True

    # --------------------------------------------------------------------------------------------------- added flags

    def _defaults(self) -> None:
        """Add the defaults of flags that the script declares and the command omits."""
        script, draft = self.draft.script, self.draft
        if self.in_file or self.as_flags or self.trainer or "add_subparsers" in script.source:
            return
        given = {plain(each.key) for each in draft.arguments}
        names = known().names
        for flag in {flag.key: flag for flag in script.flags.values()}.values():
            value = flag.default
            if plain(flag.key) in given or not flag.takes_value or flag.many or value == "" or isinstance(value, bool):
                continue
            if self._is_output(flag.key) or is_secret(flag.key, value) or named(flag.key, names.launch):
                continue
            if named(flag.key, names.device) and _DEVICE.fullmatch(str(value)):
                self._add(flag.key, "{device}")
            elif isinstance(value, int | float | str):
                put(draft.base, flag.key, value)

    def _seed(self) -> None:
        """Add the seed to a base without one, if the script declares a flag for it and the command omits it."""
        draft = self.draft
        if self.trainer or seed_key(self._values()) or any(self._is_seed(each.key) for each in draft.arguments):
            return
        if variable := next((name for name in draft.env if self._is_seed(name.lower())), ""):
            value = value_of([draft.env[variable]], python=False)
            if self.in_file and type(value) is int and put(self.folded, "seed", value):
                draft.env[variable] = "{seed}"
            return
        flag = next((flag for flag in draft.script.flags.values() if flag.takes_value and self._is_seed(flag.key)), None)
        if flag is None or (self.config and self.config.is_python):
            return
        value = flag.default if type(flag.default) is int else 1
        if put(self.folded if self.in_file else draft.base, flag.key, value) and self.in_file:
            self._add(flag.key, "{seed}")

    def _pass_seed(self, each: Argument, value: object) -> bool:
        """Pass the seed of the file in the command's flag, so that the flag follows `--seeds`."""
        top = {key: value for key, value in self.folded.items() if not isinstance(value, dict)}
        if type(value) is not int or not put(self.folded, seed_key(top) or each.key, value):
            return False
        self._keep(each, each.key, "{seed}")
        return True

    def _is_seed(self, key: str) -> bool:
        return named(key, known().names.seed)

    def _output(self) -> None:
        """Add the flag for a run's output folder, unless the command already had one."""
        draft = self.draft
        draft.table["output_dir"] = "must-exist"
        if self.has_output:
            return
        declared = next((flag.key for flag in draft.script.flags.values() if self._is_output(flag.key)), "")
        if key := (self.trainer.output if self.trainer else "") or declared:
            self._add(key, "{output_dir}")
            draft.say("output", f"{key} is added: a separate folder for each run")
        elif answer := draft.asked(f"Which argument sets the output folder, such as {self._example('out')}? (Enter: none)"):
            self._add(re.split(r"[=\s]", answer.lstrip("-"))[0], "{output_dir}")
            draft.say("output", f"{answer} becomes a separate folder for each run, as you chose")
        else:
            draft.say(
                "output",
                "no flag for the output folder is known, so all runs write to the same place and only their printed "
                "output is read; if there is a flag, add to command: --FLAG {output_dir}",
            )

    def _add(self, key: str, template: str) -> None:
        if self.style == "hydra" or self.as_flags:
            # Entries of `flags` are quoted for Hydra's grammar, and replace a config value of the same key.
            self.draft.flags[key] = template
        else:
            self.draft.words += self._spelt(key, template)

    def _example(self, key: str) -> str:
        return f"--{key}" if self.style.startswith("dashed") else f"{key}="

    def _spelt(self, key: str, template: str) -> list[str]:
        if self.style == "dashed-space":
            return [f"--{key}", template]
        return [f"{'' if self.style == 'key-value' else '--'}{key}={template}"]

    # ----------------------------------------------------------------------------------------------------- the config

    def _finish_file(self) -> None:
        config, table = self.config, self.draft.table
        assert config is not None
        if self.as_flags:
            table["lists"] = "words"
        table["base"] = config.path
        if self.in_file and self.folded != config.config:
            name = self.draft.free_name(config.suffix)
            self.draft.base_file = name, rewrite(config.text, self.folded, config.suffix)
            table["base"] = name
            before = leaf_values(config.config)
            changed = [f"{key} {value}" for key, value in leaf_values(self.folded).items() if before.get(key) != value]
            self.draft.say("base", f"{name} is {config.path} with {', '.join(changed)}, so that edits take effect")
        elif self.in_file:
            self.draft.say("base", f"{config.path} is passed as a file, one copy per run")
        else:
            self.draft.say(
                "base", f"each value of {config.path} is passed as a flag, since flags cannot be combined with a file"
            )
            self._tell_style()

    def _finish_base(self) -> None:
        draft = self.draft
        for key in [key for key in draft.base if self._is_output(key) or named(key, known().names.device)]:
            if not isinstance(draft.base[key], str):
                continue
            output, device = self._is_output(key), _DEVICE.fullmatch(draft.base[key])
            if (output and not self.has_output) or (device and not output):
                del draft.base[key]
                self.has_output |= output
                self._add(key, "{output_dir}" if output else "{device}")
                draft.say("output" if output else "device", f"{key} is set for each run")
        name = draft.free_name(".json")
        draft.base_file = name, dump_config(draft.base)
        draft.table["base"] = name
        self._tell_style()
        held = [f"{key} {value}" for key, value in leaf_values(draft.base).items()]
        some = f"{', '.join(held[:6])}{f' and {len(held) - 6} more' if len(held) > 6 else ''}"
        draft.say(
            "base",
            f"{name} contains the values that edits can change: {some or 'none yet; add values that the trainer accepts'}",
        )

    def _tell_style(self) -> None:
        if self.style != "dashed-eq":
            self.draft.table["style"] = self.style
        if self.python:
            self.draft.table["values"] = "python"

    def _dumped(self) -> bool:
        """Use the full config that the trainer prints as the base; False if it prints none."""
        draft, trainer = self.draft, self.trainer
        if not (trainer and trainer.dump and draft.script.source):
            return False
        given = [word for each in draft.arguments if self._is_given(each) for word in each.words]
        argv = [*draft.command.direct, *given, *trainer.dump]
        start = tuple(draft.command.start)
        preset = Preset(argv=start, config="overrides", override_style="hydra", dump=tuple(argv))
        try:
            text = dumped(preset, draft.python or sys.executable, str(draft.cwd), "cpu")
            draft.base = parse_config(text, "its config", ".json" if text.lstrip().startswith("{") else ".yaml")
        except UserError as problem:
            draft.say("config", f"could not print its full config ({str(problem).rstrip('.')})")
            return False
        draft.words = given
        draft.table["style"] = self.style
        from autoloop.adoption.settings_text import command_text

        draft.table["dump"] = command_text(argv)
        draft.say("base", f"printed by the trainer: {len(leaf_values(draft.base))} values; edits are added to the command")
        return True

    def _is_given(self, each: Argument) -> bool:
        """Whether the command that prints the config keeps this argument."""
        return each.key not in self.draft.flags and not is_secret(each.key, each.text)

    def _values(self) -> Config:
        if self.in_file:
            return self.folded
        return self.config.config if self.as_flags and self.config else self.draft.base

    # ----------------------------------------------------------------------------------------------------- processes

    def _launch(self) -> None:
        draft, count = self.draft, self.draft.command.processes
        if count is not None and count > 1:
            draft.table["processes"] = count
            draft.run_flags += [] if draft.on_cpu else ["--gpus-per-run", str(count)]
            draft.say("processes", f"{count} on the CPU; on GPUs one per GPU of the run, so use --gpus-per-run {count}")
        if draft.on_cpu:
            draft.run_flags += ["--device", "cpu"]


def _why_fixed(each: Argument) -> str:
    return "; use its long form to vary it" if each.kind == "short" else ""
