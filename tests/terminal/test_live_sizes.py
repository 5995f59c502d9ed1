"""The live view of every shipped experiment in the middle of its training, on terminals of every size."""

from __future__ import annotations

import io
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from mid_run import NAMES, SEARCHES, mid_run, plan_of, study_of, trials_of
from rich.console import Console
from screened import terminal

from harness.experiment.plan import Plan, task_of
from harness.experiment.study import Study
from harness.experiment.study import task_of as task_of_study
from harness.search.trials import Trial, counted
from harness.store.records import Record, Store
from harness.tasks.protocol import result_metrics
from harness.terminal.live import Live
from harness.terminal.live_plan import PlanRows
from harness.terminal.live_search import SearchRows

WIDTHS = (40, 60, 80, 100, 120, 160, 200)
HEIGHTS = (12, 24, 50)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("live")


@cache
def in_progress(name: str, folder: Path) -> tuple[Any, Any]:
    """The rows of the view, and the records or trials that they show."""
    store = Store.open(folder / name)
    rows: PlanRows | SearchRows
    state: Any
    if name in SEARCHES:
        study = study_of(name)
        rows, state = SearchRows(study, result_metrics(task_of_study(study)), store, workers=2), trials_of(store, study)
    else:
        plan = plan_of(name)
        metrics = result_metrics(task_of(plan))
        metric = plan.selection.metric if plan.selection else next(iter(metrics))
        rows, state = PlanRows(plan, metric, metrics[metric], store.paths, workers=2, device="cuda"), mid_run(store, plan)
    rows.address = f"results/reports/{name}/index.html"
    rows.update(state)
    rows.look(8)
    return rows, state


def frame(rows: Any, width: int, height: int) -> list[str]:
    """The lines of the view after 72 s."""
    view = Live(rows, terminal(width, height), iter([0.0, 72.0]).__next__)
    out = Console(file=io.StringIO(), width=1000, highlight=False, markup=False, emoji=False)
    out.print(view.frame())
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue().splitlines()


@pytest.mark.parametrize("height", HEIGHTS)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_no_line_is_wider_and_no_frame_higher_than_the_terminal(name: str, width: int, height: int, folder: Path) -> None:
    rows, _ = in_progress(name, folder)
    lines = frame(rows, width, height)
    assert max(map(len, lines)) <= width
    assert len(lines) <= height
    assert "…" not in "".join(lines)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_the_footer_says_how_much_is_done_and_what_is_left_from_what(name: str, width: int, folder: Path) -> None:
    rows, state = in_progress(name, folder)
    joined = " ".join(" ".join(frame(rows, width, 50)).split())
    if isinstance(rows.study if name in SEARCHES else None, Study):
        assert "37/100 trials done" in joined
        assert "best 93.98 % (trial 9)" in joined
        assert "24 completed, 12 pruned, 1 diverged" in joined
        assert "left, from 37 finished trials" in joined
    else:
        finished, done = len([1 for record in state.values() if record.finished]), completed(state)
        assert f"{finished}/{len(rows.requested)} runs done" in joined
        assert f"left, from {done} finished run" in joined
    assert re.search(r"GPU (h|min) spent, at most [\d.,]+ to come", joined)
    assert f"results/reports/{name}/index.html".replace(" ", "") in joined.replace(" ", "")
    assert "Ctrl-C keeps everything" in joined


def completed(state: dict[str, Record]) -> int:
    return sum(record.state == "completed" for record in state.values())


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", [name for name in NAMES if name not in SEARCHES])
def test_every_variant_has_its_line_or_is_counted_in_a_group(name: str, width: int, folder: Path) -> None:
    rows, _ = in_progress(name, folder)
    body = "\n".join(frame(rows, width, 24))
    plan: Plan = rows.plan
    labels = list(plan.selection.groups) if plan.selection else list(plan.variants)
    own = [label for label in labels if re.search(rf"^  {re.escape(label)}(?: \*)?  ", body, re.MULTILINE)]
    group = re.search(r"^  (\d+) variants? (?:partly|pending|complete|with)[^\n]*(?:\n  \d+ [^·/\n]+$)*", body, re.MULTILINE)
    folded = sum(map(int, re.findall(r"\d+", group[0]))) if group else 0
    assert len(own) + folded == len(labels)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_every_running_run_is_shown_with_its_epoch_value_and_time_left(name: str, width: int, folder: Path) -> None:
    rows, _ = in_progress(name, folder)
    joined = " ".join(" ".join(frame(rows, width, 40)).split())
    assert all(epoch in "".join(frame(rows, width, 24)) for epoch in ("120/400", "83/400"))
    for epoch, left in (("120/400", "17 min left"), ("83/400", "19 min left")):
        assert re.search(rf"epoch {epoch}, \d\d\.\d+ %, 1[34],\d\d\d/s, {left}", joined)


def test_a_search_says_what_each_of_its_trials_does(folder: Path) -> None:
    rows, trials = in_progress("search", folder)
    shown = "\n".join(frame(rows, 200, 60))
    running: list[Trial] = [trial for trial in counted(trials) if trial.state == "running"]
    assert [f"trial {trial.number}   epoch" in shown for trial in running] == [True, True]
    assert shown.index("best  trial 9 ") < shown.index("trial 24 ") < shown.index("trial 37 ")


def test_a_grid_turns_into_rows_when_a_look_asks_for_more_seeds_than_fit(tmp_path: Path) -> None:
    store, plan = Store.open(tmp_path), plan_of("dropout_sweep")
    rows = PlanRows(plan, "test_accuracy", result_metrics(task_of(plan))["test_accuracy"], store.paths, workers=2, device="cuda")
    rows.update(mid_run(store, plan, failed=False))
    rows.look(8)
    assert "seed 0" in frame(rows, 80, 24)[1]
    rows.requested = plan.runs  # up to 20 seeds
    rows._by_variant = {label: [run for run in plan.runs if run.variant == label] for label in plan.variants}
    assert frame(rows, 80, 24)[1].split() == ["variant", "done", "now"]
    assert re.search(r"^  dropout=0\.2 \*    1/20   seed  1, epoch 120/400,", "\n".join(frame(rows, 80, 24)), re.MULTILINE)
    assert "seed 19" in frame(rows, 250, 24)[1]
