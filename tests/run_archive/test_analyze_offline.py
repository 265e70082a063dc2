"""`analyze-offline` as used by people and by scripts."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from autoloop_tui.cli.output.printing import width
from tests.cli.conftest import Call
from tests.cli.project import CommandProject
from tests.run_archive.layouts import wandb_run, written_at
from tests.wandb_cloud.terminal import on_a_terminal

BOOK = """
name = "mine"
version = "1"

[[rule]]
id = "too-high"
when = "loss.last > 1.5"
reason = "the loss is high"
changes = ["ot.reg@mul=2", "batch_size@add=4"]
"""


@pytest.fixture
def outputs(project: CommandProject) -> Path:
    """Two runs: the older one has a high loss; the config of the newer one is unknown."""
    outputs = project.folder / "outputs/train/loop_1700000000"
    old = wandb_run(outputs / "0_base_old", "old", [3, 2], config={"ot": {"reg": 0.1}})
    new = wandb_run(outputs / "1_base_new", "new", [2.5, 1])
    written_at(old, 1_700_000_000)
    written_at(new, 1_700_000_100)
    return outputs


def test_piped_it_prints_the_documents_json_newest_first(call: Call, outputs: Path) -> None:
    said = call("analyze-offline", "--outputs-root", "outputs/train")
    assert said.code == 0
    document = json.loads(said.out)
    assert list(document) == [f"outputs/train/loop_1700000000/{name}" for name in ("1_base_new", "0_base_old")]
    entry = document["outputs/train/loop_1700000000/0_base_old"]
    assert entry["steps"] == 1
    assert {key: entry["train/loss"][key] for key in ("first", "last", "best", "best_step", "delta")} == {
        "first": 3.0,
        "last": 2.0,
        "best": 2.0,
        "best_step": 1,
        "delta": -1.0,
    }


def test_runs_that_differ_in_the_seed_only_are_averaged(call: Call, project: CommandProject) -> None:
    for name, lr, seed, loss in (("a1", 0.1, 1, 1.0), ("a2", 0.1, 2, 3.0), ("b", 0.3, 1, 5.0)):
        config = {"lr": lr, "seed": seed, "output_dir": f"outputs/train/{name}"}
        written_at(wandb_run(project.folder / "outputs/train" / name, name, [9, loss], config=config), 1_700_000_000)
    said = call("analyze-offline", "--json", "document.json")
    assert said.code == 0
    lines = said.out.split("Over seeds, mean ± standard deviation:")[1].splitlines()
    (row,) = [line.split() for line in lines if line.startswith(("a1", "a2", "b"))]
    assert row[1:] == ["2", "2", "±", "1.4", "(2)"]


def test_a_run_without_a_metric_is_an_entry_too(call: Call, project: CommandProject) -> None:
    wandb_run(project.folder / "outputs/train/killed", "k", [])
    assert json.loads(call("analyze-offline").out) == {"outputs/train/killed": {"steps": 0}}


def test_with_rules_the_proposals_stand_beside_the_summaries(call: Call, outputs: Path, project: CommandProject) -> None:
    (project.folder / "mine.toml").write_text(BOOK)
    said = call("analyze-offline", "--rules", "mine.toml", "--limit", "5")
    document = json.loads(said.out)
    assert list(document["summary"]) == list(document["proposals"])
    (proposal,) = document["proposals"]["outputs/train/loop_1700000000/0_base_old"]
    assert proposal["reason"] == "the loss is high"
    assert proposal["changes"] == {"ot.reg@mul": 2, "batch_size@add": 4}
    assert proposal["resolved"] == [{"path": "ot.reg", "before": 0.1, "after": 0.2}]
    assert "batch_size" in proposal["notes"][0]
    assert document["proposals"]["outputs/train/loop_1700000000/1_base_new"] == []


def test_the_projects_rules_are_asked_where_none_are_named(call: Call, outputs: Path, project: CommandProject) -> None:
    (project.folder / "mine.toml").write_text(BOOK)
    (project.folder / "autoloop.toml").write_text('rules = "mine.toml"\noutput_root = "outputs"\n')
    proposals = json.loads(call("analyze-offline", "--rules").out)["proposals"]
    assert [each["rule"] for each in proposals["outputs/train/loop_1700000000/0_base_old"]] == ["too-high"]


def test_on_a_terminal_it_is_a_table_and_the_changes(outputs: Path, project: CommandProject) -> None:
    (project.folder / "mine.toml").write_text(BOOK)
    said = on_a_terminal(project, "analyze-offline", "--rules", "mine.toml", "--json", "out.json", "--limit", "1")
    assert "loop_1700000000/1_base_new" in said
    assert "nothing is proposed" in said
    assert "The newest 1 of 2 runs; --limit shows more." in said
    assert "Wrote out.json" in said
    assert "{" not in said
    assert len(json.loads((project.folder / "out.json").read_text())["summary"]) == 1
    said = on_a_terminal(project, "analyze-offline", "--rules", "mine.toml")
    assert "ot.reg  0.1 → 0.2" in said


def test_its_lines_fit_the_terminal(project: CommandProject) -> None:
    """Whatever the names, metrics, reasons and notes; only paths are never broken."""
    words = "a reason that goes on for longer than any line of a terminal of eighty cells could ever hold"
    (project.folder / "mine.toml").write_text(BOOK.replace("the loss is high", words))
    outputs = project.folder / "outputs/train/a-loop-whose-name-is-longer-than-need-be"
    for index, name in enumerate(("0_" + "long-" * 12 + "name", "1_" + "名前" * 20, "2_short")):
        history = wandb_run(outputs / name, f"r{index}", [3, 2], config={"ot": {"reg": 0.1}} if index else None)
        row = {f"eval/a_metric_of_this_trainer_{n}": 1234.5678 + n for n in range(30)}
        (history.parent / "files").mkdir()
        (history.parent / "files/wandb-summary.json").write_text(json.dumps({"_step": 1, **row}))
    said = on_a_terminal(project, "analyze-offline", "--rules", "mine.toml", "--limit", "2", columns=80)
    assert "Hidden columns" in said
    assert "Other metrics of these runs" in said
    assert "could ever hold" in " ".join(said.split())
    assert [line for line in said.splitlines() if width(line) > 80 and len(line.split()) > 2] == []


def test_foreign_runs_show_the_metrics_that_they_have(project: CommandProject) -> None:
    for index in range(2):
        folder = project.folder / f"outputs/train/r{index}"
        folder.mkdir(parents=True)
        row = {"_step": 3, "val/loss": 0.5 + index, "val/accuracy": 0.25, "epoch": 1, "mode": "x"}
        row |= {f"aux{number}": 1 for number in range(4)}
        (folder / "wandb-history.jsonl").write_text(json.dumps(row))
    said = on_a_terminal(project, "analyze-offline")
    head = next(line for line in said.splitlines() if "written" in line)
    assert head.split()[4:6] == ["val/loss", "val/accuracy"]
    assert "0.5" in said
    assert "l1_loss" not in said
    assert "Other metrics of these runs (in --json): aux3, epoch." in said


def test_names_of_any_bytes_break_nothing_and_lose_nothing(call: Call, project: CommandProject) -> None:
    for name in (b"a\xff", b"a\xfe", "名前".encode(), b"a\nb", b"a\x1b[2J"):
        folder = os.fsencode(project.folder) + b"/outputs/train/" + name
        os.makedirs(folder)
        with open(folder + b"/wandb-history.jsonl", "wb") as file:
            file.write(b'{"_step": 1, "loss": 1}\nbroken \xff\n')
    said = call("analyze-offline")
    assert said.code == 0
    assert len(json.loads(said.out)) == 5
    assert said.err.count("skipped 1 line that is not a JSON object") == 5
    said = call("analyze-offline", "--json", "x.json")
    assert (said.code, len(json.loads((project.folder / "x.json").read_text()))) == (0, 5)
    assert "\x1b" not in said.out + said.err


def test_bare_json_prints_it_on_a_terminal_too(outputs: Path, project: CommandProject) -> None:
    assert len(json.loads(on_a_terminal(project, "analyze-offline", "--json"))) == 2


def test_what_was_read_is_remembered_outside_a_folder_that_is_no_project_yet(
    call: Call, outputs: Path, project: CommandProject, own_cache: Path
) -> None:
    call("analyze-offline")
    assert len(list(own_cache.iterdir())) == 1
    assert not (project.folder / ".autoloop").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--outputs-root", "nope"), "There is no folder nope"),
        (("--limit", "0"), "--limit must be at least 1, not 0"),
        (("--rules", "no.toml"), "no.toml does not exist"),
        (("--outputs-root", "."), "No run history found under ."),
    ],
)
def test_mistakes_are_one_sentence(call: Call, project: CommandProject, words: tuple[str, ...], sentence: str) -> None:
    said = call("analyze-offline", *words)
    assert said.code == 2
    assert sentence in said.err
    assert said.err.count("\n") == 1
