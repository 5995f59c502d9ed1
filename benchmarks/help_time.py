"""Time of `python -m harness.run --help`, and whether it imports torch.

python benchmarks/help_time.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from record import write

REPEATS = 10
HELP = [sys.executable, "-m", "harness.run", "--help"]
NOTHING = [sys.executable, "-c", "pass"]
MODULES = "import sys; from harness.run import main; main(['--help']); print(' '.join(sys.modules), file=sys.stderr)"


def seconds(command: list[str]) -> list[float]:
    """Wall seconds of each of REPEATS runs of `command`, after one to warm up the disk cache."""
    subprocess.run(command, check=True, capture_output=True)
    taken = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        taken.append(time.perf_counter() - started)
    return taken


def main() -> None:
    taken = seconds(HELP)
    bare = seconds(NOTHING)
    listed = subprocess.run([sys.executable, "-c", MODULES], check=True, capture_output=True, text=True).stderr.split()
    write(
        "help_time",
        {
            "command": "python -m harness.run --help",
            "seconds_best": round(min(taken), 3),
            "seconds_median": round(statistics.median(taken), 3),
            "python_alone_seconds_median": round(statistics.median(bare), 3),
            "torch_imported": "torch" in listed,
            "repeats": REPEATS,
        },
    )


if __name__ == "__main__":
    main()
