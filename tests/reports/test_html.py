"""The HTML report: complete, small, and inert whatever text it contains."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from autoloop.gpu_history import GpuHistory
from autoloop.gpus import GIB, Gpu
from autoloop.metrics import default_book
from autoloop.model import (
    Attempt,
    BestRun,
    Cause,
    Change,
    Comparison,
    Expectation,
    GpuUse,
    LoopState,
    Outcome,
    ProposalStatus,
    RoundStanding,
    RuleRecord,
    Run,
    RunState,
    Series,
    Standing,
    Summary,
)
from autoloop.model.outcome import Call
from autoloop.reports import result_lines
from autoloop.reports.html import SIGN, render_page
from autoloop.store import Store
from hypothesis import given
from hypothesis import strategies as st

from tests.reports.loops import add_loop, add_proposal, add_run, summary
from tests.reports.pages import Page

METRICS = default_book()
LOSS = "train/l1_loss"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def series(values: list[float]) -> Series:
    return Series(steps=array("q", range(len(values))), values=array("d", values))


def nothing(run: Run) -> Mapping[str, Series]:
    return {}


def page(store: Store, read: object = nothing) -> Page:
    return Page(render_page(store, 1, METRICS, read))  # type: ignore[arg-type]


@pytest.fixture
def night(store: Store, folder: Path) -> Store:
    """A loop of two rounds: two seeds of a config and a failure, then a better variant."""
    add_loop(
        store,
        folder,
        rounds=2,
        outcome=Outcome(
            metric=LOSS,
            statistic="tail mean",
            highest=False,
            baseline=Standing(run="ida", value=0.5, runs=2),
            first=Standing(run="idvariant", value=0.4, runs=1),
            comparison=Comparison(call=Call.BETTER, basis="unpaired", effect=-0.1, runs=(1, 2), interval=(-0.2, -0.05)),
            changes=[Change(path="optimizer.lr", before=0.001, after=0.002)],
            rounds=[
                RoundStanding(round=1, first=Standing(run="ida", value=0.5, runs=2)),
                RoundStanding(round=2, first=Standing(run="idvariant", value=0.4, runs=1)),
            ],
            rules=[RuleRecord(rule="more-lr", proposed=2, ran=1, better=1)],
            runs=4,
            seconds=7200.0,
        ),
        best=BestRun(metric=LOSS, highest=False, value=0.4, run="idvariant"),
    )
    ran: dict[str, Any] = {"started_at": 1.0, "ended_at": 61.0}
    first = add_run(store, "a", group="g", config_hash="1", summary=summary(train__l1_loss=0.5), **ran)
    add_run(store, "b", group="g", config_hash="2", summary=summary(train__l1_loss=0.52), **ran)
    bad = add_run(store, "bad", state=RunState.FAILED, reason="the GPU ran out of memory", summary=None)
    cause = Cause(id="oom", text="the GPU ran out of memory", line="CUDA out of memory", advice="Use a smaller batch.")
    attempt = Attempt(
        id="x", run=bad.id, number=1, slot=0, output_dir="/out", directory="/dir", created_at=1.0, diagnosis=cause
    )
    store.put_attempt(attempt, 1)
    changes = [Change(path="optimizer.lr", before=0.001, after=0.002)]
    add_run(store, "variant", id="idvariant", round=2, base_run="ida", changes=changes, summary=summary(train__l1_loss=0.4))
    expects = Expectation(metric=LOSS, direction="lower")
    add_proposal(store, first, status=ProposalStatus.LAUNCHED, run="idvariant", note=None, expects=expects)
    add_proposal(store, first)
    return store


def test_it_says_what_the_other_clients_say_of_the_outcome(night: Store) -> None:
    shown = page(night).text
    lines = result_lines(night, night.loop(1), METRICS)
    assert len(lines) >= 5
    assert all(" ".join(line.split()) in shown for line in lines)


def test_it_has_every_run_failure_proposal_change_and_rule(night: Store) -> None:
    found = page(night)
    _, second = [table for table in found.tables if table[0][:3] == ["run", "from", "state"]]
    assert second[1][:3] == ["variant idvariant", "a (ida)", "finished"]
    assert second[1][second[0].index("l1_loss")] == "0.4 (-20.0%)"
    assert "the GPU ran out of memory" in found.text
    assert "Use a smaller batch." in found.text
    proposals = next(table for table in found.tables if table[0][0] == "#")
    # The same wording as in `proposals` and in the console, from verdicts over all runs.
    assert [row[7:] for row in proposals[1:]] == [
        ["variant (idvariant)", "ran -0.11 (not enough runs); expects l1_loss lower: not decided"],
        ["–", "–"],
    ]
    assert "optimizer.lr 0.001 → 0.002" in found.text
    rules = next(table for table in found.tables if table[0][0] == "rule")
    assert rules[1][:7] == ["more-lr", "2", "1", "1", "0", "0", "0"]
    assert rules[1][7].endswith("(this project)")
    seeds = next(table for table in found.tables if table[0][:2] == ["config", "runs"])
    assert seeds[1][:2] == ["a", "2"]
    assert "0.51 ± 0.014 (2)" in seeds[1]


def test_a_run_stands_below_its_base_in_the_lineage(night: Store) -> None:
    text = render_page(night, 1, METRICS, nothing)
    tree = text[text.index('id="lineage"') : text.index('id="failures"')]
    assert re.search(r"#run-ida.*<ul><li>.*#run-idvariant", tree)


def test_runs_of_one_config_share_a_colour_and_bases_are_dashed(night: Store) -> None:
    found = page(night, lambda run: {LOSS: series([2.0, 1.0, 0.5])})
    lines = found.classes("line")
    colours = {(line["data-run"], (line["class"] or "").split()[1]) for line in lines}
    assert len({colour for run, colour in colours if run in ("ida", "idb")}) == 1
    assert len({colour for _, colour in colours}) == 3
    assert {line["data-run"] for line in found.classes("line", "base")} == {"ida"}
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in found.of("svg"))


def test_a_curve_keeps_its_extremes_and_the_place_without_a_number(night: Store) -> None:
    values = [math.sin(step / 9) for step in range(20_000)]
    values[7_777] = 40.0
    values[12_000] = math.nan
    text = render_page(night, 1, METRICS, lambda run: {LOSS: series(values)})
    found = Page(text)
    assert found.classes("gap")
    path = next(each["d"] or "" for each in found.of("path") if len(each["d"] or "") > 500)
    assert path.count("M") == 2, "interrupted once"
    heights, y = [], 0
    for kind, x_y in re.findall(r"([Ml])(-?\d+ -?\d+)", path):
        step = int(x_y.split()[1])
        y = step if kind == "M" else y + step
        heights.append(y)
    assert min(heights) < 40, "the one high value is drawn at the top"
    assert len(text) < 100_000


def test_a_hundred_runs_of_long_histories_take_less_than_two_megabytes(store: Store, folder: Path) -> None:
    add_loop(store, folder)
    names = METRICS.key_metrics
    assert len(names) == 5
    for number in range(100):
        add_run(store, f"run-{number}", id=f"id{number}", position=number, summary=summary(**dict.fromkeys(names, 0.5)))
    columns = {name: series([math.sin(step * step) for step in range(10_000)]) for name in names}
    text = render_page(store, 1, METRICS, lambda run: columns)
    assert len(Page(text).classes("line")) == 100 * len(names)
    assert len(text) < 2_000_000


def test_it_is_whole_without_runs_and_without_histories(store: Store, folder: Path) -> None:
    add_loop(store, folder, state=LoopState.ACTIVE, end=None)
    assert "active" in page(store).text
    add_run(store, "a", started_at=1.0)
    found = page(store)
    assert "The history of 1 run could not be read." in found.text
    assert found.of("svg") == []


def test_the_use_of_gpus_is_a_table_with_curves_over_time(store: Store, folder: Path) -> None:
    add_loop(store, folder)
    use = GpuUse(
        gpus=2, seconds=7200.0, utilisation=61.4, idle_share=0.4, peak_memory_gib=12.34, power=310.0, energy_wh=620.0
    )
    run = add_run(store, "a", summary=Summary(gpu=use))
    directory = folder / "attempt"
    directory.mkdir(parents=True)
    history = GpuHistory(gpus=2)
    for number in range(9):
        history.add(1e9 + 5 * number, 5.0, [Gpu(index=0, name="x", utilisation=90, memory_used=GIB, power=300.0)])
    history.write(directory)
    attempt = Attempt(id="x", run=run.id, number=1, slot=0, output_dir="/out", directory=str(directory), created_at=1.0)
    store.put_attempt(attempt, 1)
    found = page(store)
    (rows,) = [table for table in found.tables if table[0][1] == "GPUs"]
    assert rows[1] == ["a (ida)", "2", "2h00m", "61 %", "40 %", "12.3 GiB", "310 W", "620 Wh"]
    assert len(found.classes("line")) == 3
    assert "also those of other users" in found.text


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&lt;\u202e\x1b[31m\n</style>"


def test_nothing_that_others_wrote_is_markup(store: Store, folder: Path) -> None:
    add_loop(store, folder, title=HOSTILE, rounds=2)
    base = add_run(
        store, HOSTILE, id="x", reason=HOSTILE, source_path=HOSTILE, notes=[HOSTILE], wandb_url=f"https://{HOSTILE}"
    )
    change = Change(path=HOSTILE, before=HOSTILE, after=HOSTILE, note=HOSTILE)
    add_run(store, HOSTILE, id=HOSTILE, round=2, base_run="x", changes=[change], state=RunState.FAILED, reason=HOSTILE)
    add_proposal(store, base, reason=HOSTILE, edits=[HOSTILE], changes=[change], note=HOSTILE)
    add_proposal(store, base, reason=HOSTILE, edits=[HOSTILE], changes=[], run=HOSTILE)
    text = render_page(store, 1, METRICS, lambda run: {LOSS: series([1.0, 2.0]), HOSTILE: series([1.0])})
    found = Page(text)
    assert found.of("img") == []
    assert len(found.of("script")) == 1
    assert not any(name.startswith("on") or name == "style" for _, given in found.elements for name in given)
    assert all((link["href"] or "").startswith("#") for link in found.of("a"))
    assert "alert(1)" in found.text
    assert "\u202e" not in text
    assert "\x1b" not in text


@given(st.text(), st.text())
def test_any_text_leaves_the_page_whole(tmp_path_factory: pytest.TempPathFactory, name: str, reason: str) -> None:
    with Store.open(tmp_path_factory.mktemp("store"), create=True) as store:
        add_loop(store, Path("/reports"), title="x" + name.encode(errors="replace").decode())
        add_run(store, "a", reason=reason.encode(errors="replace").decode(), state=RunState.FAILED)
        kinds = [tag for tag, _ in page(store).elements]
        assert kinds.count("html") == kinds.count("body") == kinds.count("script") == 1


def test_secrets_in_changes_are_masked(store: Store, folder: Path) -> None:
    add_loop(store, folder)
    change = Change(path="hub.token", before="hf_secret_before", after="hf_secret_after")
    base = add_run(store, "a", changes=[change])
    add_proposal(store, base, changes=[change])
    text = render_page(store, 1, METRICS, nothing)
    assert "hub.token" in text
    assert "secret_" not in text


def test_it_loads_nothing_and_has_what_readers_and_screen_readers_need(night: Store) -> None:
    text = render_page(night, 1, METRICS, lambda run: {LOSS: series([2.0, 1.0])})
    found = Page(text)
    policy = next(each["content"] or "" for each in found.of("meta") if each.get("http-equiv"))
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert SIGN in text[:1000]
    assert not [each for each in ("src", "srcset", "action", "data") for _, given in found.elements if each in given]
    assert not re.search(r"@import|url\(", text)
    ids = [given["id"] for _, given in found.elements if "id" in given]
    assert len(ids) == len(set(ids))
    assert {(link["href"] or "")[1:] for link in found.of("a")} <= set(ids)
    assert len(found.of("h1")) == 1
    assert all(cell.get("scope") in ("col", "row") for cell in found.of("th"))
    assert [each for each in found.of("meta") if each.get("name") == "viewport"]
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_a_browser_opens_it_and_runs_its_script_alone(night: Store, tmp_path: Path) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"no browser here: none of {', '.join(BROWSERS)} is on PATH")
    add_run(night, HOSTILE, id="hostile", reason=HOSTILE, state=RunState.FAILED)
    file = tmp_path / "page.html"
    file.write_text(render_page(night, 1, METRICS, lambda run: {LOSS: series([2.0, 1.0])}), encoding="utf-8")
    words = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    done = subprocess.run([browser, *words, file.as_uri()], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found = Page(done.stdout.replace("<!DOCTYPE html>", ""))
    heads = [cell for cell in found.of("th") if cell.get("scope") == "col"]
    assert len(found.of("button")) == len(heads) > 20, "the script made every column sortable"
    assert found.of("img") == []
    assert "Content Security Policy" not in done.stderr, done.stderr


def test_it_says_where_runs_ran_if_that_was_elsewhere(store: Store, folder: Path) -> None:
    add_loop(store, folder)
    run = add_run(store, "a")
    attempt = Attempt(id="x", run=run.id, number=1, slot=0, output_dir="/out", directory="/dir", created_at=1.0)
    store.put_attempt(attempt, 1)
    assert "ran on" not in page(store).text
    handle = {"job": "12", "partition": "gpu"}
    store.put_attempt(msgspec.structs.replace(attempt, place="slurm", node="n3", handle=handle), 1)
    (rows,) = [table for table in page(store).tables if table[0][-1] == "ran on"]
    assert rows[1][-1] == "n3 (slurm job 12, partition gpu)"
