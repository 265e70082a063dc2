"""How often verdicts are wrong, how many runs they need, and what a search with them brings.

    python -m bench.judgement [PART ...] [--quick] [--seed N] [--steps N] [--results FOLDER]

Parts: `simulated` noise, the table of `seeds`, `real` loops of the demo, `search`; all of them without a name. Seeds are
printed. What has been trained is kept in the folder of the results, so that a bench that was interrupted goes on there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.judgement import real_loops, search, seeds, simulated
from bench.judgement.arms import ARMS, Task
from bench.judgement.training import prepare
from bench.judgement.warm import warm_trainer

PARTS = ("simulated", "seeds", "real", "search")
RESULTS = Path(__file__).resolve().parent.parent / ".cache" / "judgement"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="a few of everything, to see that it works")
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=300, help="of a training")
    parser.add_argument("--simulated-loops", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=10, help="of the table of seeds")
    parser.add_argument("--loops", type=int, default=20, help="real loops")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), help="searches")
    parser.add_argument("--runs", type=int, default=24, help="trainings of a search")
    parser.add_argument("--repetitions", type=int, default=10, help="of each search")
    parser.add_argument("--fresh", type=int, default=10, help="fresh seeds for the chosen config")
    parser.add_argument("--workers", type=int, default=2, help="trainings at a time")
    parser.add_argument("--so-far", action="store_true", help="report the loops and searches that have been carried out")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; the parts are {', '.join(PARTS)}")
    if given.quick:
        given.steps, given.simulated_loops, given.seeds, given.loops = 30, 50, 4, 1
        given.runs, given.repetitions, given.fresh = 8, 1, 2
    parts = given.parts or PARTS
    print(f"seed {given.seed}")
    if "simulated" in parts:
        simulated.loops(given.simulated_loops, given.seed)
        simulated.power(given.simulated_loops, given.seed)
    if {"seeds", "real", "search"}.intersection(parts):
        prepare()
        with warm_trainer() as server:
            train(given, set(parts), server)


def train(given: argparse.Namespace, parts: set[str], server: Path) -> None:
    if "seeds" in parts:
        seeds.report(seeds.seeds(given.seeds, given.steps, given.seed, given.results, given.workers), given.steps)
    if "real" in parts:
        for confirm in (True, False):
            wanted = real_loops.Wanted(confirm, given.steps, given.seed, given.results)
            if not given.so_far:
                real_loops.train(wanted, given.loops, server)
            real_loops.report(wanted)
    if "search" in parts:
        tasks = [
            Task(number, given.runs, given.steps, given.seed + 1000 * number, given.results / "trainings", server)
            for number in range(given.repetitions)
        ]
        if not given.so_far:
            search.search(given.arms, tasks, given.fresh, given.results, given.workers)
        judged = search.found(given.arms, tasks, given.results)
        search.report(judged, search.fresh_baseline(tasks[0], given.fresh), tasks[0])


if __name__ == "__main__":
    main()
