"""The formats of config files, told apart by the ending of their names: JSON, YAML and TOML.

YAML and TOML are read by modules that are imported where a file needs them.
"""

from __future__ import annotations

from typing import Any

from autoloop.configs.json_rewriting import rewrite_json
from autoloop.configs.text import parse_json
from autoloop.model import Config, UserError

YAML = (".yaml", ".yml")
TOML = ".toml"
JSON = ".json"


def suffix_of(source: str) -> str:
    """The ending that a copy or a variant of the config file `source` gets, so that it is read as `source` is."""
    ending = _ending(source)
    return ending if ending in (*YAML, TOML) else JSON


def parse_config(text: str, source: str, suffix: str | None = None) -> Config:
    """The config in `text`; `source` (a path, usually) is named in errors. `suffix`: its format, if `source` does not tell.

    Raises UserError with the line for what is not valid, for a key that stands twice in a block, for NaN or Infinity,
    and for anything but one block of keys at the top.
    """
    if suffix is None and _ending(source) == ".py":
        raise UserError(
            f"{source} is a Python file, which edits cannot change; put its values under [trainer.base] in "
            "autoloop.toml, or let the trainer print them with dump."
        )
    suffix = suffix or suffix_of(source)
    if suffix in YAML:
        from autoloop.configs.yaml_text import parse_yaml

        return parse_yaml(text, source)
    if suffix == TOML:
        from autoloop.configs.toml_text import parse_toml

        return parse_toml(text, source)
    try:
        return parse_json(text, source)
    except UserError as error:
        if _ending(source) in ("", JSON):
            raise
        raise UserError(f"{error} Only files that are named .yaml, .yml or .toml are read as YAML or TOML.") from None


def parse_value_as(text: str, suffix: str) -> Any:
    """The value that `text` is where a config of that format has it on one line. UserError for what is none there."""
    if not text.strip() or "\n" in text:
        raise UserError("a value of a config stands on one line.")
    line = f"value = {text}" if suffix == TOML else f"value: {text}" if suffix in YAML else f'{{"value": {text}}}'
    parsed = parse_config(line, "the value", suffix)
    if parsed.keys() != {"value"}:
        raise UserError("the value ends before the line does.")
    return parsed["value"]


def rewrite(text: str, wanted: Config, suffix: str = JSON) -> str:
    """The config text `text`, changed so that it reads as `wanted`: what does not differ stays as it is spelt, with
    comments, order of keys, indentation and the end of the file. UserError for what the format cannot hold."""
    if suffix in YAML:
        from autoloop.configs.yaml_rewriting import rewrite_yaml

        return rewrite_yaml(text, wanted)
    if suffix == TOML:
        from autoloop.configs.toml_text import rewrite_toml

        return rewrite_toml(text, wanted)
    return rewrite_json(text, wanted)


def unwritable(config: Config, suffix: str) -> str | None:
    """Why the format cannot hold `config`; None where it can."""
    if suffix != TOML:
        return None
    from autoloop.configs.toml_text import why_not_toml

    return why_not_toml(config)


def reading_differs(text: str, suffix: str) -> list[str]:
    """Values of the text that readers of its format take for different things, each as `line 3: lr: 1e-5`."""
    if suffix not in YAML:
        return []
    from autoloop.configs.yaml_text import ambiguous

    return ambiguous(text)


def _ending(source: str) -> str:
    name = source.rpartition("/")[2]
    return f".{name.rpartition('.')[2]}".lower() if "." in name[1:] else ""
