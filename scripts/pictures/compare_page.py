"""The scoreboard with variants of two plans that are ticked, and the page that puts them side by side; from made-up results."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from devtools import CHART_SHOWN, Browser
from made_up import completed
from mid_run import EXPERIMENTS
from picture_files import screenshot

from harness import write_report
from harness.experiment import load_experiment
from harness.experiment.plan import make_plan
from harness.store.records import Store

TICKED = {"dropout_sweep": ("dropout=0.2", "dropout=0.7"), "label_smoothing": ("label_smoothing=0",)}
# Made-up gains [percentage points]; the baseline of the one experiment is a variant of the other.
GAINS = {"dropout=0": -0.6, "dropout=0.6": -0.9, "dropout=0.7": -2.5, "label_smoothing=0": -1.2}
SCOREBOARD, COMPARED = "scoreboard.png", "compare.png"
NAMES = (SCOREBOARD, COMPARED)
SIZE = (1280, 900)  # pixels


def write(folder: Path, browser: Browser) -> None:
    """Write the files NAMES."""
    with tempfile.TemporaryDirectory() as temporary:
        store = Store.open(Path(temporary) / "results")
        names = {made_up(store, experiment): variants for experiment, variants in TICKED.items()}
        for name in names:
            write_report(name, store.paths.root)
        anchor = "#" + "&".join(
            f"p={name}" + "".join(f"&v={variant}" for variant in variants) for name, variants in names.items()
        )
        browser.open(store.paths.reports / "index.html", SIZE, anchor=anchor)
        screenshot(browser, folder / SCOREBOARD)
        browser.open(store.paths.reports / "compare.html", SIZE, anchor=anchor)
        browser.value(CHART_SHOWN)
        screenshot(browser, folder / COMPARED)


def made_up(store: Store, experiment: str) -> str:
    """A plan whose first look has completed; returns its name, which says that it is made up."""
    with tempfile.TemporaryDirectory() as folder:
        copies = Path(shutil.copytree(EXPERIMENTS, Path(folder) / "experiments"))
        path = (copies / f"{experiment}.yaml").rename(copies / f"made_up_{experiment}.yaml")
        plan = make_plan(load_experiment(path), "cuda", created="2026-01-01T00:00:00+00:00", fingerprint=lambda _: "made up")
    completed(store, plan, GAINS)
    return plan.name
