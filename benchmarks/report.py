"""Time of `harness report` with 10,000 finished runs x 400 epochs in one plan, or in ten plans.

    python benchmarks/report.py [FOLDER]

Creates the results folders `one` (a plan of 10,000 runs) and `ten` (ten plans of 1,000) in FOLDER (default: a temporary one,
removed at the end; 2.6 GB) unless they exist. A figure is the complete command, including its start, with the frames
cached; cold is the first call, which reads every file and writes the cache.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from make_store import make_store
from record import write

from harness.store.paths import Paths

REPEATS = 5
PLAN = "scale_1"
STORES = {"one": {"plans": 1, "seeds": 1000}, "ten": {"plans": 10, "seeds": 100}}  # 10 variants each


def main() -> None:
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder))


def measure(folder: Path) -> None:
    """Time the report of a plan in each of the folders, created if missing."""
    figures: dict[str, object] = {}
    for name, size in STORES.items():
        root = folder / name
        if not root.exists():
            make_store(root, **size)
        paths = Paths(root)
        paths.frames.unlink(missing_ok=True)
        figures[f"{name}_cold_seconds"] = round(report(root)[0], 1)
        timed = [report(root) for _ in range(REPEATS)]
        seconds, work = zip(*timed, strict=True)
        figures[f"{name}_seconds_median"] = round(statistics.median(seconds), 1)
        figures[f"{name}_seconds_best"] = round(min(seconds), 1)
        figures[f"{name}_processor_seconds_median"] = round(statistics.median(work), 1)
        figures[f"{name}_bytes_of_page"] = (paths.report(PLAN) / "index.html").stat().st_size
    figures["peak_memory_bytes"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    write("report", {**figures, "repeats": REPEATS, "load_average": round(os.getloadavg()[0], 1)})


def report(root: Path) -> tuple[float, float]:
    """Seconds of `harness report scale_1`: wall time and CPU time."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "harness.report", PLAN, "--results", str(root)], check=True, capture_output=True)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
