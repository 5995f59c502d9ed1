"""docs/notebook.md: its code runs from top to bottom and prints what the page shows.

After a wanted change: REGENERATE=1 python -m pytest tests/test_notebook.py, then look at the difference in docs/notebook.md.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import matplotlib as mpl
import pytest
from examples import write_run
from matplotlib import pyplot

from harness.experiment import load_experiment
from harness.experiment.plan import make_plan
from harness.store.records import Store

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "notebook.md"
CELL = re.compile(r"```python\n(.*?)```\n\n```text\n(.*?)```", re.DOTALL)
ACCURACY = {"relu": (40.1, 38.7, 41.3), "leaky_relu": (42.0, 41.6, 43.1)}  # %, by seed
EPOCHS = 4


@pytest.fixture
def rehearsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with experiments/ and results/, in which leakyrelu_vs_relu@smoke has ended; the current folder is that one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    store = Store.open(Path("results"))
    experiment = load_experiment("leakyrelu_vs_relu", "smoke")
    plan = make_plan(experiment, created="2026-01-01T00:00:00+00:00", fingerprint=lambda _: "made-up:1")
    store.save_plan(plan)
    for run in plan.runs:
        last = ACCURACY[run.variant][run.seed]
        rows = [
            {
                "epoch": epoch,
                "step": 10 * epoch,
                "test_accuracy": last - 5 * (EPOCHS - epoch),
                "train_loss": 2.4 - 0.01 * last * epoch,
            }
            for epoch in range(1, EPOCHS + 1)
        ]
        write_run(store, plan, run, rows, state="completed")


@pytest.mark.usefixtures("rehearsed")
def test_the_cells_print_what_the_page_shows(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}

    def run(cell: re.Match[str]) -> str:
        with mpl.rc_context({"backend": "agg"}):
            exec(compile(cell[1], PAGE.name, "exec"), names)
        return f"```python\n{cell[1]}```\n\n```text\n{capsys.readouterr().out}```"

    text = PAGE.read_text()
    again = CELL.sub(run, text)
    pyplot.close("all")
    if os.environ.get("REGENERATE") == "1":
        PAGE.write_text(again)
    assert again == PAGE.read_text()
    assert text.count("```python") == len(CELL.findall(text)) > 4
    assert Path("curves.png").stat().st_size > 1000
