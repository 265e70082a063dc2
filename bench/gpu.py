"""What needs a GPU, as one program of at most eight minutes: `make test-gpu`.

    python bench/gpu.py [--to FOLDER]     with a Python that has torch with CUDA
    python bench/gpu.py --prepare         first, where the network is: our packages to .envs/gpu, for such a Python elsewhere

It prints a line for each check and writes gpu.json, of which `python -m bench report` makes a part of the report. Exit code
1 if a check failed, 0 without a GPU. Runs, engines and the driver are real; the training is `gpu_trainer.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGES_FOLDER = ROOT / ".envs" / "gpu"
OURS = [str(ROOT / "core"), str(ROOT)]
sys.path[:0] = OURS
if PACKAGES_FOLDER.exists():
    sys.path.append(str(PACKAGES_FOLDER))

from bench.gpu_loops import TRAINER, Card, Gpus, nvidia_smi, wait_until  # noqa: E402

LONGEST = 450.0
"""Seconds; a check that would begin later is left out."""
PAIRS, PAIR_SECONDS = 5, 6.0
"""Trainings with and without the product, in turn, and how long each is measured."""
GIB = 1 << 30


class Check(NamedTuple):
    name: str
    ok: bool
    said: str


# --------------------------------------------------------------------------------------------------------------- checks


def figures_of_the_driver(here: Gpus) -> Check:
    """NVML's figures beside nvidia-smi's, under load."""
    from autoloop import gpus

    with here.stranger(4) as process:
        time.sleep(3)
        ours, theirs = gpus.read(), nvidia_smi()
        by_index = {card.index: card for card in ours.gpus}
        wrong = [text for card in theirs if (text := differs(by_index.get(card.number), card))]
        card = by_index[here.card]
        listed = any(each.pid == process.pid for each in card.processes)
    said = f"{len(theirs)} GPU(s), {card.name}, {card.utilisation} %, {card.power} W; process listed by its pid: {listed}"
    users = card.users
    return Check(
        "figures of NVML beside nvidia-smi", not wrong and bool(users), "; ".join([*wrong, said, f"users: {users}"])
    )


def differs(ours: Any, card: Card) -> str | None:
    """In which figure two readings of one card differ by more than a moment explains; None if in none."""
    if ours is None:
        return f"GPU {card.number} is not listed"
    if ours.name != card.name:
        return f"GPU {card.number} is {ours.name} and {card.name}"
    pairs = {
        "memory total, MiB": ((ours.memory_total or 0) / 2**20, card.total, 0.03 * card.total),
        "memory used, MiB": ((ours.memory_used or 0) / 2**20, card.used, 1024.0),
        "power, W": (ours.power, card.power, max(60.0, 0.4 * card.power)),
        "temperature": (ours.temperature, card.temperature, 5.0),
    }
    for what, (mine, other, room) in pairs.items():
        if other == other and (mine is None or abs(mine - other) > room):  # a NaN is not equal to itself
            return f"GPU {card.number}, {what}: {mine} and {other}"
    return None


def one_after_the_other(here: Gpus) -> Check:
    """A slot is a GPU: two runs, of which the first leaves a process with memory behind; the second finds none."""
    runs = here.drive(here.loop({"mode": "leave", "seconds": 2, "gib": 8}, {"mode": "train", "seconds": 2}))
    seen = [here.seen(run) for run in runs]
    if not all(seen):
        return Check("a slot is a GPU, and its memory is back", False, "; ".join(map(here.failure, runs)))
    first, second = seen
    used = second["others"][here.card] / GIB if second["others"] else 0.0
    apart = second["begun"] >= first["ended"]
    cards = {each["cards"] for each in seen}
    ok = apart and used < 2 and len(cards) == 1 and None not in cards
    gap = second["begun"] - first["ended"]
    said = f"on {cards}; next start {gap:.1f} s after the end, {used:.1f} GiB in use then"
    return Check("a slot is a GPU, and its memory is back", ok, said)


def two_share(here: Gpus) -> Check:
    """Two runs on one GPU, each with a share of its memory: two loops with --allow-busy, which have a slot there each."""
    from autoloop.engine import spawn

    shared = {"mode": "train", "seconds": 12, "gib": 4, "share": 0.4}
    first, second = (here.loop(shared, allow_busy=True) for _ in range(2))
    spawn(here.store, here.store.loop(second.id))
    runs = here.drive(first)
    wait_until(lambda: here.store.loop(second.id).state.value != "active", 90, "the second loop")
    runs += here.store.runs(second.id)
    seen = [here.seen(run) for run in runs]
    if not all(seen):
        return Check("two runs share a GPU", False, "; ".join(map(here.failure, runs)))
    together = min(each["ended"] for each in seen) - max(each["begun"] for each in seen)
    speeds = " and ".join(f"{each['steps_per_second']:.0f}" for each in seen)
    return Check("two runs share a GPU", together > 0, f"{together:.1f} s at the same time, {speeds} steps/s")


def busy(here: Gpus) -> Check:
    """A slot waits while somebody else computes there, says who, and starts once they are gone."""
    loop = here.loop({"mode": "train", "seconds": 2})
    said: list[str] = []
    with here.stranger(4) as process:

        def look() -> None:
            if not said and (waits := here.store.loop(loop.id).slot_waits):
                said.append(waits[0])
                process.kill()
                process.wait()

        (run,) = here.drive(loop, look)
    ok = bool(said) and "in use by" in said[0] and run.state.value == "finished"
    return Check("a busy GPU", ok, f"{said[0] if said else 'it did not wait'}; then {run.state.value}")


def auto(here: Gpus) -> Check:
    """`--gpus auto` takes the GPU while it is free, and not while somebody computes there."""
    from autoloop.model import UserError
    from autoloop.settings import Settings

    from autoloop_tui.cli.run_flags import gpus_of

    def chosen() -> list[int] | str:
        try:
            return gpus_of("auto", Settings())
        except UserError as error:
            return str(error)

    free = chosen()
    with here.stranger(4):
        taken = chosen()
    ok = here.card in free and (isinstance(taken, str) or here.card not in taken)
    return Check("--gpus auto", ok, f"free: {free}; busy: {taken}")


def out_of_memory(here: Gpus) -> Check:
    return failed_for(here, "out of memory", "oom", ("cuda-out-of-memory",))


def out_of_memory_by_torchrun(here: Gpus) -> Check:
    launcher = '"{python}", "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=1", '
    return failed_for(here, "out of memory, through torchrun", "oom", ("cuda-out-of-memory",), launcher=launcher)


def fallen_back(here: Gpus) -> Check:
    return failed_for(here, "fall-back to the CPU", "fallback", ("CPU",))


def failed_for(here: Gpus, name: str, mode: str, words: tuple[str, ...], **spec: Any) -> Check:
    """A run fails, and the words of its failure name the cause."""
    begun = time.monotonic()
    (run,) = here.drive(here.loop({"mode": mode, "seconds": 2}, **spec))
    said = here.failure(run)
    ok = run.state.value == "failed" and all(word in said for word in words) and time.monotonic() - begun < 100
    return Check(name, ok, said)


def history(here: Gpus) -> Check:
    """Utilisation, memory and power of a run as the engine kept them, beside nvidia-smi asked meanwhile."""
    asked: list[Card] = []
    last = 0.0

    def look() -> None:
        nonlocal last
        if time.monotonic() - last > 2:
            last = time.monotonic()
            asked.extend(card for card in nvidia_smi() if card.number == here.card)

    (run,) = here.drive(here.loop({"mode": "train", "seconds": 30, "gib": 6}), look)
    use = run.summary.gpu if run.summary else None
    if use is None:
        return Check("history of power and utilisation", False, f"none was kept; {here.failure(run)}")
    power = statistics.fmean(card.power for card in asked)
    busy = statistics.fmean(card.utilisation for card in asked)
    ok = use.seconds > 20 and (use.peak_memory_gib or 0) > 6
    ok = ok and (power != power or abs((use.power or 0) - power) < max(60, 0.35 * power))
    ok = ok and (busy != busy or abs((use.utilisation or 0) - busy) < 35)
    said = f"{use.seconds:.0f} s, {use.utilisation} % (nvidia-smi {busy:.0f}), {use.power} W ({power:.0f})"
    return Check("history of power and utilisation", ok, f"{said}, at most {use.peak_memory_gib} GiB")


def overhead(here: Gpus, seconds: float = PAIR_SECONDS) -> dict[str, list[float]]:
    """Steps per second of trainings alone and of runs of a loop, in turn."""
    speeds: dict[str, list[float]] = {"alone": [], "as a run": []}
    config = {"mode": "train", "seconds": seconds}
    environment = {**os.environ, "CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": str(here.card)}
    for turn in range(PAIRS):
        for name in ("alone", "as a run") if turn % 2 else ("as a run", "alone"):
            if name == "alone":
                folder = here.project / f"alone{turn}"
                folder.mkdir()
                (folder / "config.json").write_text(json.dumps(config))
                words = [sys.executable, str(TRAINER), str(folder / "config.json"), str(folder)]
                subprocess.run(words, env=environment, check=True)
                seen = json.loads((folder / "seen.json").read_text())
            else:
                (run,) = here.drive(here.loop(config))
                seen = here.seen(run)
            speeds[name].append(seen["steps_per_second"])
            print(f"  {name}: {speeds[name][-1]:.1f} steps/s", flush=True)
    return speeds


CHECKS = (
    figures_of_the_driver,
    one_after_the_other,
    two_share,
    busy,
    auto,
    out_of_memory,
    out_of_memory_by_torchrun,
    fallen_back,
    history,
)

# -------------------------------------------------------------------------------------------------------------- program


def checked(check: Callable[[Gpus], Check], here: Gpus) -> Check:
    """What a check came to, also if it broke."""
    try:
        return check(here)
    except Exception as error:
        return Check(check.__name__.replace("_", " "), False, f"{type(error).__name__}: {error}")


def missing() -> str | None:
    """Why nothing can be measured here, in a line; None if all is here."""
    try:
        from autoloop import gpus

        report = gpus.read()
    except ImportError as error:
        return f"not run: {error}; `python bench/gpu.py --prepare` brings our packages to {PACKAGES_FOLDER}"
    if report.error or not report.gpus:
        return f"not run: no GPU is here ({report.error or 'the driver lists none'})"
    try:
        import torch
    except ImportError:
        return "not run: this Python has no torch"
    return None if torch.cuda.is_available() else f"not run: torch {torch.__version__} sees no CUDA here"


def prepare() -> None:
    """Our packages for a machine that has torch and no network: made here, by the same version of Python."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    words = [sys.executable, "-m", "pip", "install", "-q", "--target", str(PACKAGES_FOLDER), "-c", "constraints.txt"]
    subprocess.run([*words, *project["dependencies"]], cwd=ROOT, check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=ROOT / "docs" / "performance", help="where gpu.json is written")
    parser.add_argument("--prepare", action="store_true")
    given = parser.parse_args()
    if given.prepare:
        prepare()
        return 0
    # Engines and trainings find our packages by it.
    os.environ["PYTHONPATH"] = os.pathsep.join([*OURS, str(PACKAGES_FOLDER)])
    if why := missing():
        print(why)
        return 0
    return measure(given.to)


def measure(folder: Path) -> int:
    from bench import measuring

    begun = time.monotonic()
    what = (__doc__ or "").partition("\n\n")[0]
    result = measuring.begin("gpu", "GPU", what, ("torch", "nvidia-ml-py"))
    result.machine += "; " + ", ".join(f"{card.name}, {card.total / 1024:.0f} GiB" for card in nvidia_smi())
    failed = 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        here = Gpus(Path(place))
        for check in CHECKS:
            if time.monotonic() - begun > LONGEST:
                result.notes.append(f"**not run** — {check.__name__.replace('_', ' ')}: no time was left.")
                print(result.notes[-1], flush=True)
                continue
            found = checked(check, here)
            failed += not found.ok
            result.notes.append(f"**{'passed' if found.ok else 'failed'}** — {found.name}: {found.said}")
            print(
                f"{time.monotonic() - begun:5.0f} s  {'passed' if found.ok else 'FAILED'}  {found.name}: {found.said}",
                flush=True,
            )
        if time.monotonic() - begun < LONGEST - PAIRS * 2 * (PAIR_SECONDS + 8):
            try:
                add_overhead(result, overhead(here))
            except Exception as error:
                failed += 1
                result.notes.append(f"**failed** — overhead: {type(error).__name__}: {error}")
                print(result.notes[-1], flush=True)
    result.seconds = round(time.monotonic() - begun, 1)
    print(f"{measuring.keep(result, folder)}: {failed} of {len(CHECKS) + 1} failed, {result.seconds:.0f} s")
    return int(bool(failed))


def add_overhead(result: Any, speeds: dict[str, list[float]]) -> None:
    from bench.measuring import Target

    table = result.table("A training on a GPU, alone and as a run, in turn")
    for name, values in speeds.items():
        table.add(name, "steps/s", values, ours=name != "alone")
    slower = [100 * (1 - run / alone) for alone, run in zip(speeds["alone"], speeds["as a run"], strict=True)]
    table.add("what the product takes", "%", slower, Target(1.0, "GPU time is what users pay for"))


if __name__ == "__main__":
    sys.exit(main())
