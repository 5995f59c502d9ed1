"""The screens: golden ones for each kind, narrow terminals, pipes, and text that must do no harm.

After a wanted change: REGENERATE=1 python -m pytest tests/test_console.py, then look at the difference in tests/golden.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from examples import ACCURACY, ACTIVATIONS, activations_plan, amended, golden, image_records, images_plan, write_log
from rich.console import Console, RenderableType

from harness import wording
from harness.console import documents, screens, shell, standing
from harness.console.grid import Column, Grid, styled
from harness.console.live import Live, Progress, cells, progress
from harness.console.preview import Preview
from harness.errors import InputError, Position, Problem
from harness.frames import runs_frame
from harness.plan import Plan
from harness.power import Power, Spread, evaluate
from harness.progress import Course
from harness.progress import standing as count
from harness.store.records import Record, Spec, Store
from harness.verdicts import judgement

METRIC = ACCURACY["test_accuracy"]
CLAIM = {"kind": "improves", "metric": "test_accuracy", "variants": ["leaky_relu"], "over": ["relu"], "margin": 3.0}


def text(*renderables: RenderableType, width: int = 100) -> str:
    """What a terminal of `width` shows, without colours."""
    out = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False)
    for renderable in renderables:
        out.print(renderable)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def completed(run_id: str, accuracy: float) -> Record:
    return Record(
        run_id, "completed", epoch=4, metrics={"test_accuracy": accuracy}, seconds=24.0, ended_at="2026-01-02T03:04:05+00:00"
    )


def some_records(plan: Plan) -> dict[str, Record]:
    """Two seeds in every state: the first variant's ended, the second's under way."""
    values = {
        "a00000000000": completed("a00000000000", 41.234),
        "b00000000000": completed("b00000000000", 42.0),
        "a00000000001": Record("a00000000001", "failed", reason="oom", error="out of memory", epoch=3),
        "b00000000001": Record("b00000000001", "running", epoch=2, host="gpu07", pid=4711, beat_age_s=8.0),
        "a00000000002": Record("a00000000002", "interrupted", epoch=3),
    }
    return {run.id: values.get(run.id, Record(run.id, "pending")) for run in plan.runs}


def preview(plan: Plan, **fields: Any) -> Preview:
    """What a dry run knows of the plan while its runs are in `some_records`."""
    known = {"asked": plan.runs, "parameters": {}, "power": None, "levels": None, **fields}
    return Preview(plan, ACCURACY, some_records(plan), **known)


def test_the_dry_run_is_golden() -> None:
    plan = images_plan(claims=(CLAIM,))
    power = evaluate(Power("test_accuracy", "%", (3,), 0.05, 3.0, 1, Spread(0.2)))
    parameters = {"relu": 4_903_082, "leaky_relu": 4_903_082}
    shown = text(screens.dry_run(preview(plan, parameters=parameters, power=power)))
    assert shown == golden("dry_run.txt", shown)


def test_the_dry_run_of_a_plan_with_looks_counts_what_they_ask_for() -> None:
    plan = images_plan(seeds=20, looks=(3, 5, 20))
    asked = [run for run in plan.runs if run.seed < 3]
    lines = text(screens.dry_run(preview(plan, asked=asked, levels="levels simulated"))).splitlines()
    assert lines[4].split() == ["relu", "*", "20", "1", "1", "1"]
    assert [line.strip() for line in lines if line.startswith("  looks")] == ["looks   levels simulated"]
    assert "up to 34 more at later looks" in " ".join(" ".join(lines).split())


def test_the_dry_run_warns_where_the_margin_is_out_of_reach() -> None:
    plan = images_plan(claims=(CLAIM,))
    power = evaluate(Power("test_accuracy", "%", (3,), 0.05, 0.25, 1, Spread(0.2)))
    renderable = screens.dry_run(preview(plan, power=power))
    assert "WARNING   the margin is out of reach: 3 seeds find 0.25 pp 24 % of the time; 8 seeds would" in text(renderable)
    assert any(style == "bold magenta" and "out of reach" in words for words, style in colours(renderable))


def test_the_dry_run_of_a_plan_without_a_profile_says_nothing_of_rehearsals() -> None:
    plan = images_plan(name="leakyrelu_vs_relu", profile=None)
    shown = text(screens.dry_run(preview(plan)))
    assert "REHEARSAL" not in shown
    assert "parameters" not in shown


def test_the_overview_is_golden() -> None:
    plan = images_plan()
    other = images_plan(name="dropout_sweep", profile=None)
    pending = {run.id: Record(run.id, "pending") for run in other.runs}
    judged = amended(activations_plan(), margin=0.5)
    records = image_records(judged, ACTIVATIONS)
    standings = [
        standing.Standing(plan, count(plan, some_records(plan)), 12.0),
        standing.Standing(other, count(other, pending), None),
        standing.Standing(judged, count(judged, records), 7200.0, judgement(judged, runs_frame(judged, records)), ACCURACY),
    ]
    shown = text(standing.overview(standings))
    assert shown == golden("overview.txt", shown)


def test_one_plans_status_is_golden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store.open(Path("results"))
    plan = images_plan()
    records = some_records(plan)
    shown = text(standing.one_plan(standing.Standing(plan, count(plan, records), 12.0), records, store.paths))
    assert "--retry failed" in shown
    assert shown == golden("one_plan.txt", shown)


def test_the_live_view_is_golden(store: Store) -> None:
    plan = images_plan()
    now = iter([0.0, 72.0]).__next__
    view = Live(
        plan, "test_accuracy", METRIC, store.paths, workers=2, device="cpu", console=Console(file=io.StringIO()), clock=now
    )
    view.known = some_records(plan)
    shown = text(view.frame())
    # 3 whole runs and 2/4 + 3/4 of two others took 72 s, so that the remaining 1.75 take 30 s.
    assert "0:30 left" in shown
    assert shown == golden("live.txt", shown)


def test_the_live_view_shows_the_seeds_that_the_looks_ask_for_so_far(store: Store) -> None:
    plan = images_plan(looks=(3, 5, 10), seeds=10, claims=(CLAIM,))
    console = Console(file=io.StringIO(), width=100)
    course = Course(plan)
    view = Live(
        plan, "test_accuracy", METRIC, store.paths, workers=2, device="cpu", console=console, clock=lambda: 0.0, course=course
    )

    def ended(seeds: int) -> dict[str, Record]:
        values = {
            run.id: completed(run.id, 40.0 + 7 * (-1) ** run.seed * (run.variant == "relu"))
            for run in plan.runs
            if run.seed < seeds
        }
        return {run.id: values.get(run.id, Record(run.id, "pending")) for run in plan.runs}

    with view:
        view.update(ended(2))
        shown = text(view.frame())
        assert "up to 20 runs on cpu, 2 workers" in shown
        assert "seed 2" in shown
        assert "seed 3" not in shown
        assert "4 of 6 done" in shown
        view.update(ended(3))
        shown = text(view.frame())
        assert "seed 4" in shown
        assert "6 of 10 done" in shown
    assert "a claim is still open at 3 seeds: going on to 5" in console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO


def test_a_terminal_gets_a_live_table_and_a_pipe_plain_lines(store: Store) -> None:
    plan = images_plan()

    def view_on(console: Console, plan: Plan = plan) -> Progress:
        return progress(plan, "test_accuracy", METRIC, store.paths, workers=1, device="cpu", console=console)

    terminal = Console(file=io.StringIO(), force_terminal=True)
    assert isinstance(view_on(terminal), Live)
    assert not isinstance(view_on(Console(file=io.StringIO())), Live)
    assert not isinstance(view_on(terminal, images_plan(seeds=21)), Live)


def plain_view(plan: Plan, store: Store) -> tuple[Progress, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, width=80, highlight=False, markup=False)
    return progress(plan, "test_accuracy", METRIC, store.paths, workers=1, device="cpu", console=console), out


def test_a_pipe_gets_one_line_an_ending(store: Store) -> None:
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
    assert lines[2:] == ["1 of 6 done already", "[2/6] leaky_relu  seed 0  completed  42.0 %  0:24  b00000000000"]


def test_a_failure_is_told_with_the_logs_last_lines_and_its_path_in_one_piece(store: Store) -> None:
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


def test_the_live_view_tells_failures_above_its_table_and_leaves_the_table_standing(store: Store) -> None:
    plan = images_plan()
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=True, color_system=None)
    with progress(plan, "test_accuracy", METRIC, store.paths, workers=1, device="cpu", console=console) as view:
        view.update({run.id: Record(run.id, "pending") for run in plan.runs})
        view.update(some_records(plan))
    shown = out.getvalue()
    assert "FAILED oom at epoch 3" in shown
    assert "3 of 6 done" in shown.splitlines()[-2]


def test_a_configuration_that_names_no_epochs_shows_the_epoch_alone() -> None:
    grid = Grid([Column("x")], [])
    assert grid.lines(80) == ["  x"]
    assert wording.epochs({"training": {}}) is None
    assert standing.epoch_of(3, None) == "epoch 3"


def test_narrow_terminals_lose_columns_from_the_right_and_say_so() -> None:
    columns = [Column("variant"), Column("n", "right"), Column("test accuracy (%)", "right"), Column("difference (pp)", "right")]
    grid = Grid(columns, [["leaky_relu", "5", "93.37 ± 0.12", "+0.33"]])
    assert grid.lines(80)[0].endswith("difference (pp)")
    assert grid.lines(50) == ["  variant      n   test accuracy (%)   …", "  leaky_relu   5        93.37 ± 0.12   …"]
    assert grid.lines(30) == ["  variant      n   …", "  leaky_relu   5   …"]
    for width in range(8, 80):
        lines = grid.lines(width)
        assert len(lines) == 2
        assert max(map(len, lines)) <= width


def test_wide_characters_keep_columns_in_line() -> None:
    lines = Grid([Column("变体"), Column("n")], [["abcdef", "1"], ["基线", "2"]]).lines(40)
    assert lines == ["  变体     n", "  abcdef   1", "  基线     2"]


def test_a_question_with_brackets_and_escapes_is_shown_as_it_is() -> None:
    plan = images_plan(question="[red]Is it?[/red] \x1b[31m:smile:")
    assert text(*screens.heading(plan)).strip() == "leakyrelu_vs_relu@smoke   [red]Is it?[/red]  [31m:smile:"


def colours(renderable: RenderableType) -> list[tuple[str, str]]:
    """Every coloured piece of what is shown, with its style."""
    segments = Console(width=100, color_system="truecolor").render(renderable)
    return [(segment.text, str(segment.style)) for segment in segments if segment.style]


def test_states_are_coloured_and_the_same_words_of_a_person_are_not(store: Store) -> None:
    plan = images_plan(variants=("failed", "FAILED oom"), question="Why has REHEARSAL failed and DIVERGED?", profile=None)
    assert [colours(line) for line in screens.heading(plan)] == [[]]
    records = some_records(plan)
    assert colours(cells(plan, records, "test_accuracy", METRIC)) == [("FAILED", "bold red")]
    shown = standing.one_plan(standing.Standing(plan, count(plan, records), 12.0), records, store.paths)
    assert colours(shown) == [("failed     ", "red")]
    assert colours(screens.marked("6 runs", images_plan())) == [("REHEARSAL: profile smoke, no evidence", "bold magenta")]


def test_two_runs_differ_by_what_made_their_ids() -> None:
    config = {"model": {"activation": "relu"}, "optimizer": {"lookahead": {"k": 5}}}
    one = Spec(schema=1, task="t", version="1", config=config, seed=0, data="d")
    other = Spec(schema=1, task="t", version="1", config={**config, "optimizer": {"lookahead": None}}, seed=1, data="d")
    assert standing.spec_difference(one, other) == {"seed": (0, 1), "optimizer.lookahead.k": (5, None)}
    shown = text(standing.two_runs(("a00000000000", one), ("b00000000000", other)))
    assert "optimizer.lookahead.k   5              null" in shown
    assert "same run" in text(standing.two_runs(("a00000000000", one), ("a00000000000", one)))


def test_the_document_of_a_dry_run_is_json_with_its_power() -> None:
    plan = images_plan()
    power = evaluate(Power("test_accuracy", "%", (3,), 0.05, 0.25, 1, Spread(0.2, 4, ("other",))))
    document = json.loads(json.dumps(documents.dry_run(preview(plan, power=power)), allow_nan=False))
    assert document["runs"][0]["id"] == "a00000000000"
    assert document["asked"] == 6
    assert document["power"]["spread"] == {"sd": 0.2, "pairs": 4, "plans": ["other"]}
    assert round(document["power"]["power"], 2) == 0.24


def test_an_error_prints_its_problems_to_stderr_and_returns_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    app = typer.Typer()
    problems = [
        Problem(Position("mine.yaml", 9, 6), "variants.c.modl", "unknown key; did you mean model?"),
        Problem(Position("mine.yaml", 7, 6), "variants.b.model.stem_width", "3.7 is no whole number; allowed: an integer from 1"),
    ]

    @app.command()
    def fails() -> None:
        raise InputError(problems)

    assert shell.run_app(app, [], "harness fails") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "mine.yaml:7:6: variants.b.model.stem_width: 3.7 is no whole number; allowed: an integer from 1",
        "mine.yaml:9:6: variants.c.modl: unknown key; did you mean model?",
        "2 problems; nothing was started",
    ]


def test_results_go_to_stdout_and_messages_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    shell.show(styled("a result"))
    shell.say("a message")
    assert capsys.readouterr() == ("a result\n", "a message\n")
    assert shell.console(sys.stdout).width == shell.PLAIN_WIDTH


NUMBERS = (
    Column("variant", holds="labels"),
    Column("n", "right"),
    Column("test accuracy (%)", "right"),
    Column("difference (pp)"),
)


def test_long_labels_are_cut_in_the_middle_before_numbers_are_lost() -> None:
    labels = [f"model.widths=64{'x' * 50}learning_rate=0.{place} *" for place in range(3)]
    grid = Grid(NUMBERS, [[label, "5", "93.37 ± 0.12", "+0.33"] for label in labels])
    for width in (60, 80, 100):
        lines = grid.lines(width)
        assert all(line.split()[-1] == "+0.33" for line in lines[1:])
        assert max(map(len, lines)) <= width
        assert len({line.split("   ")[0] for line in lines[1:]}) == 3
        assert all(" *   5" in line.replace("     5", "   5") for line in lines[1:])
    assert max(map(len, grid.lines(100))) == 100


def test_a_long_claim_goes_on_under_its_own_beginning() -> None:
    labels = [f"variant_{place}" for place in range(12)]
    plan = images_plan(claims=({**CLAIM, "kind": "no_gain", "variants": labels, "over": ["relu"] * 12},))
    lines = text(screens.dry_run(preview(plan)), width=80).splitlines()
    (first,) = [place for place, line in enumerate(lines) if line.startswith("  claim 1   variant_0, ")]
    assert max(map(len, lines[first:])) <= 80
    assert lines[first + 1].startswith(" " * 12 + "variant_")
    assert "gain nothing over relu" in " ".join(line.strip() for line in lines)


def terminal(width: int, height: int) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, height=height, color_system=None)


@pytest.mark.parametrize(("width", "height", "live"), [(100, 8, True), (100, 7, False), (48, 8, True), (47, 8, False)])
def test_a_table_that_does_not_fit_the_terminal_gives_way_to_plain_lines(
    store: Store, width: int, height: int, live: bool
) -> None:
    console = terminal(width, height)
    view = progress(images_plan(), "test_accuracy", METRIC, store.paths, workers=1, device="cpu", console=console)
    assert isinstance(view, Live) is live


def test_the_live_view_marks_what_a_narrow_terminal_cuts_off(store: Store) -> None:
    plan = images_plan()
    view = Live(plan, "test_accuracy", METRIC, store.paths, workers=1, device="cpu", console=terminal(40, 25), clock=lambda: 0.0)
    lines = text(view.frame(), width=40).splitlines()
    assert lines[-1].endswith("…")
    assert lines[0].endswith("…")
    assert max(map(len, lines)) <= 40


def test_the_live_view_says_that_it_stops_and_no_more_that_it_may(store: Store) -> None:
    console = terminal(100, 25)
    plan = images_plan()
    with progress(plan, "test_accuracy", METRIC, store.paths, workers=1, device="cpu", console=console) as view:
        view.update(some_records(plan))
        assert isinstance(view, Live)
        assert view.footer().endswith("Ctrl-C keeps everything")
        view.stopping()
        view.stopping()
        assert view.footer() == "3 of 6 done · stopping: finishing the step, writing checkpoints"
    assert isinstance(console.file, io.StringIO)
    assert "stopping: finishing the step" in console.file.getvalue()


def test_plain_lines_say_once_that_the_workers_stop(store: Store) -> None:
    view, out = plain_view(images_plan(), store)
    with view:
        view.stopping()
        view.stopping()
    assert out.getvalue().splitlines()[2:] == ["stopping: finishing the step, writing checkpoints"]


def test_claims_changed_after_runs_are_told_in_every_heading() -> None:
    plan = images_plan()
    assert len(screens.heading(plan)) == 1
    shown = text(*screens.heading(amended(plan, claims=(CLAIM,))))
    assert shown.splitlines()[1] == "CLAIMS CHANGED AFTER RUNS"


def test_a_terminal_that_lacks_a_character_gets_another(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    app = typer.Typer()

    @app.command()
    def shows() -> None:
        shell.show(styled("6 runs · cpu"))

    assert shell.run_app(app, [], "harness shows") == 0
    sys.stdout.flush()
    assert raw.getvalue() == b"6 runs ? cpu\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = typer.Typer()

    @app.command()
    def shows() -> None:
        shell.show_json({"runs": 6})

    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert shell.run_app(app, [], "harness shows") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("harness shows: ")
    assert line.endswith("No space left on device")
