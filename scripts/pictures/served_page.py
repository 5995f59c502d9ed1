"""The page of `harness serve` while runs train, on a desk and on a phone in the dark; from made-up results."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

from devtools import Browser
from examples import write_log, write_run
from made_up import EPOCHS, rows
from picture_files import screenshot
from reported import write_origin
from serving import served

from harness.execution.schedule import Schedule
from harness.experiment import load_experiment
from harness.experiment.plan import Plan, PlannedRun, make_plan
from harness.store.holder import Holder
from harness.store.lease import Timing, Watch
from harness.store.records import Store

ROOT = Path(__file__).parents[2]
EXPERIMENT = "dropout_sweep"
MADE_UP = "made-up results: nothing was trained"
DONE, TRAINING = 10, 2
SIZES = {"served_now.png": ((1280, 900), False), "served_now_phone.png": ((390, 844), True)}
NAMES = tuple(SIZES)
# Resolved when a run and its log are shown.
READY = """new Promise((done) => {
  const shown = () => document.querySelector("#chart svg .line") && document.getElementById("log").textContent;
  const look = () => shown() ? done(true) : setTimeout(look, 10);
  look();
})"""


def write(folder: Path, browser: Browser) -> None:
    """Write the files NAMES."""
    with tempfile.TemporaryDirectory() as temporary, patch("socket.gethostname", lambda: "gpu07"):
        results = Path(temporary) / "made-up results"
        made_up(Store.open(results), EXPERIMENT)
        with served(results, drawing=False) as server:
            for name, (size, dark) in SIZES.items():
                browser.open_address(f"http://127.0.0.1:{server.port}/now", size, dark)
                browser.value(READY)
                screenshot(browser, folder / name, whole=True)


def made_up(store: Store, experiment: str) -> Plan:
    """A plan of which some runs have completed and two train on another machine."""
    loaded = load_experiment(ROOT / "experiments" / f"{experiment}.yaml")
    plan = make_plan(loaded, "cuda", created="2026-01-01", fingerprint=lambda _: "made up")
    store.save_plan(plan)
    first = Schedule(plan).first_look()[: DONE + TRAINING]
    for place, run in enumerate(first):
        training = place >= DONE
        epochs = (137, 98)[place - DONE] if training else EPOCHS
        write_run(store, plan, run, rows(run, epochs), **({} if training else {"state": "completed"}))
        for_run(store, run, epochs if training else None)
        write_log(store, run, "".join(f"epoch {epoch}: {MADE_UP}\n" for epoch in range(1, epochs + 1)))
    return plan


def for_run(store: Store, run: PlannedRun, epochs: int | None) -> None:
    """Where the run trained, or trains since it has begun these epochs."""
    write_origin(store, run.id)
    path = store.paths.run(run.id).provenance
    began = datetime.now(UTC) - timedelta(seconds=3.6 * (epochs or 0))
    path.write_text(json.dumps({**json.loads(path.read_text()), "device": "NVIDIA H200", "started": began.isoformat()}))
    if epochs is not None:
        holder = Holder(host="gpu07", machine="another", pid=4711 + int(epochs == 98), process_start="1")
        store.take(run.id, Watch(Timing(), holder))
