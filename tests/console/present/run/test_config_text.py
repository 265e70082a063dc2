"""A run's config in the format of its file, with the changes by its edits marked."""

from __future__ import annotations

from pathlib import Path

import pytest
from autoloop.configs import parse_config, rewrite
from autoloop.model import Run
from autoloop.secrets import MASK

from autoloop_tui.console.present.run.config_text import config_rows

BASES = {
    ".yaml": "# what it trains\nmodel:\n  layers: 4  # deep\n  act: relu\nlr: 1.0e-3\napi_key: sk-abcdefghijklmnop\n",
    ".toml": '# what it trains\nlr = 1e-3\napi_key = "sk-abcdefghijklmnop"\n\n[model]\nlayers = 4  # deep\nact = "relu"\n',
    ".json": '{\n  "lr": 0.001, "api_key": "sk-abcdefghijklmnop",\n  "model": {\n    "layers": 4\n  }\n}\n',
}
EDITED = {".yaml": "  layers: 8  # deep", ".toml": "layers = 8  # deep", ".json": '    "layers": 8'}


def run(path: Path) -> Run:
    return Run(
        id=path.stem, loop=1, round=1, position=0, name=path.stem, config_path=str(path), source_path="", config_hash=""
    )


@pytest.mark.parametrize("suffix", BASES)
def test_the_file_is_shown_as_it_is_written_and_the_edit_is_marked(suffix: str, tmp_path: Path) -> None:
    base, variant = tmp_path / f"base{suffix}", tmp_path / f"variant{suffix}"
    base.write_text(BASES[suffix], encoding="utf-8")
    config = parse_config(BASES[suffix], str(base))
    config["model"]["layers"] = 8
    variant.write_text(rewrite(BASES[suffix], config, suffix), encoding="utf-8")
    rows = ["".join(text for text, _ in row) for row in config_rows(run(variant), run(base))]
    marked = [row for row in rows if not row.startswith("   ")]
    assert marked == [f" - {EDITED[suffix].replace('8', '4')}", f" + {EDITED[suffix]}"]
    unmarked = [row[3:] for row in rows if row.startswith("   ")]
    written = variant.read_text(encoding="utf-8").replace("sk-abcdefghijklmnop", MASK).splitlines()
    assert [line.replace('"', "") for line in unmarked] == [
        line.replace('"', "") for line in written if line != EDITED[suffix]
    ]


def test_what_a_terminal_would_act_on_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "base.yaml"
    path.write_text("name: a\u202eb\n\ttab\n".replace("\ttab\n", ""), encoding="utf-8")
    ((_, _, _, value),) = config_rows(run(path), None)
    assert "\u202e" not in value[0]
