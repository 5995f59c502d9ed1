"""Time of data frames and `harness status` with 10,000 finished runs x 400 epochs.

    python benchmarks/scale.py [FOLDER]
    python benchmarks/scale.py --growth
    python benchmarks/scale.py --large [FOLDER]

Makes the results folder in FOLDER (default: a temporary one, removed at the end; 1.3 GB) unless it is there already. Every figure
is of a process of its own, without the interpreter's start and the import of pandas; `status` is the whole command. Cold: without
the cache of frames, writing it; the files themselves have been read or written before, so they come from memory, not the disk.

`--growth` makes four folders instead, of one finished plan with 1 to 10,000 runs, and times whole commands on each: a dry run, a
worker that finds nothing to do, status and report; and planning alone.

`--large` makes two folders of one finished plan, 10 and 100 variants of 1,000 seeds, 3 epochs each (240 MB and 2.4 GB on disks
with blocks of 4 KB), and runs whole commands once each: seconds, processor seconds, and the most memory of the process. The first
report reads every file and writes the cache of frames. It takes about five minutes.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from make_store import EXPERIMENT, VARIANTS, factors, make_store
from record import write

from harness.errors import EXIT_OK, EXIT_RUNS_FAILED
from harness.experiment import load_experiment
from harness.experiment.plan import make_plan
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
GROWTH_REPEATS = 3
LARGE: Mapping[int, int] = {10_000: 10, 100_000: 100}  # runs -> variants, of 1,000 seeds each
LARGE_EPOCHS = 3
COMMANDS = {
    "first_report": ("report", "scale_1"),
    "report": ("report", "scale_1"),
    "verify": ("verify",),
    "status": ("status",),
    "export": ("export", "scale_1", "--to", "csv"),
}
SIZES: Mapping[int, tuple[str, int]] = {1: ("", 1), 100: (VARIANTS, 10), 1_000: (VARIANTS, 100), 10_000: (VARIANTS, 1_000)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--large", action="store_true")
    arguments = parser.parse_args()
    if arguments.growth:
        grow()
        return
    measured = measure_large if arguments.large else measure
    if arguments.folder:
        measured(arguments.folder)
        return
    with tempfile.TemporaryDirectory() as folder:
        measured(Path(folder) / "results")


def measure(root: Path) -> None:
    """Time everything on the results folder `root`, created if missing."""
    figures: dict[str, object] = {}
    if not root.exists():
        started = time.perf_counter()
        make_store(root)
        figures["make_seconds"] = round(time.perf_counter() - started, 1)
    paths = Paths(root)
    files = [path for path in paths.runs.rglob("*") if path.is_file()]
    figures |= {"runs": len(list(paths.runs.iterdir())), "bytes_of_runs": sum(path.stat().st_size for path in files)}
    load(CALLS["runs_of_all"], root)  # warm up: reads every file once
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
    """Seconds, rows and peak memory (bytes) of one call in a new process."""
    command = [sys.executable, "-c", LOAD.format(call=call), str(root)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, rows, peak = done.stdout.split()
    return float(seconds), int(rows), int(peak)


def status(root: Path) -> float:
    """Seconds of `harness status` over all plans."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "harness.status", "--results", str(root)], check=True, capture_output=True)
    return time.perf_counter() - started


def measure_large(folder: Path) -> None:
    """Run the commands on folders of `LARGE` runs, created below `folder` if missing."""
    figures: dict[str, dict[str, object]] = {command.replace("_", " "): {} for command in COMMANDS}
    pages: dict[str, int] = {}
    for runs, variants in LARGE.items():
        root = folder / str(runs)
        if not root.exists():
            make_store(root, plans=1, seeds=runs // variants, epochs=LARGE_EPOCHS, variants=factors(variants))
        Paths(root).frames.unlink(missing_ok=True)
        for name, words in zip(figures, COMMANDS.values(), strict=True):
            figures[name][str(runs)] = usage([*words, "--results", str(root)])
            print(f"{name}, {runs} runs: {figures[name][str(runs)]}", file=sys.stderr)
        pages[str(runs)] = (Paths(root).report("scale_1") / "index.html").stat().st_size
    about = {"epochs": LARGE_EPOCHS, "bytes_of_page": pages, "load_average": round(os.getloadavg()[0], 1)}
    write("scale", {"commands": figures, **about}, "large")
    print("\n".join(rows({"commands": figures})), file=sys.stderr)


def usage(words: list[str]) -> dict[str, float]:
    """Seconds, processor seconds and peak memory (bytes) of a command of the harness, in a process of its own."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "harness", *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (EXIT_OK, EXIT_RUNS_FAILED):  # one run in a hundred diverged
        raise RuntimeError(f"{' '.join(command)}: exit code {process.returncode}")
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "processor_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_memory_bytes": used.ru_maxrss * 1024,
    }


def grow() -> None:
    """Time everything at every size; the cost of one more run, and its growth."""
    found: dict[str, dict[int, float]] = {}
    for runs, (variants, seeds) in SIZES.items():
        with tempfile.TemporaryDirectory() as folder:
            for name, call in calls(Path(folder), variants, seeds).items():
                call()  # warm up
                times = []
                for _ in range(GROWTH_REPEATS):
                    started = time.perf_counter()
                    call()
                    times.append(time.perf_counter() - started)
                found.setdefault(name, {})[runs] = statistics.median(times)
        print(f"{runs} runs: {time.strftime('%X')}", file=sys.stderr)
    figures = {name: growth(seconds) for name, seconds in found.items()}
    write("scale", {**figures, "repeats": GROWTH_REPEATS, "load_average": round(os.getloadavg()[0], 1)}, "growth")
    print("\n".join(rows(figures)), file=sys.stderr)


def calls(folder: Path, variants: str, seeds: int) -> dict[str, Callable[[], object]]:
    """The timed calls on a results folder of one finished plan, created in `folder`."""
    results, experiment = folder / "results", folder / "scale_1.yaml"
    make_store(results, plans=1, seeds=seeds, variants=variants)
    experiment.write_text(EXPERIMENT.format(weight_decay=1e-4, epochs=400, seeds=seeds, variants=variants))
    loaded = load_experiment(experiment)

    def command(*words: str) -> Callable[[], object]:
        whole = [sys.executable, "-m", f"harness.{words[0]}", *words[1:]]

        def call() -> None:
            done = subprocess.run(whole, check=False, capture_output=True, text=True, cwd=folder)
            if done.returncode not in (EXIT_OK, EXIT_RUNS_FAILED):  # one run in a hundred diverged
                raise RuntimeError(f"{' '.join(whole)}: {done.stderr}")

        return call

    return {
        "planning": lambda: make_plan(loaded),
        "dry_run": command("run", str(experiment), "--dry-run", "--results", str(folder / "new")),
        "worker_with_nothing_to_do": command("worker", str(Paths(results).plan("scale_1")), "--track", "none"),
        "status": command("status", "--results", str(results)),
        "report": command("report", "scale_1", "--results", str(results)),
    }


def growth(seconds: Mapping[int, float]) -> dict[str, object]:
    """Seconds by number of runs -> those, what each run adds between the two largest numbers, and the power that it grows with.

    Power: of what the runs add to the time of one run, from the second largest number to the largest; 1 is linear. Where runs add
    nothing to speak of, or fewer take longer than more, it is not measured.
    """
    smallest, (some, many) = min(seconds), sorted(seconds)[-2:]
    added = [seconds[size] - seconds[smallest] for size in (some, many)]
    times = [seconds[size] for size in sorted(seconds)]
    measurable = times == sorted(times) and added[0] > 0.02 * seconds[smallest]
    power = math.log(added[1] / added[0]) / math.log(many / some) if measurable and added[1] > 0 else None
    return {
        "seconds": {str(size): round(value, 4) for size, value in seconds.items()},
        "microseconds_a_run": round(1e6 * (seconds[many] - seconds[some]) / (many - some), 1),
        "power": None if power is None else round(power, 2),
    }


def rows(figures: Mapping[str, Any]) -> list[str]:
    """The rows of the tables in docs/performance.md, which a test compares."""
    found = []
    for name, by_size in figures.get("commands", {}).items():
        cells = [f"{of['seconds']:.1f} s, {of['peak_memory_bytes'] / 1e9:.2f} GB" for of in by_size.values()]
        found.append(f"| {name} | {' | '.join(cells)} |")
    for name, numbers in figures.items():
        if isinstance(numbers, Mapping) and "power" in numbers:
            cells = " | ".join(f"{seconds:.3f}" for seconds in numbers["seconds"].values())
            power = "-" if numbers["power"] is None else f"{numbers['power']:.2f}"
            found.append(f"| {name.replace('_', ' ')} | {cells} | {numbers['microseconds_a_run']:.0f} | {power} |")
    return found


if __name__ == "__main__":
    main()
