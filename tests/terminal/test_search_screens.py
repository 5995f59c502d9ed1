"""The screens of a search: progress, results, status."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

from examples import REHEARSAL, golden
from rich.console import Console
from screened import terminal, text
from toy_task import TOY

from harness.execution.time_left import Earlier
from harness.experiment.space import Categorical, Range
from harness.experiment.study import Study
from harness.search.trials import Trial
from harness.store.records import Store
from harness.tasks.protocol import result_metrics
from harness.terminal import search_dry_run
from harness.terminal.live import Live, Progress
from harness.terminal.live_search import SearchRows, progress
from harness.terminal.search_status import SearchStatus, row
from harness.terminal.search_summary import search_results

METRICS = result_metrics(TOY)
STUDY = Study.model_validate(
    {
        "name": "toys@smoke",
        "experiment": "toys",
        "profile": "smoke",
        "question": "How far does a toy walk?",
        "task": "toy_task:TOY",
        "task_version": TOY.version,
        "accelerator": "cpu",
        "base": TOY.Config().model_dump(mode="json"),
        "data": "toys:1",
        "space": [
            Range(name="walk.effect", path="effect", low=-3, high=3),
            Categorical(name="mood", options={"calm": {"noise": 0.5}, "wild": {"noise": 2.0}}),
            Range(name="steps", path="steps", low=2, high=8, integer=True, when={"mood": ("wild",)}),
        ],
        "objectives": {"score": "maximize"},
        "constraints": {"parameters": {"at_most": 6}},
        "sampler": "tpe",
        "pruner": "median",
        "trials": 10,
        "seeds": 2,
        "first": [{"walk.effect": 1.0, "mood": "calm"}],
        "confirm": {"top": 2, "seeds": 3},
    }
)


def trial(number: int, state: str, score: float | None = None, **fields: Any) -> Trial:
    values = {"walk.effect": number - 2.0, "mood": "calm"}
    runs = (f"{number:012x}", f"{number + 100:012x}")
    made = Trial(number, state, values, {} if score is None else {"score": score}, runs, seconds=60.0, epochs=6)  # type: ignore[arg-type]
    return replace(made, **fields)


TRIALS = [
    trial(0, "completed", 50.0),
    trial(1, "pruned", reason="after epoch 1", seconds=20.0),
    trial(2, "interrupted"),
    trial(3, "completed", 51.5),
    trial(4, "failed", reason="bug: ValueError: the toy broke"),
    trial(5, "infeasible", reason="7 parameters, over the bound of 6", runs=(), seconds=0.0),
    trial(6, "running", follows=2, seconds=0.0),
]


def test_the_live_view_of_a_search_is_golden(store: Store) -> None:
    now = iter([0.0, 72.0]).__next__
    console = Console(file=io.StringIO(), width=100)
    rows = SearchRows(STUDY, METRICS, store, workers=2)
    rows.address = "results/reports/toys@smoke/index.html"
    view = Live(rows, console, now)
    rows.update(TRIALS)
    rows.look(2)
    shown = text(*rows.introduction(), view.frame())
    assert "5/10 trials done" in shown
    # The four trials that trained took 50 s on average; 5 are left, for 2 workers.
    assert "2 min left, from 5 finished trials" in shown
    assert shown == golden("search_live.txt", shown)


def test_without_a_terminal_every_result_is_a_line(store: Store) -> None:
    out = io.StringIO()
    view = progress(STUDY, METRICS, store, workers=1, console=Console(file=out, width=100, highlight=False), clock=lambda: 0.0)
    assert type(view) is Progress
    with view:
        view.update(TRIALS[:1])
        view.update(TRIALS)
        view.update(TRIALS)
        view.stopping()
        view.stopping()
    lines = out.getvalue().splitlines()
    assert lines[4:6] == [
        "1 of 10 done already",
        "[ 2/10] trial 1   pruned after epoch 1  effect=-1, mood=calm  0:20  000000000001",
    ]
    assert lines[6] == "trial 2  interrupted; its values will be tried again"
    assert lines[7] == "[ 3/10] trial 3   completed  51.50 points  effect=1, mood=calm  1:00  000000000003  best so far"
    assert lines[8].startswith("[ 4/10] trial 4   FAILED bug: ValueError: the toy broke  effect=2, mood=calm  ")
    assert lines[9] == "[ 5/10] trial 5   infeasible 7 parameters, over the bound of 6  effect=3, mood=calm"
    assert lines[10:] == ["stopping: finishing the current step, writing checkpoints"]


def test_the_time_left_is_from_earlier_results_until_a_trial_has_finished(store: Store) -> None:
    rows = SearchRows(STUDY, METRICS, store, workers=2, earlier=Earlier(60.0, "from 12 finished runs of toys"))
    rows.update([])
    assert rows.footer(0.0).left == "10 min left, from 12 finished runs of toys"  # 10 trials of two runs, two at a time
    rows.update(TRIALS)
    assert rows.footer(0.0).left == "2 min left, from 5 finished trials"
    rows.update([*TRIALS, *(trial(number, "infeasible", seconds=0.0, runs=()) for number in (7, 8, 9))])
    assert rows.footer(0.0).left == "25 s left, from 8 finished trials"  # two remain; half of such trials take no time
    unknown = SearchRows(STUDY, METRICS, store, workers=2)
    unknown.update([])
    assert unknown.footer(0.0).left == "time left not known yet"


def test_every_terminal_gets_a_live_view(store: Store) -> None:
    assert isinstance(progress(STUDY, METRICS, store, workers=1, console=terminal(100, 40)), Live)
    assert isinstance(progress(STUDY, METRICS, store, workers=1, console=terminal(40, 10)), Live)


def test_the_dry_run_names_conditions_constraints_and_choices() -> None:
    shown = text(search_dry_run.dry_run(search_dry_run.SearchPreview(STUDY, METRICS, TRIALS, 4)))
    assert shown == golden("search_ahead.txt", shown)


def test_the_results_show_the_best_trials_and_parameters_at_an_edge() -> None:
    last = trial(9, "completed", 53.0, values={"walk.effect": 2.99, "mood": "wild", "steps": 8})
    shown = text(search_results(STUDY, [*TRIALS, last], METRICS))
    assert shown.index("trial 9") < shown.index("trial 3") < shown.index("trial 0")
    assert "7 trials: 3 completed, 1 pruned, 1 infeasible, 1 failed" in shown
    assert "trial 9: effect=2.99 and steps=8 lie at the edges of what was tried; better ones may lie beyond" in shown
    assert REHEARSAL in shown


def test_several_objectives_show_their_front() -> None:
    study = Study.model_validate({**dict(STUDY), "objectives": {"score": "maximize", "parameters": "minimize"}, "pruner": "none"})
    points = [(50.0, 4.0), (51.0, 6.0), (49.0, 8.0)]
    trials = [trial(place, "completed", objectives={"score": a, "parameters": b}) for place, (a, b) in enumerate(points)]
    shown = text(search_results(study, trials, METRICS))
    assert "Pareto front   score   parameters   epochs" in shown
    assert "trial 2" not in shown
    assert row(SearchStatus(study, trials, 1.0, METRICS)).result == "2 trials on the front"


def test_a_row_of_a_search_counts_trials() -> None:
    found = row(SearchStatus(STUDY, TRIALS, 12.0, METRICS))
    assert (found.done, found.running, found.waiting, found.failed) == ("5/10", 1, 4, 1)
    assert found.result == "best 51.50 points (trial 3)"
    unknown = row(SearchStatus(STUDY, None, None, why="its trials are in a database: set $HARNESS_STORAGE"))
    assert (unknown.done, unknown.result) == ("?/10", "its trials are in a database: set $HARNESS_STORAGE")
