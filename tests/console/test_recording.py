"""The README's recording: an SVG that plays when opened, and stores unchanged parts only once."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from textual.app import App, ComposeResult
from textual.widgets import Static

from docs.recording import Recording


class Counting(App[None]):
    def compose(self) -> ComposeResult:
        yield Static("stays & is <escaped>")
        yield Static("one", id="moves")


async def test_each_row_is_kept_once_for_as_long_as_it_stays(tmp_path: Path) -> None:
    recording = Recording(40, 6)
    app = Counting()
    async with app.run_test(size=(40, 6)) as pilot:
        for word in ("one", "one", "two"):
            app.query_one("#moves", Static).update(word)
            await pilot.pause()
            recording.add(app.export_screenshot(), 1.5, poster=word == "two")
    assert len(recording) == 2
    path = tmp_path / "recording.svg"
    recording.write(path)

    groups = [
        (each.get("class", ""), "".join(each.itertext()).replace("\xa0", " ").strip())
        for each in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}g")
    ]
    shown = [(names, text) for names, text in groups if text in ("stays & is <escaped>", "one", "two")]
    assert shown == [("", "stays & is <escaped>"), ("t f0-1 h", "one"), ("t f1-2", "two")]
    text = path.read_text(encoding="utf-8")
    assert ".t{animation:4.5s" in text
    assert "@keyframes f0-1{0%{visibility:visible}66.667%{visibility:hidden}}" in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
