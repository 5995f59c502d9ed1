"""The live screen of an experiment in the middle of its training, as text and SVG, and its log; from made-up results."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from mid_run import completed, mid_run, plan_of
from picture_files import svg, terminal

from harness.execution.schedule import Schedule
from harness.experiment.plan import Plan, task_of
from harness.store.records import Record, Store
from harness.tasks.protocol import result_metrics
from harness.terminal.live import HEARTBEAT_S, Live, Progress
from harness.terminal.live_plan import PlanRows

EXPERIMENT = "dropout_sweep"
WIDTHS = (80, 160)  # columns
LOG = "log.txt"
NAMES = (*(f"live_{width}.svg" for width in WIDTHS), LOG)
MADE_UP = "Made-up results, to show the screen: nothing was trained."
ELAPSED_S = 4325.0


def write(folder: Path) -> None:
    """Write the files NAMES."""
    for width in WIDTHS:
        (folder / f"live_{width}.svg").write_text(screen(EXPERIMENT, width)[1])
    (folder / LOG).write_text(log(EXPERIMENT))


def screen(experiment: str, width: int) -> tuple[str, str]:
    """The live screen on a terminal of `width` columns as text and as SVG."""
    with _results() as store:
        plan = plan_of(experiment)
        rows, out = _rows(store, plan), terminal(width)
        view = Live(rows, out, iter([0.0, ELAPSED_S]).__next__)
        rows.update(mid_run(store, plan, failed=False))
        rows.look(8)
        out.print(MADE_UP, style="italic")
        out.print(*rows.introduction(), sep="\n")
        out.print(view.frame())
    return out.export_text(clear=False), svg(out, f"harness run {experiment}")


def log(experiment: str) -> str:
    """What a log shows: how far everything is, then two runs that finish."""
    with _results() as store:
        plan, out = plan_of(experiment), terminal(1000)
        times = iter([0.0, 1.0, HEARTBEAT_S, HEARTBEAT_S, HEARTBEAT_S + 1, HEARTBEAT_S + 2])
        state = mid_run(store, plan, failed=False)
        with Progress[Mapping[str, Record]](_rows(store, plan), out, times.__next__) as view:
            view.update(state)
            view.update(state)
            for each in [run for run in plan.runs if state[run.id].state == "running"]:
                state = {**state, each.id: completed(each.id, 400, 94.4)}
                view.update(state)
    return f"{MADE_UP}\n\n{out.export_text()}"


def _rows(store: Store, plan: Plan) -> PlanRows:
    metrics = result_metrics(task_of(plan))
    name = plan.selection.metric if plan.selection else next(iter(metrics))
    return PlanRows(plan, name, metrics[name], store.paths, workers=2, device="cuda", schedule=Schedule(plan))


@contextlib.contextmanager
def _results() -> Iterator[Store]:
    """An empty results folder of the usual name."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        yield Store.open(Path("results"))
