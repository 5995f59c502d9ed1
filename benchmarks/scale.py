"""A results folder of 10,000 finished runs x 400 epochs -> how long its frames and `harness status` take.

    python benchmarks/scale.py [FOLDER]

Makes the results folder in FOLDER (default: a temporary one, removed at the end; 1.3 GB) unless it is there already. Every figure
is of a process of its own, without the interpreter's start and the import of pandas; `status` is the whole command. Cold: without
the cache of frames, writing it; the files themselves have been read or written before, so they come from memory, not the disk.
"""

from __future__ import annotations

import os
import shutil
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
LOAD = """
import resource, sys, time
import pandas
from harness import load_curves, load_runs
started = time.perf_counter()
frame = {call}
print(time.perf_counter() - started, len(frame), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
CALLS = {
    "curves_of_all": "load_curves(results=sys.argv[1])",
    "runs_of_all": "load_runs(results=sys.argv[1])",
    "curves_of_a_plan": "load_curves('scale_1', sys.argv[1])",
    "runs_of_a_plan": "load_runs('scale_1', sys.argv[1])",
}


def main() -> None:
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder) / "results")


def measure(root: Path) -> None:
    """Time everything on the results folder `root`, made if it is missing."""
    figures: dict[str, object] = {}
    if not root.exists():
        started = time.perf_counter()
        make_store(root)
        figures["make_seconds"] = round(time.perf_counter() - started, 1)
    paths = Paths(root)
    files = [path for path in paths.runs.rglob("*") if path.is_file()]
    figures |= {"runs": len(list(paths.runs.iterdir())), "bytes_of_runs": sum(path.stat().st_size for path in files)}
    load(CALLS["runs_of_all"], root)  # every file has been read once
    shutil.rmtree(paths.frames.parent)
    seconds, rows, peak = load(CALLS["curves_of_all"], root)
    figures |= {"cold_seconds": round(seconds, 1), "cold_peak_memory_bytes": peak, "epochs": rows}
    figures["bytes_of_cache"] = paths.frames.stat().st_size
    for name, call in CALLS.items():
        times = [load(call, root)[0] for _ in range(REPEATS)]
        figures[f"{name}_seconds_median"] = round(statistics.median(times), 2)
        figures[f"{name}_seconds_best"] = round(min(times), 2)
    times = [status(root) for _ in range(REPEATS)]
    figures |= {"status_seconds_median": round(statistics.median(times), 2), "status_seconds_best": round(min(times), 2)}
    write("scale", {**figures, "repeats": REPEATS, "load_average": round(os.getloadavg()[0], 1)})


def load(call: str, root: Path) -> tuple[float, int, int]:
    """Seconds, rows and peak memory (bytes) of one call in a process of its own."""
    command = [sys.executable, "-c", LOAD.format(call=call), str(root)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, rows, peak = done.stdout.split()
    return float(seconds), int(rows), int(peak)


def status(root: Path) -> float:
    """Seconds of `harness status` over all plans."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "harness.status", "--results", str(root)], check=True, capture_output=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
