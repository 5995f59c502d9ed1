"""The scoreboard with variants of two plans that are ticked, and the page that puts them side by side; from made-up results."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from devtools import CHART_SHOWN, Browser
from examples import changed, write_run
from files import screenshot
from made_up import rows
from mid_run import plan_of
from reported import write_origin

from harness import write_report
from harness.execution.schedule import Schedule
from harness.store.records import Store

# Made-up gains [percentage points] of the ticked variants; the others have none.
TICKED: Mapping[str, Mapping[str, float]] = {
    "dropout_sweep": {"dropout=0.2": 0.3, "dropout=0.7": -2.5},
    "label_smoothing": {"label_smoothing=0.1": 1.2},
}
SCOREBOARD, COMPARED = "scoreboard.png", "compare.png"
NAMES = (SCOREBOARD, COMPARED)
SIZE = (1280, 900)  # pixels


def write(folder: Path, browser: Browser) -> None:
    """Write the files NAMES."""
    with tempfile.TemporaryDirectory() as temporary:
        store = Store.open(Path(temporary) / "results")
        names = {made_up(store, experiment): gains for experiment, gains in TICKED.items()}
        for name in names:
            write_report(name, store.paths.root)
        anchor = "#" + "&".join(f"p={name}" + "".join(f"&v={variant}" for variant in gains) for name, gains in names.items())
        browser.open(store.paths.reports / "index.html", SIZE, anchor=anchor)
        screenshot(browser, folder / SCOREBOARD)
        browser.open(store.paths.reports / "compare.html", SIZE, anchor=anchor)
        browser.value(CHART_SHOWN)
        screenshot(browser, folder / COMPARED)


def made_up(store: Store, experiment: str) -> str:
    """A plan whose first look has completed; returns its name, which says that it is made up."""
    plan = plan_of(experiment)
    plan = changed(plan, name=f"made_up_{experiment}", experiment=f"made_up_{experiment}")
    store.save_plan(plan)
    for run in Schedule(plan).first_look():
        write_run(store, plan, run, rows(run, gain=TICKED[experiment].get(run.variant, 0.0)), state="completed")
        write_origin(store, run.id)
    return plan.name
