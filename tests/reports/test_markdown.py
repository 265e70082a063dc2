"""The Markdown report: a section per loop that is replaced, never duplicated, in a file that users may edit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from autoloop.metrics import default_book, parse_metric_book
from autoloop.model import (
    Actor,
    Change,
    GpuUse,
    Loop,
    LoopEnd,
    LoopEndKind,
    ProposalStatus,
    Round,
    RoundState,
    RunState,
    Summary,
)
from autoloop.reports import MarkdownReport, render, write_markdown
from autoloop.reports.html.contents import gather
from autoloop.reports.html.rounds import section
from autoloop.reports.replicates import verdict_lines
from autoloop.store import Store
from hypothesis import given
from hypothesis import strategies as st

from tests.reports.loops import add_loop, add_proposal, add_run, summary

METRICS = default_book()


def write(store: Store, loop: Loop) -> str:
    assert write_markdown(store, loop.id, METRICS) is None
    return Path(loop.spec.markdown_out).read_text(encoding="utf-8")


def tables(text: str) -> Iterator[list[list[str]]]:
    """Yield the tables of a report as rows of cells, split as on GitHub: at every

    that is not escaped by a backslash.
    """
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        rows = []
        for line in block.splitlines():
            assert line.endswith("|")
            assert len(re.search(r"\\*$", line[:-1])[0]) % 2 == 0, "the last | is escaped"  # type: ignore[index]
            rows.append([cell.strip() for cell in re.findall(r"((?:\\.|[^\\|])*)\|", line[1:])])
        yield rows


def test_a_round_is_a_table_of_its_runs_with_the_key_metrics_and_the_change_against_the_base(
    store: Store, folder: Path
) -> None:
    loop = add_loop(store, folder, rounds=2)
    base = add_run(store, "a", summary=summary(train__l1_loss=0.5, train__ot_pi_sum=1e-9))
    add_run(
        store,
        "a_r2_1",
        round=2,
        base_run=base.id,
        summary=summary(train__l1_loss=0.4, train__ot_pi_sum=0.1),
        wandb_url="https://wandb.ai/e/p/runs/x",
    )
    text = write(store, loop)
    first, second = tables(text)
    assert first[0] == ["run", "from", "state", "steps", "eval_l1", "l1_loss", "ot_pi_sum", "ot_loss", "grad_norm"]
    assert first[2] == ["a (ida)", "–", "finished", "2", "–", "0.5", "1e-9", "–", "–"]
    assert second[2][1] == "a (ida)"
    assert second[2][5:7] == ["0.4 (-20.0%)", "0.1 (from 1e-9)"]
    for wanted in ("/configs/a.json", "/out/loop_1/0_a", "https://wandb.ai/e/p/runs/x", "### Round 2"):
        assert wanted in text


def test_the_configs_of_a_round_are_judged_as_everywhere_else(store: Store, folder: Path) -> None:
    """By all of their runs so far, compared with the baseline, even if it did not run again in the round."""
    loop = add_loop(store, folder, rounds=2)
    for name, value in (("base", 0.5), ("other", 0.4)):
        for seed, noise in enumerate((0.001, -0.002, 0.0015, -0.0005)):
            reached = summary(train__l1_loss=value + noise)
            add_run(store, f"{name}{seed}", group=name, seed=str(seed), config_hash=f"{name}{seed}", summary=reached)
    add_run(store, "again", round=2, base_run="idother0", group="other", seed="9", summary=summary(train__l1_loss=0.4))
    (said,) = verdict_lines(store.runs(1, 2), METRICS, store.runs(1, 1))[1:]
    assert said.startswith("other0 (idother0, 5 seeds) against base0 (idbase0, 4 seeds): better: -0.1")
    assert said.replace("[", r"\[") in write(store, loop).partition("### Round 2")[2]
    contents = gather(store, 1, METRICS, lambda _: {})
    assert said in str(section(contents, contents.rounds[1]))


def test_failures_are_told_with_their_cause_and_proposals_with_their_decision(store: Store, folder: Path) -> None:
    loop = add_loop(store, folder)
    add_run(store, "good")
    bad = add_run(store, "bad", state=RunState.FAILED, reason="the GPU ran out of memory", summary=None)
    add_proposal(store, bad)
    blocked = ProposalStatus.BLOCKED
    add_proposal(store, bad, status=blocked, blocked="it has run", changes=[], decided_by=None, note=None)
    text = write(store, loop)
    assert "- bad (idbad) failed: the GPU ran out of memory" in text
    assert "- good" in text
    assert "good (idgood) failed" not in text
    *_, proposals = tables(text)
    assert proposals[2] == [
        "1",
        "bad (idbad)",
        "rule:more-lr",
        "the loss is high",
        "`lr` 1 → 2",
        "rejected by ada: not now",
    ]
    assert proposals[3][4:] == ["`lr@mul=2`", "blocked: it has run"]


def test_the_winner_is_named_with_its_config(store: Store, folder: Path) -> None:
    loop = add_loop(store, folder, winner="ida")
    add_run(store, "a")
    assert "**Winner: a (ida)**, config `/configs/a.json`" in write(store, loop)


def test_writing_again_replaces_the_section_and_the_same_store_gives_the_same_text(store: Store, folder: Path) -> None:
    loop = add_loop(store, folder)
    add_run(store, "a")
    first = write(store, loop)
    assert write(store, loop) == first
    add_run(store, "b", position=1)
    second = write(store, loop)
    assert second.count(f"## {loop.name}") == 1
    assert "b (idb)" in second
    Path(loop.spec.markdown_out).unlink()
    assert write(store, loop) == second


def test_a_report_that_is_written_on_is_the_one_that_is_written_anew(store: Store, folder: Path) -> None:
    one, two = add_loop(store, folder, 1), add_loop(store, folder, 2)
    path = Path(one.spec.markdown_out)
    report = MarkdownReport(store, one.id, METRICS)

    def add_rounds(first: int, last: int) -> None:
        for number in range(first, last + 1):
            store.put_round(Round(loop=1, number=number, state=RoundState.DONE, started_at=1.0))
            base = f"r{number - 1}" if number > 1 else None
            add_proposal(store, add_run(store, str(number), id=f"r{number}", round=number, base_run=base))

    def prepend() -> None:
        path.write_text(f"# Ours\n\n{path.read_text()}our conclusions, of any length\n")

    steps: list[Callable[[], object]] = [
        lambda: add_rounds(1, 3),
        lambda: add_rounds(4, 4),
        lambda: None,
        prepend,
        lambda: add_rounds(5, 6),
        lambda: add_run(store, "2", id="r2", round=2, base_run="r1", state=RunState.RUNNING),
        lambda: write(store, two),
        lambda: add_run(store, "2", id="r2", round=2, base_run="r1", summary=summary(train__l1_loss=0.1)),
        lambda: add_loop(store, folder, 1, winner="r2"),
        path.unlink,
        lambda: add_rounds(7, 7),
    ]
    for step in steps:
        step()
        assert report.write() is None
        written = path.read_text()
        assert write(store, one) == written
        assert report.write() is None  # the file is from `write`, not as this object left it
        assert path.read_text() == written
    assert "| 2 (r2) | 1 (r1) | finished | 2 | – | 0.1 (-80.0%) |" in written
    assert "r7)" in written


def test_the_rounds_that_did_not_change_are_not_read_again(store: Store, folder: Path) -> None:
    loop = add_loop(store, folder, rounds=2)
    path = Path(loop.spec.markdown_out)
    add_run(store, "a")
    add_run(store, "b", round=2)
    report = MarkdownReport(store, loop.id, METRICS)
    assert report.write() is None
    with Store.open(store.places.project) as another:
        add_run(another, "changed", id="ida")
    add_run(store, "c", round=2, position=1)
    assert report.write() is None
    assert "changed" not in path.read_text()
    assert "c (idc)" in path.read_text()
    assert "changed" in write(store, loop)


def test_the_text_that_people_wrote_around_the_sections_is_kept(store: Store, folder: Path) -> None:
    path = folder / "report.md"
    folder.mkdir()
    path.write_text("# Ours\n\nread this first\n", encoding="utf-8")
    one, two = add_loop(store, folder, 1), add_loop(store, folder, 2)
    add_run(store, "a", loop=1)
    add_run(store, "b", loop=2, id="idb2")
    write(store, one)
    write(store, two)
    parts = path.read_text().split("<!-- /autoloop")
    path.write_text(
        parts[0]
        + "<!-- /autoloop"
        + parts[1].replace("-->\n", "-->\nbetween the two\n", 1)
        + "<!-- /autoloop"
        + parts[2]
        + "after both\n"
    )
    add_run(store, "late", loop=1, position=1)
    write(store, one)
    text = write(store, two)
    theirs = ("# Ours\n\nread this first\n", "between the two\n", "after both\n")
    in_order = [theirs[0], one.name, "(idlate)", theirs[1], two.name, "(idb2)", theirs[2]]
    places = [text.index(part) for part in in_order]
    assert places == sorted(places)
    assert (text.count(f"## {one.name}"), text.count(f"## {two.name}")) == (1, 1)


def test_a_section_whose_end_a_person_deleted_costs_none_of_their_text(store: Store, folder: Path) -> None:
    loop = add_loop(store, folder)
    add_run(store, "a")
    path = folder / "report.md"
    path.write_text(write(store, loop).replace(f"<!-- /autoloop {loop.name} -->", "my own conclusions"))
    for _ in range(3):
        text = write(store, loop)
        assert "my own conclusions" in text
        assert text.count("<!-- /autoloop") == 1


@pytest.mark.parametrize(
    "around", [b"caf\xe9 \xff\n", b"line\r\nline\r\n", "漢字\n".encode(), b"\xef\xbb\xbfwith a mark\n"], ids=range(4)
)
def test_text_in_any_encoding_or_with_any_line_ends_is_kept_byte_by_byte(store: Store, folder: Path, around: bytes) -> None:
    loop = add_loop(store, folder)
    add_run(store, "a")
    path = folder / "report.md"
    folder.mkdir()
    path.write_bytes(around)
    for _ in range(2):
        assert write_markdown(store, loop.id, METRICS) is None
    assert path.read_bytes().startswith(around)


def test_a_report_that_cannot_be_written_is_said_and_not_raised(store: Store, folder: Path) -> None:
    loop = add_loop(store, folder)
    folder.write_text("a file where a folder should be")
    said = write_markdown(store, loop.id, METRICS)
    assert said is not None
    assert loop.spec.markdown_out in said
    assert "\n" not in said


NASTY = [
    *("a|b", "a\\|b", "a\\", "|", "\\\\|", "line\nbreak\r\nand\ttab", "`code", "<!-- x"),
    *("\x1b[31mred\x1b[0m\x07", "\u202egnp", "\u2028", "\x00"),
]
texts = st.one_of(st.sampled_from(NASTY), st.text(alphabet="ab|\\\n\r\t\x1b`<>!-# ", max_size=12))


@given(name=texts, reason=texts, path=texts, value=texts, metric=texts)
def test_no_name_reason_path_or_value_can_break_a_table_or_hide_a_control_character(
    tmp_path_factory: pytest.TempPathFactory, name: str, reason: str, path: str, value: str, metric: str
) -> None:
    folder = tmp_path_factory.mktemp("nasty")
    with Store.open(folder, create=True) as store:
        loop = add_loop(store, folder, title=name, end=LoopEnd(kind=LoopEndKind.WINNER, text=reason))
        marker = f"<!-- /autoloop {loop.name} -->"
        base = add_run(store, name, id="one", source_path=f"/{path}.json", summary=summary(**{metric: 0.5}))
        add_run(store, name, id="two", position=1, base_run="one", state=RunState.FAILED, reason=reason + marker)
        changes = [Change(path=path, before=value, after=[value])]
        add_proposal(store, base, reason=reason + marker, author=Actor.person(name), changes=changes, note=value)
        add_proposal(store, base, edits=[path], changes=[])
        text = render(store, loop.id, METRICS)
        assert all(character.isprintable() or character == "\n" for character in text)
        runs, proposals = tables(text)
        assert [len(row) for row in runs] == [len(runs[0])] * 4
        assert [len(row) for row in proposals] == [6] * 4
        assert marker not in text
        first = write(store, loop)
        assert write(store, loop) == first


def test_a_metric_whose_short_name_holds_a_bar_does_not_break_the_table(store: Store, folder: Path) -> None:
    loop = add_loop(store, folder)
    add_run(store, "a", summary=summary(**{"train/a|b": 0.5}))
    book = parse_metric_book('key = ["train/a|b"]\n[[metric]]\nname = "train/a|b"\nshort = ["a|b"]\n', "own.toml")
    (table,) = tables(render(store, loop.id, METRICS.extended(book)))
    assert [len(row) for row in table] == [5, 5, 5]
    assert table[0][4] == "a\\|b"


def test_the_use_of_gpus_is_told_of_the_runs_that_were_sampled(store: Store, folder: Path) -> None:
    loop = add_loop(store, folder)
    add_run(store, "cpu")
    assert "GPU use" not in write(store, loop)
    use = GpuUse(
        gpus=1, seconds=60.0, utilisation=87.4, idle_share=0.04, peak_memory_gib=12.34, power=312.2, energy_wh=1234.0
    )
    add_run(store, "gpu", summary=Summary(gpu=use))
    words = "utilisation 87 %, idle 4 % of the time, memory up to 12.3 GiB, 312 W, 1.23 kWh"
    assert f"GPU use:\n\n- gpu (idgpu): {words}\n" in write(store, loop)
