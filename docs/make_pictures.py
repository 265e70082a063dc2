"""Pictures of the console's screens for the README, from a real loop: `python docs/make_pictures.py`.

Without a folder it runs two rounds of the demo's training, five times as long as the demo does (about three minutes on
two cores), decides in between, and takes each picture at the moment it is about. With the folder of a finished demo it
takes what can be seen there. The pictures are SVG files: `docs/pictures/<screen>-<theme>-<columns>x<rows>.svg`.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from autoloop.demo import project
from autoloop.model import LoopState, Run, RunState, UserError
from autoloop.store import Snapshot, Store, take_snapshot
from textual.app import App
from textual.pilot import Pilot

from autoloop_tui.console.app import ConsoleApp
from autoloop_tui.console.preferences import Preferences
from autoloop_tui.console.screens.welcome import WelcomeApp

PATIENCE = 600.0
"""Seconds in which a stage of the demo must have been reached."""

STEPS = 5 * project.STEPS

SETTLE = 1.2
"""Seconds for a screen to read and draw all it shows: more than one turn of its slowest clock."""

Steps = Callable[[Pilot[int], Snapshot], Awaitable[None]]


class Photographer:
    """Opens the console without a terminal, at every asked size and theme, and keeps what it shows."""

    def __init__(self, project: Path, out: Path, sizes: list[tuple[int, int]], themes: list[str]) -> None:
        self.project, self.out, self.sizes, self.themes = project, out, sizes, themes
        out.mkdir(parents=True, exist_ok=True)

    def snapshot(self) -> Snapshot | None:
        """The loop as it stands; None while there is none."""
        try:
            with Store.open(self.project) as store:
                return take_snapshot(store, store.find_loop(None).id)
        except UserError:
            return None

    def take(self, name: str, steps: Steps, before: Callable[[], None] | None = None) -> None:
        """One picture of a screen for each size and theme; `steps` lead to it from the Slots screen.

        `before`: waits for the moment of each picture.
        """

        def console(theme: str) -> App[int]:
            return ConsoleApp(self.project, preferences=Preferences(theme=theme))

        async def led(pilot: Pilot[int]) -> None:
            snapshot = self.snapshot()
            assert snapshot is not None
            await steps(pilot, snapshot)
            await pilot.pause(SETTLE)

        self._take(name, console, led, before)

    def take_welcome(self) -> None:
        async def nothing(pilot: Pilot[int]) -> None:
            await pilot.pause()

        folder = Path("/home/me/lerobot")  # shown only: a folder without a loop
        self._take("welcome", lambda theme: WelcomeApp(folder, preferences=Preferences(theme=theme)), nothing)

    def _take(
        self,
        name: str,
        make: Callable[[str], App[int]],
        led: Callable[[Pilot[int]], Awaitable[None]],
        before: Callable[[], None] | None = None,
    ) -> None:
        for columns, rows in self.sizes:
            for theme in self.themes:

                async def shot(theme: str = theme, size: tuple[int, int] = (columns, rows)) -> str:
                    app = make(theme)
                    async with app.run_test(size=size) as pilot:
                        await led(pilot)
                        return app.export_screenshot(title="autoloop-tui")

                if before:
                    before()
                path = self.out / f"{name}-{theme}-{columns}x{rows}.svg"
                path.write_text(local_fonts(asyncio.run(shot())), encoding="utf-8")
                print(path, flush=True)


def local_fonts(svg: str) -> str:
    """The picture with the reader's own monospace fonts, so that it asks nothing of any server."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return svg.replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")


# --------------------------------------------------------------------------------------------------------- the screens


async def slots(pilot: Pilot[int], snapshot: Snapshot) -> None:
    await pilot.pause(SETTLE)


async def proposals(pilot: Pilot[int], snapshot: Snapshot) -> None:
    await pilot.press("p")


async def rounds(pilot: Pilot[int], snapshot: Snapshot) -> None:
    await pilot.press("r")


async def compare(pilot: Pilot[int], snapshot: Snapshot) -> None:
    variant = newest_variant(snapshot)
    chosen = [run for run in snapshot.runs if run.state is RunState.FINISHED][-4:]
    marked = [variant.base_run, variant.id, *(run.id for run in chosen)]
    assert isinstance(pilot.app, ConsoleApp)
    pilot.app.marked = list(dict.fromkeys(each for each in marked if each))[:4]
    await pilot.press("c")


def run_screen(key: str) -> Steps:
    async def steps(pilot: Pilot[int], snapshot: Snapshot) -> None:
        assert isinstance(pilot.app, ConsoleApp)
        pilot.app.open_run(newest_variant(snapshot).id)
        await pilot.pause()
        await pilot.press(key)

    return steps


async def help_(pilot: Pilot[int], snapshot: Snapshot) -> None:
    await pilot.press("question_mark")


def newest_variant(snapshot: Snapshot) -> Run:
    """The last finished run that came from another, else the last run."""
    variants = [run for run in snapshot.runs if run.base_run and run.state is RunState.FINISHED]
    return (variants or snapshot.runs)[-1]


# ------------------------------------------------------------------------------------------------------------ the demo


@contextmanager
def demo(folder: Path) -> Iterator[None]:
    """Two rounds of the demo's configs, with a person to approve; whatever still runs is stopped when we leave."""
    configs = project.write_project(folder)
    script = Path(project.__file__).with_name("train.py")
    words = [sys.executable, "-m", "autoloop_tui.cli.main", "run", "--exec", "--no-ui", "--device", "cpu", "--decide"]
    words += ["--no-live"]  # they would stop the baseline, which all else is compared with
    words += ["--rounds", "2", "--approve", "manual", "--variants-per-run", "1", "--concurrency", "2"]
    words += ["--steps", str(STEPS), "--log-freq", "20", "--eval-freq", "50", "--train-script", str(script)]
    words += ["--cfgs", *(str(path.resolve()) for path in configs)]
    with folder.with_name(f"{folder.name}.log").open("wb") as output:
        process = subprocess.Popen(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait()


def wait_until(photographer: Photographer, what: str, reached: Callable[[Snapshot], bool]) -> None:
    """Look at the store until the demo is so far."""
    print(f"waiting until {what}", flush=True)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        snapshot = photographer.snapshot()
        if snapshot is not None and reached(snapshot):
            return
        if snapshot is not None and snapshot.loop.state is not LoopState.ACTIVE:
            raise SystemExit(f"The demo ended before {what}: {snapshot.loop.reason}")
        time.sleep(0.3)
    raise SystemExit(f"The demo has not come so far that {what}.")


def under_way(snapshot: Snapshot) -> bool:
    """Variants run, have something to show, and go on for a while."""
    running = [run for run in snapshot.runs if run.round == 2 and run.state is RunState.RUNNING]
    return any(0.25 < run.step / run.total_steps < 0.75 for run in running)


def decide(photographer: Photographer, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "autoloop_tui.cli.main", *words], cwd=photographer.project, check=True)


def take_live(photographer: Photographer) -> None:
    """What can only be seen while a loop goes on."""
    wait_until(photographer, "round 1 waits for decisions", lambda snapshot: snapshot.waits_for_decision)
    snapshot = photographer.snapshot()
    assert snapshot is not None
    pending = [proposal.id for proposal in snapshot.proposals if proposal.status.value == "pending"]
    if len(pending) > 2:
        decide(photographer, "approve", str(pending[0]))
        decide(photographer, "reject", str(pending[-1]), "--reason", "one change at a time")
    photographer.take("proposals", proposals)
    decide(photographer, "approve", "--all")  # when nothing is pending any more the round starts by itself
    photographer.take("slots", slots, before=lambda: wait_until(photographer, "a variant is under way", under_way))
    wait_until_finished(photographer)


def wait_until_finished(photographer: Photographer) -> None:
    print("waiting until the demo has finished", flush=True)
    end = time.monotonic() + PATIENCE
    while (snapshot := photographer.snapshot()) is None or snapshot.loop.state is LoopState.ACTIVE:
        if time.monotonic() > end:
            raise SystemExit("The demo has not finished.")
        time.sleep(0.3)


def take_finished(photographer: Photographer, *, all_: bool) -> None:
    """What a finished loop shows."""
    if all_:
        photographer.take("slots", slots)
        photographer.take("proposals", proposals)
    photographer.take("rounds", rounds)
    photographer.take("compare", compare)
    # The other two parts show paths of the machine that took the picture.
    for part, key in (("run", "1"), ("log", "2")):
        photographer.take(part, run_screen(key))
    photographer.take("help", help_)
    photographer.take_welcome()


def size(text: str) -> tuple[int, int]:
    columns, _, rows = text.partition("x")
    return int(columns), int(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="a finished demo; without it a new one is run")
    parser.add_argument("--size", type=size, action="append", help="COLUMNSxROWS, may be repeated (120x40)")
    parser.add_argument("--theme", action="append", help="may be repeated (dark)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "pictures")
    given = parser.parse_args()
    sizes, themes = given.size or [(120, 40)], given.theme or ["dark"]
    if given.folder:
        photographer = Photographer(given.folder.resolve(), given.out, sizes, themes)
        if photographer.snapshot() is None:
            parser.error(f"there is no loop in {given.folder}")
        take_finished(photographer, all_=True)
        return
    with tempfile.TemporaryDirectory(prefix="autoloop-") as folder:
        photographer = Photographer(Path(folder) / "demo", given.out, sizes, themes)
        with demo(photographer.project):
            take_live(photographer)
        take_finished(photographer, all_=False)


if __name__ == "__main__":
    main()
