"""docs/settings.md has exactly the keys of autoloop.toml, with their defaults."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from autoloop.settings import FILE, Settings, load_settings

PAGE = (Path(__file__).parents[1] / "docs/settings.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `([\w.]+)` \| (.+?) \| .+ \|$", PAGE, re.MULTILINE))


def keys(values: msgspec.Struct, table: str = "") -> Iterator[tuple[str, object]]:
    for name in values.__struct_fields__:
        value = getattr(values, name)
        if isinstance(value, msgspec.Struct):
            yield from keys(value, f"{table}{name}.")
        else:
            yield table + name, value


def test_every_key_is_documented_with_its_default() -> None:
    stated = {key: "none" if value is None else f"`{json.dumps(value)}`" for key, value in keys(Settings())}
    assert stated == ROWS


def test_the_example_is_a_file_that_is_taken(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.+?)```", PAGE, re.DOTALL)
    (tmp_path / FILE).write_text(example, encoding="utf-8")
    assert load_settings(tmp_path) != Settings()


OF_0_1_0 = """
preset = "lerobot"
python = "/opt/envs/lerobot/bin/python"
train_script = "train.py"
gpus = [0, 1]
output_root = "outputs/train"
summary_out = "summary.json"
markdown_out = "report.md"
rules = "rules/mine.toml"
metrics = "metrics.toml"
grace = 5.0
max_log_mb = 128
min_free_gb = 2.0
quiet_hours = "22:00-07:00"

[wandb]
online = true
entity = "my-team"
project = "my-project"

[fields]
integers = ["my_counter"]

[policy]
formal = true
"""


def test_every_key_of_0_1_0_is_still_read(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(OF_0_1_0, encoding="utf-8")
    read, default = dict(keys(load_settings(tmp_path))), dict(keys(Settings()))
    assert {key for key in read if read[key] != default[key]} == {
        *("python", "train_script", "gpus", "summary_out", "markdown_out", "rules", "metrics", "grace", "max_log_mb"),
        *("min_free_gb", "quiet_hours", "wandb.online", "wandb.entity", "wandb.project", "fields.integers", "policy.formal"),
    }


@pytest.mark.parametrize("key", [key for key, _ in keys(Settings())])
def test_a_key_with_a_slip_is_refused_with_the_right_one(tmp_path: Path, key: str) -> None:
    table, _, name = key.rpartition(".")
    slip = f"{name[:-1]}{name[-1]}x"
    (tmp_path / FILE).write_text((f"[{table}]\n" if table else "") + f"{slip} = 1\n", encoding="utf-8")
    with pytest.raises(Exception, match=rf'unknown key "{key[: -len(name)]}{slip}"; did you mean "{name}"'):
        load_settings(tmp_path)
