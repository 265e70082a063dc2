"""Every block in the documents works: commands run, TOML is accepted by whatever reads such a file, Python code runs.

Above a block there may be `<!-- trains -->` (it takes long: `make test-documents`) or `<!-- not run: REASON -->` (shown as
a skipped test). Blocks of recipes.md, python-api.md and your-trainer.md have separate tests beside this one. Chinese pages
have the same blocks as the English ones; tests/test_translations.py compares them.

A CPU stands in for GPUs, the trainer of these tests for a real one, and loops of this project for the loops whose numbers a
page uses.
"""

from __future__ import annotations

import glob
import hashlib
import hmac
import io
import json
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from autoloop.model import RoundState
from autoloop.rules.book import parse_book
from autoloop.settings import FILE, load_settings
from autoloop.trainers import load_preset

from autoloop_tui.console.preferences import Preferences
from autoloop_tui.console.theming.theme_files import parse_theme
from tests.cli.project import CONFIG, ROOT, TRAINER, CommandProject
from tests.support.waiting import eventually

BLOCK = re.compile(r"(?:^<!-- (trains|not run)(?:: )?([^\n]*?) -->\n)?^ *```(\w+)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
ELSEWHERE = {"recipes.md", "python-api.md", "moving-from-the-scripts.zh-CN.md"}
"""Their commands and scripts are run by test_recipes_doc.py; the Chinese page has those of the English one."""
README = "README.md"
"""Its blocks form one story, in a project that has no settings yet."""


class Block(NamedTuple):
    page: str
    mark: str
    reason: str
    language: str
    text: str
    line: int


def blocks() -> Iterator[Block]:
    for page in [ROOT / README, *sorted((ROOT / "docs").glob("*.md"))]:
        text = page.read_text(encoding="utf-8")
        for found in BLOCK.finditer(text):
            line = text.count("\n", 0, found.start(4))
            yield Block(page.name, found[1] or "", found[2] or "", found[3], found[4], line)


SHELL = [block for block in blocks() if block.language in ("sh", "bash", "console") and block.page not in ELSEWHERE]
CHEAP = sorted({block.page for block in SHELL if not block.mark} - {README})
DEAR = sorted({block.page for block in SHELL if block.mark == "trains"})
BOOKS = {"rules.toml", "rules/mine.toml", "rules/new.toml", "rules/old.toml"}


def prepare(project: CommandProject) -> None:
    """Create what the pages assume: configs, rules, settings."""
    folder = project.folder
    for name in ("configs", "rules", "src/lerobot/scripts/train_config"):
        (folder / name).mkdir(parents=True)
    text = json.dumps(CONFIG, indent=2)
    for name in ("configs/base", "configs/variant_a", "src/lerobot/scripts/train_config/act_fr3_ot_99_20_baseline"):
        (folder / f"{name}.json").write_text(
            text.replace('"batch_size": 8', '"batch_size": 16') if "variant" in name else text
        )
    (folder / "base.yaml").write_text('{"lr": 0.001, "dropout": 0.1, "layers": 3, "batch_size": 8, "seed": 1}\n')
    (book,) = (block.text for block in blocks() if block.page == "rules.md" and 'name = "mine"' in block.text)
    for name in BOOKS:
        (folder / name).write_text(book)
    trainer = f'[trainer]\npreset = "plain"\nscript = {json.dumps(str(TRAINER))}\ncheckpoints = ["checkpoint-*"]\n'
    (folder / FILE).write_text(trainer + '[keep]\ncheckpoints = "last of all"\n')


def run(project: CommandProject, text: str) -> None:
    """Run each line of a block as a shell would, in the project's folder."""
    environment: dict[str, str] = {}
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["export"]:
            name, _, value = words[1].partition("=")
            environment[name] = value
            continue
        if words[:2] == ["mkdir", "-p"]:
            (project.folder / words[2]).mkdir(parents=True, exist_ok=True)
            continue
        if not words or words[0] in ("pip", "cd"):
            continue
        if words[0] == "make":  # instead, check that the program it would start exists
            made = subprocess.run(
                ["make", "--no-print-directory", "--dry-run", *words[1:]],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=True,
            )
            programs = re.findall(r"\.venv/bin/[\w-]+", made.stdout)
            assert programs, made.stdout
            assert all(shutil.which(ROOT / program) for program in programs), made.stdout
            continue
        assert words[0] == "autoloop-tui", line
        target = words[words.index("|") + 2] if "|" in words else None
        end = next((words.index(sign) for sign in ("|", "&&") if sign in words), len(words))
        called = project.call(*arguments(project, words[1:end]), env=environment)
        assert called.returncode == 0, f"{line}\n{called.stdout}{called.stderr}"
        if target:
            (project.folder / target).write_text(called.stdout)


def arguments(project: CommandProject, words: list[str]) -> list[str]:
    """Return the words with names from the page replaced by those of this project."""
    text = shlex.join(words)
    for written, here in (
        (r"--gpus [\d,]+", "--device cpu"),
        (r"--(steps|log-freq|eval-freq) \d+", ""),
        (r"--loops [\w ]+?(?= -|$)", "--loops 1"),
        (r"--loop \w+", "--loop 1"),
        (r"--quiet-hours \S+", ""),
    ):
        text = re.sub(written, here, text)
    found: list[str] = []
    for word in shlex.split(text):
        found += sorted(glob.glob(word, root_dir=project.folder)) if "*.json" in word and "@" not in word else [word]
    if found[0] in ("run", "doctor", "try") and "--device" not in found:
        found[1:1] = ["--device", "cpu"]
    if "--exec" in found and not {"--detach", "--no-ui"} & {*found} and found[0] == "run":
        found.append("--no-ui")
    return found


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandProject]:
    """A project with a finished loop, for the blocks that train nothing."""
    project = CommandProject(tmp_path_factory.mktemp("documented"))
    prepare(project)
    ran = project.call(
        "run", "--cfgs", "configs/base.json", "configs/variant_a.json", "--device", "cpu", "--exec", "--no-ui"
    )
    assert ran.returncode == 0, ran.stderr
    for attempt in project.attempts():
        for step in (5, 10):
            checkpoint = project.folder / attempt.output_dir / f"checkpoint-{step}"
            checkpoint.mkdir()
            (checkpoint / "weights").write_bytes(b"0" * 1000)
    yield project
    project.close()


@pytest.mark.parametrize("page", CHEAP)
def test_the_commands_of_a_page_work(page: str, documented: CommandProject) -> None:
    for block in SHELL:
        if block.page == page and not block.mark:
            run(documented, block.text)


TRAINER_OF_FLAGS = """
import argparse, json, os
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.01)
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--device", default="cuda")
parser.add_argument("--out", default="runs")
given = parser.parse_args()
os.makedirs(given.out, exist_ok=True)
with open(os.path.join(given.out, "metrics.jsonl"), "w") as file:
    for epoch in range(1, given.epochs + 1):
        print(json.dumps({"epoch": epoch, "loss": given.seed / given.lr / epoch}), file=file, flush=True)
"""


def test_the_commands_of_the_readme_work_one_after_the_other(project: CommandProject) -> None:
    make, own, rounds = (block.text for block in SHELL if block.page == README)
    run(project, make)
    (project.folder / "train.py").write_text(TRAINER_OF_FLAGS)
    run(project, own)
    started = project.call(*shlex.split(own.splitlines()[-1], comments=True)[1:], "--device", "cpu", "--exec", "--no-ui")
    assert started.returncode == 0, started.stdout + started.stderr
    assert len(project.attempts()) == 4  # two learning rates with two seeds each
    prepare(project)  # its configs, and the settings of a trainer that reads them
    run(project, rounds.replace("--approve manual", "--approve auto"))
    with project.open_store() as store:
        assert len(store.rounds(project.loop().id)) > 1


@pytest.mark.documents
@pytest.mark.parametrize("page", DEAR)
def test_the_commands_of_a_page_that_train_work(page: str, project: CommandProject) -> None:
    prepare(project)
    if page == "decide.md":
        configs = ("--cfgs", "configs/base.json", "configs/variant_a.json")
        started = project.call(
            *("run", *configs, "--device", "cpu", "--rounds", "2", "--decide", "--approve", "manual", "--exec", "--detach")
        )
        assert started.returncode == 0, started.stderr
    for block in SHELL:
        if block.page == page and block.mark == "trains":
            settled(project)
            run(project, block.text)
    settled(project)


def settled(project: CommandProject) -> None:
    """Wait until the newest loop, if any, has ended or waits for a decision."""

    def over() -> bool:
        with project.open_store() as store:
            loop = store.find_loop(None)
            return loop.state.value != "active" or store.rounds(loop.id)[-1].state is RoundState.DECIDING

    if (project.folder / ".autoloop").exists():
        eventually(over, "the end of the loop")


@pytest.mark.parametrize(
    "block", [each for each in SHELL if each.mark == "not run"], ids=lambda each: f"{each.page}:{each.line}"
)
def test_a_block_that_cannot_run_here_says_why(block: Block) -> None:
    assert block.reason
    pytest.skip(f"docs/{block.page}:{block.line}: {block.reason}")


# ------------------------------------------------------------------------------------------------------- TOML and Python

TOML = [block for block in blocks() if block.language == "toml"]


@pytest.mark.parametrize("block", TOML, ids=lambda each: f"{each.page}:{each.line}")
def test_a_file_that_is_shown_is_read(block: Block, tmp_path: Path) -> None:
    text = block.text
    if "[[rule]]" in text:
        assert parse_book(text, block.page).rules
    elif re.search(r"^(\[keys\]|\[\[command\]\]|notify =)", text, re.MULTILINE):
        folder = tmp_path / "autoloop"
        folder.mkdir()
        (folder / "console.toml").write_text(text, encoding="utf-8")
        assert Preferences.load({"XDG_CONFIG_HOME": str(tmp_path)}).problems == []
    elif "primary =" in text:
        assert parse_theme(text, block.page).name
    else:
        (tmp_path / FILE).write_text(text, encoding="utf-8")
        load_settings(tmp_path)
        if "[trainer]" in text:
            load_preset(str(tmp_path / FILE))


PYTHON = [block for block in blocks() if block.language == "python" and block.page not in ELSEWHERE]


@pytest.mark.parametrize("block", PYTHON, ids=lambda each: f"{each.page}:{each.line}")
def test_python_that_is_shown_runs(block: Block, tmp_path: Path) -> None:
    names: dict[str, Any] = {"json": json, "hmac": hmac, "hashlib": hashlib, "time": time, "io": io}
    if block.page == "metric-sources.md":
        names |= {"output_dir": str(tmp_path), "step": 3, "loss": 0.5, "accuracy": 0.9}
        exec(block.text, names)
        assert json.loads((tmp_path / "metrics.jsonl").read_text()) == {"step": 3, "train/loss": 0.5, "val/acc": 0.9}
    elif block.page == "hooks.md":
        secret, timestamp, body = b"key", str(int(time.time())).encode(), b"{}"
        signature = "sha256=" + hmac.new(secret, timestamp + b"." + body, hashlib.sha256).hexdigest()
        exec(block.text, names | {"secret": secret, "timestamp": timestamp, "body": body, "signature": signature})
    else:
        assert block.page == "rules.md", "say here how this block runs"
        exec(block.text, names)
        assert names["decide"]({"eval_l1": {"runs": 3, "better_than_base": True}, "steps": 100})[0]["reason"]
        assert names["decide"]({"eval_l1": {"runs": 3, "better_than_base": None}, "steps": 100}) == []
