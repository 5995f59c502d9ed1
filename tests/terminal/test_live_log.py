"""Progress in a log: a line for each finished run, and from time to time how far everything is."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pytest
from mid_run import completed, mid_run, plan_of, running, study_of, trials_of
from rich.console import Console

from harness.execution.schedule import Schedule
from harness.experiment.plan import Plan
from harness.experiment.plan import task_of as task_of_plan
from harness.experiment.study import task_of as task_of_study
from harness.store.records import Record, Store
from harness.tasks.protocol import result_metrics
from harness.terminal import live_plan, live_search
from harness.terminal.live import HEARTBEAT_S, Progress
from harness.terminal.live_footer import LOG_WIDTH

State = Mapping[str, Record]


class Clock:
    """A clock that tests set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


def plan_view(store: Store, plan: Plan, out: io.StringIO, clock: Clock) -> Progress[State]:
    metrics = result_metrics(task_of_plan(plan))
    name = next(iter(metrics))
    options: dict[str, Any] = {"workers": 2, "device": "cuda", "clock": clock, "schedule": Schedule(plan)}
    return live_plan.progress(plan, name, metrics[name], store.paths, console=Console(file=out, width=100), **options)


def test_a_log_is_told_every_five_minutes_what_trains_and_what_is_left(store: Store, out: io.StringIO, clock: Clock) -> None:
    plan = plan_of("dropout_sweep")
    state = mid_run(store, plan, failed=False)
    with plan_view(store, plan, out, clock) as view:
        for clock.now in (0.0, 1.0, HEARTBEAT_S - 1, HEARTBEAT_S, HEARTBEAT_S + 1, 2 * HEARTBEAT_S - 1, 2 * HEARTBEAT_S):
            view.update(state)
    lines = out.getvalue().splitlines()
    assert lines[-4] == (
        "progress: 10/24 runs done · up to 160 at later looks · 2 h 42 min left, from 10 finished runs · "
        "4.2 GPU h spent, at most 59.8 to come · next look: 3 seeds"
    )
    assert lines[-3] == "training: dropout=0.2 seed 1 epoch 120/400 91.7 % · dropout=0.3 seed 1 epoch 83/400 91.4 %"
    assert lines[-2:] == lines[-4:-2]
    assert sum(line.startswith("progress:") for line in lines) == 2
    assert max(map(len, lines[-4:])) <= LOG_WIDTH


def test_the_numbers_of_a_log_move_while_no_run_finishes(store: Store, out: io.StringIO, clock: Clock) -> None:
    plan = plan_of("leakyrelu_vs_relu")
    pending = {run.id: Record(run.id, "pending") for run in plan.runs}
    with plan_view(store, plan, out, clock) as view:
        view.update(pending)
        for epochs in (50, 100):
            clock.now += HEARTBEAT_S
            view.update({**pending, plan.runs[0].id: running(store, plan.runs[0].id, epochs, 80.0)})
    told = [line for line in out.getvalue().splitlines() if line.startswith("training:")]
    assert ["50/400" in told[0], "100/400" in told[1]] == [True, True]
    assert "left, from the speed of 1 run" in out.getvalue()


def test_before_the_first_epoch_a_log_says_that_the_time_is_not_known(store: Store, out: io.StringIO, clock: Clock) -> None:
    plan = plan_of("leakyrelu_vs_relu")
    with plan_view(store, plan, out, clock) as view:
        clock.now = HEARTBEAT_S
        view.update({run.id: Record(run.id, "pending") for run in plan.runs})
    last = out.getvalue().splitlines()[-1]
    assert last.startswith("progress: 0/6 runs done · up to 40 at later looks · time left not known yet · 0 GPU min spent")


def test_counts_are_aligned_from_nine_to_ten_and_into_the_next_look(store: Store, out: io.StringIO, clock: Clock) -> None:
    plan = plan_of("dropout_sweep")
    first = Schedule(plan).first_look()
    state = {run.id: Record(run.id, "pending") for run in plan.runs}
    with plan_view(store, plan, out, clock) as view:
        view.update(dict(state))
        for run in first[:11]:
            state[run.id] = completed(run.id, 400, 94.0)
            view.update(dict(state))
    told = [line for line in out.getvalue().splitlines() if line.startswith("[")]
    assert [line[:7] for line in told[8:10]] == ["[ 9/24]", "[10/24]"]
    assert len({line.index("dropout") for line in told}) == 1
    assert live_plan.counter(100, 160, 160).startswith("[100/160]")
    assert len({len(live_plan.counter(*numbers)) for numbers in ((9, 24, 160), (10, 40, 160), (100, 160, 160))}) == 1


def test_the_address_of_the_report_is_told_at_the_start(store: Store, out: io.StringIO, clock: Clock) -> None:
    with plan_view(store, plan_of("paper"), out, clock):
        assert out.getvalue().splitlines()[-1] == f"report, as runs finish: {store.paths.report('paper') / 'index.html'}"


def test_many_running_runs_are_named_as_far_as_a_line_reaches_and_the_others_counted(
    store: Store, out: io.StringIO, clock: Clock
) -> None:
    plan = plan_of("augmentations")
    state = {run.id: Record(run.id, "running", epoch=7) for run in plan.runs[:30]}
    state |= {run.id: Record(run.id, "pending") for run in plan.runs[30:]}
    with plan_view(store, plan, out, clock) as view:
        clock.now = HEARTBEAT_S
        view.update(state)
    last = out.getvalue().splitlines()[-1]
    named = last.count("seed")
    assert last.endswith(f" · {30 - named} more")
    assert named >= 3
    assert len(last) <= LOG_WIDTH


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs whose rows were read."""
    found: list[str] = []
    own = live_plan.NewestRows.look

    def look(self: Any, running: Any, most: int) -> None:
        before = {run_id: epoch for run_id, (epoch, _) in self._known.items()}
        own(self, running, most)
        found.extend(run_id for run_id, (epoch, _) in self._known.items() if before.get(run_id) != epoch)

    monkeypatch.setattr(live_plan.NewestRows, "look", look)
    return found


def test_a_log_reads_rows_only_when_it_tells_something(store: Store, out: io.StringIO, clock: Clock, read: list[str]) -> None:
    plan = plan_of("dropout_sweep")
    state = mid_run(store, plan, at_once=12, failed=False, share=0.0)
    with plan_view(store, plan, out, clock) as view:
        for clock.now in range(100):
            view.update(state)
        assert read == []
        clock.now = HEARTBEAT_S
        view.update(state)
    assert len(read) == 8


def test_a_search_tells_a_log_what_trains_the_best_and_the_counts(store: Store, out: io.StringIO, clock: Clock) -> None:
    study = study_of("search")
    metrics = result_metrics(task_of_study(study))
    console = Console(file=out, width=100)
    with live_search.progress(study, metrics, store, workers=2, console=console, clock=clock) as view:
        clock.now = HEARTBEAT_S
        view.update(trials_of(store, study))
    progress, training = out.getvalue().splitlines()[-2:]
    assert progress == (
        "progress: 37/100 trials done · 24 completed, 12 pruned, 1 diverged · best 93.98 % (trial 9) · "
        "10 h 13 min left, from 37 finished trials · 12.0 GPU h spent, at most 34.4 to come"
    )
    assert training == "training: trial 37 epoch 120/400 91.26 % · trial 38 epoch 83/400 88.31 %"
