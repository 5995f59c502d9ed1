"""The page of `harness serve` while runs train, on a desk and on a phone in the dark; from made-up results.

    python scripts/pictures/served_page.py FOLDER [EXPERIMENT]

Writes served_now.png and served_now_phone.png with headless Chromium.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))
sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "browser"))

from devtools import Browser, found
from examples import write_log, write_run
from reported import write_origin
from serving import served

from harness.execution.schedule import Schedule
from harness.experiment import load_experiment
from harness.experiment.plan import Plan, PlannedRun, make_plan
from harness.store.holder import Holder
from harness.store.lease import Timing, Watch
from harness.store.records import Store

ROOT = Path(__file__).parents[2]
MADE_UP = "made-up results: nothing was trained"
EPOCHS, DONE, TRAINING = 400, 10, 2
SIZES = {"served_now.png": ((1280, 900), False), "served_now_phone.png": ((390, 844), True)}
READY = "document.querySelector('#chart svg .line') && document.getElementById('log').textContent"
PATIENCE_S = 60


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("experiment", nargs="?", default="dropout_sweep")
    options = parser.parse_args(argv)
    executable = found()
    if executable is None:
        print("Chromium is not installed", file=sys.stderr)
        return 2
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, patch("socket.gethostname", lambda: "gpu07"), Browser(executable) as browser:
        results = Path(folder) / "made-up results"
        made_up(Store.open(results), options.experiment)
        with served(results, drawing=False) as server:
            for name, (size, dark) in SIZES.items():
                browser.open_address(f"http://127.0.0.1:{server.port}/now", size, dark)
                end = time.monotonic() + PATIENCE_S
                while not browser.value(f"Boolean({READY})") and time.monotonic() < end:
                    time.sleep(0.1)
                browser.screenshot(options.folder / name)
    return 0


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


def rows(run: PlannedRun, epochs: int) -> list[dict[str, float]]:
    """Epochs that look like those of an image classifier."""
    chance = random.Random(run.id)
    found = []
    for epoch in range(1, epochs + 1):
        learned = 1 - math.exp(-epoch / 25)
        accuracy = 40 + 54 * learned + chance.gauss(0, 0.5) * (1.2 - epoch / EPOCHS)
        loss = 1.9 * (1 - learned) + 0.02 + 0.02 * chance.random()
        own = {"train_loss": loss, "test_accuracy": accuracy, "learning_rate": 0.1 * (1 + math.cos(math.pi * epoch / EPOCHS)) / 2}
        found.append({"epoch": epoch, "step": 391 * epoch, "seconds": 3.6, "samples_per_second": 13_900.0, **own})
    return found


if __name__ == "__main__":
    sys.exit(main())
