"""The detail text of a proposal."""

from __future__ import annotations

import pytest

from autoloop_tui.console.drawing.cutting import wrapped
from autoloop_tui.console.drawing.paint import cells


@pytest.mark.parametrize("width", [4, 7, 20])
def test_wrapped_text_is_whole_and_never_too_wide(width: int) -> None:
    text = "a bcd 长长的原因 0123456789012345678901234567890 e"
    lines = wrapped(text, width)
    assert max(map(cells, lines)) <= width
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
