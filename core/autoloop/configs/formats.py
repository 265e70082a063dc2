"""The formats of config files, recognised by file extension: JSON, YAML and TOML.

The modules for YAML and TOML are imported only when a file needs them.
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
    """The file extension for copies and variants of the config file `source`, so that they have the same format."""
    ending = _ending(source)
    return ending if ending in (*YAML, TOML) else JSON


def parse_config(text: str, source: str, suffix: str | None = None) -> Config:
    """The config in `text`; errors name `source`, usually a path. `suffix`: its format, if not that of `source`.

    Raises UserError with the line if the text is invalid, has a key twice in one block, or contains NaN or Infinity, and if
    the top level is not a block of keys.
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
    """Parse `text` as a one-line value in a config of that format. UserError if it is not one."""
    if not text.strip() or "\n" in text:
        raise UserError("a config value must be on one line.")
    line = f"value = {text}" if suffix == TOML else f"value: {text}" if suffix in YAML else f'{{"value": {text}}}'
    parsed = parse_config(line, "the value", suffix)
    if parsed.keys() != {"value"}:
        raise UserError("there is text after the end of the value.")
    return parsed["value"]


def rewrite(text: str, wanted: Config, suffix: str = JSON) -> str:
    """The config text `text`, changed so that it parses as `wanted`. Everything that does not differ keeps its spelling:
    comments, key order, indentation and the end of the file. UserError for values that the format cannot express."""
    if suffix in YAML:
        from autoloop.configs.yaml_rewriting import rewrite_yaml

        return rewrite_yaml(text, wanted)
    if suffix == TOML:
        from autoloop.configs.toml_text import rewrite_toml

        return rewrite_toml(text, wanted)
    return rewrite_json(text, wanted)


def unwritable(config: Config, suffix: str) -> str | None:
    """Why the format cannot express `config`; None if it can."""
    if suffix != TOML:
        return None
    from autoloop.configs.toml_text import why_not_toml

    return why_not_toml(config)


def reading_differs(text: str, suffix: str) -> list[str]:
    """Values of the text that parsers of its format read differently, each as `line 3: lr: 1e-5`."""
    if suffix not in YAML:
        return []
    from autoloop.configs.yaml_text import ambiguous

    return ambiguous(text)


def _ending(source: str) -> str:
    name = source.rpartition("/")[2]
    return f".{name.rpartition('.')[2]}".lower() if "." in name[1:] else ""
