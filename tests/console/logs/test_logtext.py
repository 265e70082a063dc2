from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from autoloop_tui.console.drawing.paint import fit
from autoloop_tui.console.logs.logtext import LINE_LIMIT, decode, sanitize, sanitize_long, split

NASTY = st.lists(
    st.binary(max_size=12)
    | st.sampled_from([b"\x1b[31m", b"\x1b]0;title\x07", b"\x1b]8;;http://x\x1b\\", b"\r", b"\n", b"\x1b", b"\xe6\x97"])
    | st.text(max_size=6).map(lambda text: text.encode("utf-8", "ignore"))
).map(b"".join)


@given(NASTY)
def test_any_bytes_become_printable_lines_one_for_each_newline(data: Any) -> None:
    lines = split(data)
    assert len(lines) == data.removesuffix(b"\n").count(b"\n") + 1
    for line in lines:
        assert line.replace("�", "").isprintable()
        assert cell_len(fit(line, 33)) == 33


def test_escape_sequences_are_taken_out_and_their_text_stays() -> None:
    assert sanitize("\x1b[1;31mError:\x1b[0m bad") == "Error: bad"
    assert sanitize("\x1b]0;evil title\x07done") == "done"
    assert sanitize("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\") == "link"
    assert sanitize("\x1b[2J\x1b[Hhello") == "hello"


def test_an_unfinished_sequence_does_not_swallow_the_line() -> None:
    assert sanitize("\x1b]0;no end, but text") == "0;no end, but text"
    assert sanitize("tail\x1b") == "tail"


def test_a_redrawn_progress_bar_is_its_last_state() -> None:
    assert sanitize("10%\r50%\r100% done") == "100% done"
    assert sanitize("100% done\r") == "100% done"
    assert sanitize("windows line\r") == "windows line"


def test_markup_is_left_as_it_is() -> None:
    assert sanitize("[bold red]x[/] {y}") == "[bold red]x[/] {y}"


def test_invalid_utf8_is_shown() -> None:
    assert split(b"a\xffb\n") == ["a\\xffb"]
    assert split("日本".encode() + b"\xe6\x97\n") == ["日本\\xe6\\x97"]


def test_a_character_that_is_still_being_written_is_not_shown_as_broken() -> None:
    assert decode("日".encode()[:2], final=False) == ""
    assert split("x日".encode()[:-1], final=False) == ["x"]


def test_text_direction_cannot_be_turned_round() -> None:
    assert sanitize("abc\u202edef\u2066") == "abcdef"


def test_a_line_is_capped_and_says_so() -> None:
    line = sanitize("x" * 10_000)
    assert line.startswith("x" * LINE_LIMIT)
    assert line.endswith(" … and 5 904 more characters")


def test_of_a_very_long_line_the_start_is_shown_or_its_last_redrawn_state() -> None:
    assert sanitize_long(b"start" * 2000, b"end" * 100, 10_000_000).endswith(" … a line of 9.5M")
    assert sanitize_long(b"0%\r", b"98%\r99%\r100%\r\n", 10_000_000) == "100%"


def test_a_progress_bar_gives_way_to_the_message_that_is_glued_to_it() -> None:
    glued = "Training:  46%|████▌     | 139/300 [00:01<00:01, 113.80step/s]INFO step:140 loss:0.4"
    assert sanitize(glued) == "INFO step:140 loss:0.4"
    bar = "Training: 100%|██████████| 300/300 [00:03<00:00, 95.66step/s]"
    assert sanitize(bar) == bar
