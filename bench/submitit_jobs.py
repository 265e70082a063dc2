"""Jobs through submitit, for `places.py latency`: run by the Python of an environment that has submitit.

Arguments: a folder that the nodes see, how many jobs, one after the other, and the seconds of each. Prints JSON: of each job
the seconds from submit to start, and from its end until `job.wait()` returned.
"""

from __future__ import annotations

import json
import sys
import time

import submitit


def work(seconds: float) -> tuple[float, float]:
    begun = time.time()
    time.sleep(seconds)
    return begun, time.time()


def main() -> int:
    folder, jobs, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    executor = submitit.SlurmExecutor(folder=folder)
    executor.update_parameters(partition="gpu", time=5)
    told = []
    for _ in range(jobs):
        asked = time.time()
        job = executor.submit(work, seconds)
        job.wait()
        seen = time.time()
        begun, ended = job.result()
        told.append((begun - asked, seen - ended))
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
