"""Time of `harness judge` for tables of 1,000,000 rows: a row per epoch, per case, per run.

    python benchmarks/existing_results.py

A figure is the complete command, including its start; `pandas` is the time in which pandas alone reads the file, in the same run.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from record import write

if TYPE_CHECKING:
    import pandas as pd

REPEATS = 3
ROWS = 1_000_000
CLAIM = ["--claim", "improves: new", "--margin", "0.25"]
KINDS = {
    "epochs": ["--metric", "accuracy:maximize:%"],
    "cases": ["--metric", "correct:maximize:%", "--case", "case"],
    "runs": ["--metric", "accuracy:maximize:%"],
}


def table(kind: str) -> pd.DataFrame:
    """Made-up results of two variants."""
    import numpy as np
    import pandas as pd

    rng, half = np.random.default_rng(0), ROWS // 2
    model = np.repeat(["base", "new"], half)
    accuracy = (93 + rng.normal(0, 0.3, ROWS) + 0.1 * (model == "new")).round(3)
    if kind == "epochs":
        numbers = {"seed": np.tile(np.arange(half) // 400, 2), "epoch": np.tile(np.arange(half) % 400, 2), "accuracy": accuracy}
    elif kind == "cases":
        seeds = {"seed": np.tile(np.arange(half) // 100_000, 2), "case": np.tile(np.arange(half) % 100_000, 2)}
        numbers = {**seeds, "correct": (rng.random(ROWS) < 0.7).astype(int)}
    else:
        numbers = {"seed": np.tile(np.arange(half), 2), "accuracy": accuracy}
    return pd.DataFrame({"model": model, **numbers})


def seconds(command: list[str]) -> float:
    """Of a command that must end well."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    figures: dict[str, object] = {"rows": ROWS, "repeats": REPEATS}
    with tempfile.TemporaryDirectory() as folder:
        for kind, options in KINDS.items():
            path = Path(folder) / f"{kind}.csv"
            table(kind).to_csv(path, index=False)
            judge = [sys.executable, "-m", "harness", "judge", str(path), *options, *CLAIM]
            alone = [sys.executable, "-c", f"import pandas; pandas.read_csv({str(path)!r})"]
            pairs = [(seconds(judge), seconds(alone)) for _ in range(REPEATS)]
            whole, read = (statistics.median(each) for each in zip(*pairs, strict=True))
            figures[f"{kind}_seconds_median"] = round(whole, 1)
            figures[f"{kind}_over_pandas"] = round(whole / read, 1)
    write("existing_results", figures)


if __name__ == "__main__":
    main()
