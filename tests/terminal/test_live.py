"""Progress of a plan: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from examples import REHEARSAL, comparison, golden, images_plan, write_log
from rich.console import Console
from screened import CLAIM, METRIC, colours, completed, some_records, terminal, text

from harness.execution.schedule import Schedule
from harness.execution.schedule import count_states as count
from harness.experiment.plan import Plan
from harness.store.records import Record, Store
from harness.terminal import dry_run, status
from harness.terminal.live import Live, Progress
from harness.terminal.live_plan import PlanRows, progress, run_cells


def test_the_live_view_is_golden(store: Store) -> None:
    plan = images_plan()
    now = iter([0.0, 72.0]).__next__
    rows = PlanRows(plan, "test_accuracy", METRIC, store.paths, workers=2, device="cpu")
    rows.address = "results/reports/leakyrelu_vs_relu@smoke/index.html"
    view = Live(rows, Console(file=io.StringIO(), width=100), now)
    rows.update(some_records(plan))
    shown = text(*rows.introduction(), view.frame())
    # Two runs took 24 s each; 2/4 and 1/4 of a run and a whole one remain, for 2 workers: not less than the whole one.
    assert "24 s left, from 2 finished runs" in shown
    assert shown == golden("live.txt", shown)


def test_the_question_is_broken_between_words_on_a_narrow_terminal(store: Store) -> None:
    console = terminal(40, 20)
    with view_on(console, store):
        pass
    assert isinstance(console.file, io.StringIO)
    assert "leakyrelu_vs_relu@smoke   Does LeakyReLU\n  train a better network than ReLU?\n" in console.file.getvalue()


@pytest.mark.parametrize("height", [12, 16, 20])
def test_the_lines_of_a_long_label_are_counted(store: Store, height: int) -> None:
    labels = [f"variant {number:2} of a comparison in which each has a long label, lr=0.{number:02}" for number in range(10)]
    plan = images_plan(tuple(labels), seeds=3)
    rows = PlanRows(plan, "test_accuracy", METRIC, store.paths, workers=2, device="cpu")
    rows.update({run.id: Record(run.id, "running" if place < 4 else "pending") for place, run in enumerate(plan.runs)})
    shown = text(*rows.body(60, height), width=60).splitlines()
    assert len(shown) <= height
    assert max(map(len, shown)) <= 60


def test_the_live_view_shows_the_seeds_up_to_the_current_look(store: Store) -> None:
    plan = images_plan(looks=(3, 5, 10), seeds=10, claims=(CLAIM,))
    console = Console(file=io.StringIO(), width=100)
    schedule = Schedule(plan)
    rows = PlanRows(plan, "test_accuracy", METRIC, store.paths, workers=2, device="cpu", schedule=schedule)
    view = Live(rows, console, lambda: 0.0)

    def finished(seeds: int) -> dict[str, Record]:
        values = {
            run.id: completed(run.id, 40.0 + 7 * (-1) ** run.seed * (run.variant == "relu"))
            for run in plan.runs
            if run.seed < seeds
        }
        return {run.id: values.get(run.id, Record(run.id, "pending")) for run in plan.runs}

    with view:
        view.update(finished(2))
        shown = text(view.frame())
        assert "seed 2" in shown
        assert "seed 3" not in shown
        assert "4/6 runs done · up to 20 at later looks · 2 pending · next look: 3 seeds" in shown
        view.update(finished(3))
        shown = text(view.frame())
        assert "seed 4" in shown
        assert "6/10 runs done · up to 20 at later looks · 4 pending · next look: 5 seeds" in shown
    assert "up to 20 runs on cpu, 2 workers" in console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert "a claim is still open at 3 seeds: continuing to 5" in console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO


def test_the_live_view_has_no_open_places_for_variants_whose_claims_are_closed(store: Store) -> None:
    claims = [comparison(label, over="relu") for label in ("fast", "slow")]
    plan = images_plan(("relu", "fast", "slow"), looks=(3, 5, 10), seeds=10, claims=claims, drops_decided=True)
    effects = {"relu": (0.0, 0.0, 0.0), "fast": (3.0, 3.01, 3.02), "slow": (0.4, 0.1, 0.5)}
    records = {run.id: Record(run.id, "pending") for run in plan.runs}
    for run in plan.runs:
        if run.seed < 3:
            records[run.id] = completed(run.id, 40.0 + 0.1 * run.seed + effects[run.variant][run.seed])
    rows = PlanRows(plan, "test_accuracy", METRIC, store.paths, workers=2, device="cpu")
    rows.update({run.id: Record(run.id, "pending") for run in plan.runs})
    told = [line.plain for event in rows.update(records) for line in event.lines]
    assert told[-1] == "a claim is still open at 3 seeds: continuing to 5 without fast, whose claims are closed"
    table = [line.split() for line in text(*rows.body(100, 20)).splitlines()]
    assert [len(line) for line in table[1:4]] == [2 + 5, 1 + 3, 1 + 5]  # a star marks the baseline


def view_on(console: Console | None, store: Store, plan: Plan | None = None) -> Progress[Mapping[str, Record]]:
    plan = plan or images_plan()
    return progress(plan, "test_accuracy", METRIC, store.paths, workers=1, device="cpu", console=console)


def test_a_terminal_gets_a_live_view_and_a_pipe_plain_lines(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(view_on(terminal(100, 25), store), Live)
    assert isinstance(view_on(terminal(20, 4), store, images_plan(seeds=300)), Live)
    assert not isinstance(view_on(Console(file=io.StringIO()), store), Live)
    monkeypatch.setenv("FORCE_COLOR", "1")  # as in CI: colours, but no cursor to move
    assert not isinstance(view_on(None, store), Live)
    monkeypatch.setenv("TERM", "dumb")
    assert not isinstance(view_on(terminal(100, 25), store), Live)


def plain_view(
    plan: Plan, store: Store, clock: Callable[[], float] = lambda: 0.0
) -> tuple[Progress[Mapping[str, Record]], io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, width=80, highlight=False, markup=False)
    schedule = Schedule(plan)
    options: dict[str, Any] = {"workers": 1, "device": "cpu", "console": console, "schedule": schedule, "clock": clock}
    return progress(plan, "test_accuracy", METRIC, store.paths, **options), out


def test_a_pipe_gets_one_line_per_result(store: Store) -> None:
    plan = images_plan()
    before = {run.id: Record(run.id, "pending") for run in plan.runs}
    view, out = plain_view(plan, store)
    with view:
        view.update({**before, "a00000000000": completed("a00000000000", 41.234)})
        view.update(
            {**before, "a00000000000": completed("a00000000000", 41.234), "b00000000000": completed("b00000000000", 42.0)}
        )
        view.update(
            {**before, "a00000000000": completed("a00000000000", 41.234), "b00000000000": completed("b00000000000", 42.0)}
        )
    lines = out.getvalue().splitlines()
    assert lines[0] == "leakyrelu_vs_relu@smoke   Does LeakyReLU train a better network than ReLU?"
    assert lines[2] == f"report, as runs finish: {store.paths.report(plan.name) / 'index.html'}"
    assert lines[3:] == ["1 of 6 done already", "[2/6] leaky_relu  seed 0  completed  42.0 %  0:24  b00000000000"]


def test_a_failure_shows_its_unwrapped_log_path_and_last_log_lines(store: Store) -> None:
    plan = images_plan()
    before = {run.id: Record(run.id, "pending") for run in plan.runs}
    failed = Record("a00000000000", "failed", reason="oom", epoch=3)
    log = write_log(store, plan.runs[0], "".join(f"line {number}\n" for number in range(9)) + "\x1b[2Jout of [bold]memory\n")
    view, out = plain_view(plan, store)
    view.update(before)
    view.update({**before, failed.id: failed})
    lines = out.getvalue().splitlines()
    assert lines[0] == f"[1/6] relu        seed 0  FAILED oom at epoch 3  {log}"
    assert lines[1:] == ["    line 5", "    line 6", "    line 7", "    line 8", "     [2Jout of [bold]memory"]


def test_the_live_view_prints_failures_above_its_table(store: Store) -> None:
    plan = images_plan()
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=True, color_system=None)
    with progress(plan, "test_accuracy", METRIC, store.paths, workers=1, device="cpu", console=console) as view:
        view.update({run.id: Record(run.id, "pending") for run in plan.runs})
        view.update(some_records(plan))
    shown = out.getvalue()
    assert "FAILED oom at epoch 3" in shown
    assert shown.index("FAILED oom at epoch 3") < shown.index("3/6 runs done")


def test_states_are_coloured_but_not_the_same_words_in_user_texts(store: Store) -> None:
    plan = images_plan(variants=("failed", "FAILED oom"), question="Why has REHEARSAL failed and DIVERGED?", profile=None)
    assert [colours(line) for line in dry_run.heading(plan)] == [[]]
    records = some_records(plan)
    assert colours(run_cells(plan, records, "test_accuracy", METRIC)) == [("FAILED", "bold red")]
    shown = status.one_plan(status.PlanStatus(plan, count(plan, records), 12.0), records, store.paths)
    assert [(word.strip(), style) for word, style in colours(shown)] == [("failed", "red")]
    assert colours(dry_run.marked("6 runs", images_plan())) == [(REHEARSAL, "bold magenta")]


def test_the_live_view_shows_a_requested_stop_instead_of_the_hint(store: Store) -> None:
    console = terminal(100, 25)
    with view_on(console, store) as view:
        view.update(some_records(images_plan()))
        assert isinstance(view, Live)
        assert text(view.frame()).rstrip().endswith("Ctrl-C keeps everything")
        view.stopping()
        view.stopping()
        shown = text(view.frame())
        assert shown.rstrip().endswith("stopping: finishing the current step, writing checkpoints")
        assert " left" not in shown
    shown = text(view.frame())
    assert "1 FAILED, 1 stopped" in shown
    assert "Ctrl-C" not in shown
    assert "stopping" not in shown
    assert isinstance(console.file, io.StringIO)
    assert "stopping: finishing the current step" in console.file.getvalue()


def test_the_last_view_has_neither_a_hint_nor_a_time_left(store: Store) -> None:
    plan, console = images_plan(), terminal(100, 25)
    with view_on(console, store) as view:
        assert isinstance(view, Live)
        view.update({run.id: completed(run.id, 41.0) for run in plan.runs})
    shown = text(view.frame())
    assert "6/6 runs done\n  0:00 elapsed · 2.4 min of training spent\n  report:" in shown
    assert "Ctrl-C" not in shown
    assert " left" not in shown


def test_plain_lines_announce_a_stop_once(store: Store) -> None:
    view, out = plain_view(images_plan(), store)
    with view:
        view.stopping()
        view.stopping()
    assert out.getvalue().splitlines()[3:] == ["stopping: finishing the current step, writing checkpoints"]
