"""Text for people and pipes: tables that fit, and logs and JSON that are harmless to a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autoloop_tui.cli.output import log_copy, printing
from autoloop_tui.cli.output.log_copy import copy_log
from tests.support.calls import calls_of


@pytest.mark.parametrize(
    ("log", "shown"),
    [
        ("  0%|  | 0/2\r 50%|█ | 1/2\r100%|██| 2/2\nloss 0.5\n", "100%|██| 2/2\nloss 0.5\n"),
        ("a\r\nb\r\n", "a\nb\n"),
        ("10%\r20%\r   \n", "20%\n"),
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b[2Jx\n", "red x\n"),
        ("\x9b31mc1 \u202eevil\x00\n", "c1 �evil�\n"),
        ("tabs\tstay\n", "tabs\tstay\n"),
        ("open", "open"),
    ],
)
def test_a_log_is_folded_and_harmless(log: str, shown: str) -> None:
    assert printing.log_text(log, fold=True) == shown


def test_a_bar_stays_alive_for_who_watches_it_on_a_terminal() -> None:
    assert printing.log_text("10%\r20%\r\x1b[K", fold=False) == "10%\r20%\r"


@given(st.text())
def test_nothing_in_a_log_acts(text: str) -> None:
    shown = printing.log_text(text, fold=True)
    assert all(c.isprintable() or c in "\n\t" for c in shown)


@given(st.lists(st.sampled_from(["1%\r", "2%\r", "done\n", "loss 0.5\n", "\r", "\n", "é"]), max_size=30), st.data())
def test_a_followed_log_shows_in_the_end_what_one_that_is_all_there_shows(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str], data: st.DataObject
) -> None:
    text = "".join(parts).encode()
    cut = data.draw(st.integers(0, len(text)))
    path = tmp_path_factory.mktemp("log") / "log.txt"
    with pytest.MonkeyPatch.context() as patch:
        masked = calls_of(patch, log_copy, "mask_bytes")
        path.write_bytes(text[:cut])
        offset, left_out = copy_log(path, 0, 0, False, [])
        path.write_bytes(text)
        copy_log(path, offset, left_out, True, [])
    shown = [piece for piece, _ in masked]
    assert b"".join(shown) == text
    assert all(piece.endswith(b"\n") for piece in shown[:-1] if piece)


@example("\x7f")
@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_is_the_same_document_and_does_nothing_to_a_terminal(document: object) -> None:
    text = printing.json_text(document)
    assert json.loads(text) == document
    assert all(c == "\n" or c.isprintable() for c in text)


@pytest.mark.parametrize("values", [[], [{"a": "l\ni\x7f€ []", "b": [], "c": {"d": [1, 2]}}], [1, "[]", {}]])
def test_an_answer_of_many_values_is_printed_as_they_are_read(values: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # these values fit no schema
    read: list[object] = []

    def reading() -> Iterator[object]:
        for value in values:
            read.append(value)
            yield value

    text = ""
    for number, part in enumerate(printing.answer_parts("runs", "runs", reading()), 1):
        assert len(read) == min(number, len(values))
        text += part
    assert text == printing.answer("runs", {"runs": values})


def test_a_log_is_printed_without_what_its_bars_went_through(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    log = tmp_path / "log.txt"
    log.write_bytes(b"\r".join(b"%d%%" % n for n in range(101)) + b"\nstep 5 loss 0.1\n")
    copy_log(log, 0, 0, True, [])
    assert capfdbinary.readouterr().out == b"100%\nstep 5 loss 0.1\n"


HEAD = ["round", "run", "state", "loss", "grad_norm", ""]
ROWS = [
    [1, "a-very-long-name-of-a-config-that-somebody-chose", "finished", "0.1234", "12.5", ""],
    [12, "名前がとても長い設定ファイル名", "failed", "–", "–", "the GPU ran out of memory while it made the first batch"],
]


@pytest.mark.parametrize("cells", [100, 80, 60, 50])
def test_a_table_fits_and_no_number_is_cut(cells: int) -> None:
    text = printing.table(HEAD, ROWS, texts=(1, 5), spare=(4, 3), cells=cells)
    *lines, last = text.splitlines()
    assert all(printing.width(line) <= cells for line in lines)
    for number in ("0.1234", "12.5"):
        column = "loss" if number == "0.1234" else "grad_norm"
        assert number in text or (column in last and last.startswith("Hidden columns (terminal too narrow): "))


def test_a_table_in_a_pipe_is_whole() -> None:
    text = printing.table(HEAD, ROWS, texts=(1, 5), spare=(4, 3))
    assert all(str(cell) in text for row in ROWS for cell in row)


@given(st.text(alphabet="ab/ 漢é", max_size=30), st.integers(2, 20))
def test_a_cut_text_is_as_wide_as_it_may_be(text: str, cells: int) -> None:
    cut = printing.cut(text, cells)
    assert printing.width(cut) <= cells
    assert cut == text or printing.width(cut) >= cells - 1


@given(st.text(alphabet="ab 漢", max_size=80), st.integers(25, 40))
def test_wrapped_lines_hold_every_word(text: str, cells: int) -> None:
    lines = printing.wrapped(text, cells, first="- ", others="  ")
    assert "".join(lines).split("- ", 1)[1].replace(" ", "") == text.replace(" ", "")
    assert all(printing.width(line) <= cells or len(line.split()) <= 2 for line in lines)
