"""Pictures and a recording of the console for the README, from a real loop: `python -m docs.make_pictures`.

It trains the demo's model on the CPU in two rounds of eight runs (some minutes on two cores): a baseline whose learning
rate is too low and a better config, four seeds each, then what the rules make of both. It decides in between as a person
would, takes each picture at the moment it is about, and records the whole. With the folder of a finished demo it takes
what can be seen there. The pictures are SVG files: `docs/pictures/<screen>-<theme>-<columns>x<rows>.svg`, and
`docs/pictures/recording.svg`.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import json
import os
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
from docs.recording import Recording

TERMINAL = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
"""The terminal that pictures are taken on, wherever the program runs."""

PATIENCE = 1200.0
"""Maximum time, in seconds, until a stage of the demo is reached."""

READING = 40.0
"""Time, in seconds, within which a screen should have read everything it shows."""

STEPS = 400
SLOTS = 8
HERO = (160, 45)
"""Size of the pictures with eight slots."""
RECORDED = (112, 32)

SETTLE = 1.2
"""Seconds for a screen to read and draw everything: more than one period of its slowest timer."""

Steps = Callable[[Pilot[int], Snapshot], Awaitable[None]]


class Photographer:
    """Opens the console without a terminal, in each requested size and theme, and saves screenshots."""

    def __init__(self, project: Path, out: Path, sizes: list[tuple[int, int]], themes: list[str]) -> None:
        self.project, self.out, self.sizes, self.themes = project, out, sizes, themes
        out.mkdir(parents=True, exist_ok=True)

    def take_at(self, name: str, size: tuple[int, int], moment: Callable[[Snapshot], bool]) -> None:
        """Take the console's first screen at one moment of a running loop, in the dark and the light theme."""

        async def shots() -> dict[str, str]:
            app = ConsoleApp(self.project, preferences=Preferences(theme="dark"))
            async with app.run_test(size=size) as pilot:
                await pilot.press("4")  # a run of the better config; its curves are read until the moment comes
                while (snapshot := self.snapshot()) is None or not moment(snapshot):
                    if snapshot is not None and snapshot.loop.state is not LoopState.ACTIVE:
                        raise SystemExit(f"The demo ended before the picture {name}: the machine is too busy.")
                    await pilot.pause(0.3)
                taken = {}
                for app.theme in ("dark", "light"):
                    await pilot.pause(2 * SETTLE)
                    taken[app.theme] = app.export_screenshot(title="autoloop-tui")
                return taken

        for theme, picture in asyncio.run(asyncio.wait_for(shots(), PATIENCE)).items():
            self._keep(f"{name}-{theme}-{size[0]}x{size[1]}", picture)

    def _keep(self, name: str, picture: str) -> None:
        path = self.out / f"{name}.svg"
        path.write_text(local_fonts(picture), encoding="utf-8")
        print(path, flush=True)

    def snapshot(self) -> Snapshot | None:
        """Return the current state of the loop; None if there is none yet."""
        try:
            with Store.open(self.project) as store:
                return take_snapshot(store, store.find_loop(None).id)
        except UserError:
            return None

    def take(self, name: str, steps: Steps) -> None:
        """Take one picture of a screen for each size and theme. `steps` navigates to it from the Slots screen."""

        def console(theme: str) -> App[int]:
            return ConsoleApp(self.project, preferences=Preferences(theme=theme))

        async def led(pilot: Pilot[int]) -> None:
            snapshot = self.snapshot()
            assert snapshot is not None
            await steps(pilot, snapshot)
            looks = [""]

            def still(picture: str) -> bool:
                looks.append(picture)
                return looks[-1] == looks[-2] and "reading" not in picture

            await until_read(pilot, still)

        self._take(name, console, led)

    def take_welcome(self) -> None:
        async def nothing(pilot: Pilot[int]) -> None:
            await pilot.pause()

        folder = Path("/home/me/lerobot")  # only displayed: a folder without a loop
        self._take("welcome", lambda theme: WelcomeApp(folder, preferences=Preferences(theme=theme)), nothing)

    def _take(
        self,
        name: str,
        make: Callable[[str], App[int]],
        led: Callable[[Pilot[int]], Awaitable[None]],
    ) -> None:
        for columns, rows in self.sizes:
            for theme in self.themes:

                async def shot(theme: str = theme, size: tuple[int, int] = (columns, rows)) -> str:
                    app = make(theme)
                    async with app.run_test(size=size) as pilot:
                        await led(pilot)
                        return app.export_screenshot(title="autoloop-tui")

                self._keep(f"{name}-{theme}-{columns}x{rows}", asyncio.run(shot()))


async def until_read(pilot: Pilot[int], reached: Callable[[str], bool]) -> None:
    """Wait until a screenshot is as wanted, or READING has passed: on a busy machine, reading histories takes time."""
    end = time.monotonic() + READING
    while time.monotonic() < end:
        await pilot.pause(SETTLE)
        if reached(pilot.app.export_screenshot()):
            return


def local_fonts(svg: str) -> str:
    """Return the picture with the reader's own monospace fonts, so that it loads nothing from a server."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return svg.replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")


# --------------------------------------------------------------------------------------------------------- the screens


async def slots(pilot: Pilot[int], snapshot: Snapshot) -> None:
    await pilot.pause(SETTLE)


async def finish(pilot: Pilot[int], snapshot: Snapshot) -> None:
    await pilot.press("W")


async def proposals(pilot: Pilot[int], snapshot: Snapshot) -> None:
    await pilot.press("p")


async def rounds(pilot: Pilot[int], snapshot: Snapshot) -> None:
    await pilot.press("r")


async def compare(pilot: Pilot[int], snapshot: Snapshot) -> None:
    configs: dict[str, str] = {}
    for run in snapshot.runs:
        if run.state is RunState.FINISHED:
            configs.setdefault(run.group or run.id, run.id)
    assert isinstance(pilot.app, ConsoleApp)
    pilot.app.marked = list(configs.values())[:4]
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
    """Return the last finished run that was made from another run, else the last run."""
    variants = [run for run in snapshot.runs if run.base_run and run.state is RunState.FINISHED]
    return (variants or snapshot.runs)[-1]


# ------------------------------------------------------------------------------------------------------------ the demo


def write_configs(folder: Path) -> list[Path]:
    """Write a baseline whose learning rate is far too low, and a better config."""
    (folder / "configs").mkdir(parents=True)
    # There is no terminal: this program approves, as a script.
    (folder / "autoloop.toml").write_text('[agents.script]\nallow = ["approve"]\n', encoding="utf-8")
    paths = []
    for name, rate, tau in (("reach_base", 1e-5, 0.05), ("reach_lr_2e-3", 2e-3, 2.0)):
        config = copy.deepcopy(project.BASELINE)
        config["job_name"], config["policy"]["optimizer_lr"] = name, rate
        config["ot"]["loss_config"].update(tau_src=tau, tau_tgt=tau)
        paths.append(folder / "configs" / f"{name}.json")
        paths[-1].write_text(json.dumps(config, indent=4) + "\n", encoding="utf-8")
    return paths


@contextmanager
def demo(folder: Path) -> Iterator[None]:
    """Run the demo: two rounds with manual approval. Whatever still runs is stopped on exit."""
    configs = write_configs(folder)
    script = Path(project.__file__).with_name("train.py")
    words = [sys.executable, "-m", "autoloop_tui.cli.main", "run", "--exec", "--no-ui", "--device", "cpu", "--decide"]
    words += ["--no-live"]  # live rules would stop the baseline, with which everything is compared
    words += ["--rounds", "2", "--approve", "manual", "--variants-per-run", "1", "--concurrency", str(SLOTS)]
    words += ["--seeds", "4", "--replicates", "0", "--name", "reach"]
    words += ["--steps", str(STEPS), "--log-freq", "10", "--eval-freq", "25", "--train-script", str(script)]
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
    """Poll the store until the demo has reached a state. Exit if the demo ends first or takes too long."""
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


def progress(snapshot: Snapshot, number: int) -> float:
    """Return the share of a round that has been trained, from 0 to 1."""
    runs = [run for run in snapshot.runs if run.round == number]
    return sum(run.step / run.total_steps for run in runs) / len(runs) if runs else 0.0


def under_way(snapshot: Snapshot) -> bool:
    """Return whether every slot trains a variant and the round is far enough along for a picture."""
    running = [run for run in snapshot.runs if run.round == 2 and run.state is RunState.RUNNING]
    return len(running) == SLOTS and progress(snapshot, 2) > 0.35


class Film:
    """Records the console while the demo runs. Each scene opens the console, records it for a while and closes it."""

    def __init__(self, photographer: Photographer) -> None:
        self.photographer, self.recording = photographer, Recording(*RECORDED)

    def shoot(self, scene: Callable[[Pilot[int]], Awaitable[None]]) -> None:
        async def play() -> None:
            app = ConsoleApp(self.photographer.project, preferences=Preferences(theme="dark"))
            async with app.run_test(size=RECORDED) as pilot:
                await pilot.pause(2 * SETTLE)
                await scene(pilot)

        asyncio.run(play())

    def frame(self, pilot: Pilot[int], seconds: float, *, poster: bool = False) -> None:
        self.recording.add(pilot.app.export_screenshot(), seconds, poster=poster)

    async def key(self, pilot: Pilot[int], key: str, seconds: float) -> None:
        await pilot.press(key)
        await pilot.pause(2 * SETTLE)
        self.frame(pilot, seconds)

    async def train(self, pilot: Pilot[int], number: int, until: float, *, every: float = 0.08) -> None:
        """Add a frame each time the round has advanced by `every`, until it reaches the share `until`."""
        shown, end = -1.0, time.monotonic() + PATIENCE
        while time.monotonic() < end and (snapshot := self.photographer.snapshot()) is not None:
            reached = progress(snapshot, number)
            if snapshot.loop.state is not LoopState.ACTIVE or (snapshot.waits_for_decision and number == 1):
                return
            if reached - shown >= every:
                shown = reached
                self.frame(pilot, 0.7, poster=number == 2 and len(self.recording) > 0)
            if reached >= until:
                return
            await pilot.pause(0.3)
        raise SystemExit(f"Round {number} of the demo has not come so far.")


def take_live(photographer: Photographer, film: Film) -> None:
    """Take what can only be seen while a loop runs."""

    async def first_round(pilot: Pilot[int]) -> None:
        await pilot.press("m")
        await film.train(pilot, 1, 1.0)

    async def decide(pilot: Pilot[int]) -> None:
        film.frame(pilot, 1.5)
        await film.key(pilot, "p", 3.5)
        await film.key(pilot, "a", 1.5)
        await film.key(pilot, "a", 2.5)
        await film.key(pilot, "s", 1.0)

    async def second_round(pilot: Pilot[int]) -> None:
        await pilot.press("m")
        await film.train(pilot, 2, 0.15)

    async def rest(pilot: Pilot[int]) -> None:
        await pilot.press("m")
        await film.train(pilot, 2, 1.0)

    wait_until(photographer, "round 1 trains", lambda snapshot: progress(snapshot, 1) > 0.02)
    film.shoot(first_round)
    wait_until(photographer, "round 1 waits for decisions", lambda snapshot: snapshot.waits_for_decision)
    photographer.take("proposals", proposals)
    film.shoot(decide)
    wait_until(photographer, "round 2 trains", lambda snapshot: progress(snapshot, 2) > 0.02)
    film.shoot(second_round)
    photographer.take_at("slots", HERO, under_way)
    film.shoot(rest)
    wait_until_finished(photographer)


def record_end(film: Film) -> None:
    """Record the end: rounds, the two configs side by side, the result."""

    async def end(pilot: Pilot[int]) -> None:
        film.frame(pilot, 2.0)
        await film.key(pilot, "r", 3.0)
        await film.key(pilot, "W", 4.0)
        await film.key(pilot, "c", 4.0)

    film.shoot(end)
    path = film.photographer.out / "recording.svg"
    film.recording.write(path)
    print(path, f"{path.stat().st_size / 1000:.0f} kB, {len(film.recording)} frames", flush=True)


def wait_until_finished(photographer: Photographer) -> None:
    print("waiting until the demo has finished", flush=True)
    end = time.monotonic() + PATIENCE
    while (snapshot := photographer.snapshot()) is None or snapshot.loop.state is LoopState.ACTIVE:
        if time.monotonic() > end:
            raise SystemExit("The demo has not finished.")
        time.sleep(0.3)


def take_finished(photographer: Photographer, *, all_: bool) -> None:
    """Take the screens of a finished loop."""
    if all_:
        photographer.take("slots", slots)
        photographer.take("proposals", proposals)
    photographer.take("rounds", rounds)
    photographer.take("compare", compare)
    photographer.take("finish", finish)
    # The other two parts show paths of the machine on which the picture is taken.
    for part, key in (("run", "1"), ("log", "2")):
        photographer.take(part, run_screen(key))
    photographer.take("help", help_)
    photographer.take_welcome()


def size(text: str) -> tuple[int, int]:
    columns, _, rows = text.partition("x")
    return int(columns), int(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="the folder of a finished demo; by default, a new demo runs")
    parser.add_argument("--size", type=size, action="append", help="COLUMNSxROWS; may be repeated (default: 120x40)")
    parser.add_argument("--theme", action="append", help="may be repeated (default: dark)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "pictures")
    given = parser.parse_args()
    os.environ |= TERMINAL
    sizes, themes = given.size or [(120, 40)], given.theme or ["dark"]
    if given.folder:
        photographer = Photographer(given.folder.resolve(), given.out, sizes, themes)
        if photographer.snapshot() is None:
            parser.error(f"there is no loop in {given.folder}")
        take_finished(photographer, all_=True)
        return
    with tempfile.TemporaryDirectory(prefix="autoloop-") as folder:
        photographer = Photographer(Path(folder) / "demo", given.out, sizes, themes)
        film = Film(photographer)
        with demo(photographer.project):
            take_live(photographer, film)
        record_end(film)
        take_finished(photographer, all_=False)


if __name__ == "__main__":
    main()
