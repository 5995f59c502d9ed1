"""The scoreboard with variants of two plans that are ticked, and the page that puts them side by side; from made-up results."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from devtools import CHART_SHOWN, Browser
from examples import changed, write_run
from picture_files import screenshot
from made_up import rows
from mid_run import EXPERIMENTS
from reported import write_origin

from harness import write_report
from harness.execution.plan_worker import job
from harness.execution.schedule import Schedule
from harness.experiment import load_experiment
from harness.experiment.plan import make_plan, task_of
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
    store.save_plan(changed(plan, known=()))
    for run in Schedule(plan).first_look():
        own = rows(run, gain=GAINS.get(run.variant, 0.0))
        write_run(store, plan, run, own, state="completed", train_seconds=sum(row["seconds"] for row in own))
        write_origin(store, run.id)
        store.paths.run(run.id).spec.write_text(job(plan, run, task_of(plan)).spec.model_dump_json(by_alias=True))
    return plan.name
