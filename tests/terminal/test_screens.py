"""Golden screens, narrow terminals, pipes, and texts with control characters.

After a wanted change: REGENERATE=1 python -m pytest tests/terminal, then look at the difference in tests/golden.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from examples import ACCURACY, ACTIVATIONS, activations_plan, amended, golden, image_records, images_plan
from screened import CLAIM, colours, some_records, text

from harness.analysis.power import Power, Spread, evaluate
from harness.analysis.verdicts import judgement
from harness.execution.schedule import count_states as count
from harness.experiment.plan import Plan
from harness.experiment.run_id import Spec
from harness.reporting import phrases
from harness.reporting.tables.model import Column
from harness.store.frames import runs_frame
from harness.store.paths import Paths
from harness.store.records import Record, Store
from harness.store.run_places import RunPlaces
from harness.terminal import dry_run as dry_run_screen
from harness.terminal import json_output, shell, status
from harness.terminal.dry_run import Preview
from harness.terminal.tables import TerminalTable, styled

NUMBERS = (
    Column("variant", holds="labels"),
    Column("n", "right"),
    Column("test accuracy (%)", "right"),
    Column("difference (pp)"),
)


def preview(plan: Plan, **fields: Any) -> Preview:
    """What a dry run knows of the plan while its runs are in `some_records`."""
    known = {"requested": plan.runs, "parameters": {}, "power": None, "levels": None, **fields}
    return Preview(plan, ACCURACY, some_records(plan), **known)


def test_the_dry_run_is_golden() -> None:
    plan = images_plan(claims=(CLAIM,))
    power = evaluate(Power("test_accuracy", "%", (3,), 0.05, 3.0, 0.05, Spread(0.2)))
    parameters = {"relu": 4_903_082, "leaky_relu": 4_903_082}
    shown = text(dry_run_screen.dry_run(preview(plan, parameters=parameters, power=power)))
    assert shown == golden("dry_run.txt", shown)


def test_the_dry_run_of_a_plan_with_looks_counts_the_runs_of_the_current_look() -> None:
    plan = images_plan(seeds=20, looks=(3, 5, 20))
    requested = [run for run in plan.runs if run.seed < 3]
    lines = text(dry_run_screen.dry_run(preview(plan, requested=requested, levels="levels simulated"))).splitlines()
    assert lines[4].split() == ["relu", "*", "20", "1", "1", "1"]
    assert [line.strip() for line in lines if line.startswith("  looks")] == ["looks   levels simulated"]
    assert "up to 34 more at later looks" in " ".join(" ".join(lines).split())


def test_the_dry_run_warns_of_an_underpowered_design() -> None:
    plan = images_plan(claims=(CLAIM,))
    power = evaluate(Power("test_accuracy", "%", (3,), 0.05, 0.25, 0.05, Spread(0.2)))
    renderable = dry_run_screen.dry_run(preview(plan, power=power))
    assert "WARNING   underpowered for the margin: 3 seeds find 0.25 pp 24 % of the time; 8 seeds would" in text(renderable)
    assert any(style == "bold magenta" and "underpowered" in words for words, style in colours(renderable))


def test_the_dry_run_of_a_plan_without_a_profile_has_no_rehearsal_mark() -> None:
    plan = images_plan(name="leakyrelu_vs_relu", profile=None)
    shown = text(dry_run_screen.dry_run(preview(plan)))
    assert "REHEARSAL" not in shown
    assert "parameters" not in shown


def test_the_overview_is_golden() -> None:
    plan = images_plan()
    other = images_plan(name="dropout_sweep", profile=None)
    pending = {run.id: Record(run.id, "pending") for run in other.runs}
    judged = amended(activations_plan(), margin=0.5)
    records = image_records(judged, ACTIVATIONS)
    standings = [
        status.PlanStatus(plan, count(plan, some_records(plan)), 12.0),
        status.PlanStatus(other, count(other, pending), None),
        status.PlanStatus(judged, count(judged, records), 7200.0, judgement(judged, runs_frame(judged, records)), ACCURACY),
    ]
    shown = text(status.overview([status.row(one) for one in standings]))
    assert shown == golden("overview.txt", shown)


def test_one_plans_status_is_golden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store.open(Path("results"))
    plan = images_plan()
    records = some_records(plan)
    shown = text(status.one_plan(status.PlanStatus(plan, count(plan, records), 12.0), records, store.paths))
    assert "--retry failed" in shown
    assert shown == golden("one_plan.txt", shown)


def test_without_a_number_of_epochs_only_the_epoch_is_shown() -> None:
    grid = TerminalTable.of_rows([Column("x")], [])
    assert grid.lines(80) == ["  x"]
    assert phrases.epochs({"training": {}}) is None
    assert status.epoch_of(3, None) == "epoch 3"


def test_narrow_terminals_drop_columns_from_the_right_with_an_ellipsis() -> None:
    columns = [Column("variant"), Column("n", "right"), Column("test accuracy (%)", "right"), Column("difference (pp)", "right")]
    grid = TerminalTable.of_rows(columns, [["leaky_relu", "5", "93.37 ± 0.12", "+0.33"]])
    assert grid.lines(80)[0].endswith("difference (pp)")
    assert grid.lines(50) == ["  variant      n   test accuracy (%)   …", "  leaky_relu   5        93.37 ± 0.12   …"]
    assert grid.lines(30) == ["  variant      n   …", "  leaky_relu   5   …"]
    for width in range(8, 80):
        lines = grid.lines(width)
        assert len(lines) == 2
        assert max(map(len, lines)) <= width


def test_wide_characters_keep_columns_in_line() -> None:
    lines = TerminalTable.of_rows([Column("变体"), Column("n")], [["abcdef", "1"], ["基线", "2"]]).lines(40)
    assert lines == ["  变体     n", "  abcdef   1", "  基线     2"]


def test_a_question_with_brackets_and_escapes_is_shown_as_it_is() -> None:
    plan = images_plan(question="[red]Is it?[/red] \x1b[31m:smile:")
    assert text(*dry_run_screen.heading(plan)).strip() == "leakyrelu_vs_relu@smoke   [red]Is it?[/red]  [31m:smile:"


def test_two_runs_differ_in_parts_of_their_ids() -> None:
    config = {"model": {"activation": "relu"}, "optimizer": {"lookahead": {"k": 5}}}
    one = Spec(schema=1, task="t", version="1", config=config, seed=0, data="d")
    other = Spec(schema=1, task="t", version="1", config={**config, "optimizer": {"lookahead": None}}, seed=1, data="d")
    assert status.spec_difference(one, other) == {"seed": (0, 1), "optimizer.lookahead.k": (5, None)}
    places, records = [RunPlaces((), ())] * 2, [Record("a00000000000", "completed"), Record("b00000000000", "pending")]
    shown = text(status.two_runs(("a00000000000", one), ("b00000000000", other), places, records))
    assert "b00000000000   no plan · seed 1 · pending" in shown
    assert "optimizer.lookahead.k   5              null" in shown
    assert "same run" in text(status.two_runs(("a00000000000", one), ("a00000000000", one), places, records))


def test_the_document_of_a_dry_run_is_json_with_its_power() -> None:
    plan = images_plan()
    power = evaluate(Power("test_accuracy", "%", (3,), 0.05, 0.25, 0.05, Spread(0.2, 4, ("other",))))
    document = json.loads(json.dumps(json_output.dry_run(preview(plan, power=power)), allow_nan=False))
    assert document["runs"][0]["id"] == "a00000000000"
    assert document["asked"] == 6
    assert document["power"]["spread"] == {"sd": 0.2, "pairs": 4, "plans": ["other"]}
    assert round(document["power"]["power"], 2) == 0.24


def test_results_go_to_stdout_and_messages_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    shell.show(styled("a result"))
    shell.say("a message")
    assert capsys.readouterr() == ("a result\n", "a message\n")
    assert shell.console(sys.stdout).width == shell.PLAIN_WIDTH


def test_long_labels_are_cut_in_the_middle_before_numbers_are_lost() -> None:
    labels = [f"model.widths=64{'x' * 50}learning_rate=0.{place} *" for place in range(3)]
    grid = TerminalTable.of_rows(NUMBERS, [[label, "5", "93.37 ± 0.12", "+0.33"] for label in labels])
    for width in (60, 80, 100):
        lines = grid.lines(width)
        assert all(line.split()[-1] == "+0.33" for line in lines[1:])
        assert max(map(len, lines)) <= width
        assert len({line.split("   ")[0] for line in lines[1:]}) == 3
        assert all(" *   5" in line.replace("     5", "   5") for line in lines[1:])
    assert max(map(len, grid.lines(100))) == 100


def test_a_long_claim_is_wrapped_with_a_hanging_indent() -> None:
    labels = [f"variant_{place}" for place in range(12)]
    plan = images_plan(claims=({**CLAIM, "kind": "no_gain", "variants": labels, "over": ["relu"] * 12},))
    lines = text(dry_run_screen.dry_run(preview(plan)), width=80).splitlines()
    (first,) = [place for place, line in enumerate(lines) if line.startswith("  claim 1   variant_0, ")]
    assert max(map(len, lines[first:])) <= 80
    assert lines[first + 1].startswith(" " * 12 + "variant_")
    assert "gain nothing over relu" in " ".join(line.strip() for line in lines)


def test_results_known_before_the_plan_are_named_before_anything_starts() -> None:
    plan = images_plan(claims=(CLAIM,))
    known = images_plan(claims=(CLAIM,), known=[run.id for run in plan.runs[:4]])
    existed = "4 of 6 results existed before this plan: claims about them are RETROSPECTIVE"
    assert existed not in text(dry_run_screen.dry_run(preview(plan)), width=200)
    shown = text(dry_run_screen.dry_run(preview(known)), width=200)
    assert f"  WARNING   {existed}; judge it on fresh seeds with seeds: {{n: 3, first: 3}}" in shown
    assert "RETROSPECTIVE" not in text(dry_run_screen.dry_run(preview(images_plan(known=known.known))))  # nothing is claimed
    waiting = {run.id: Record(run.id, "pending") for run in plan.runs}
    standing = status.PlanStatus(known, count(known, waiting), None)
    assert existed in text(status.one_plan(standing, waiting, Paths(Path("results"))), width=200)


def test_the_overview_counts_retrospective_verdicts_apart() -> None:
    plan = activations_plan(known=["d00000000000"])  # of no_batchnorm
    records = image_records(plan, ACTIVATIONS)
    judged = status.PlanStatus(plan, count(plan, records), 1.0, judgement(plan, runs_frame(plan, records)), ACCURACY)
    assert status.verdicts(judged) == "1 supported, 1 equivalent, RETROSPECTIVE: 1 refuted"


def test_changed_claims_are_in_every_heading() -> None:
    plan = images_plan()
    assert len(dry_run_screen.heading(plan)) == 1
    shown = text(*dry_run_screen.heading(amended(plan, claims=(CLAIM,))))
    assert shown.splitlines()[1] == "FILE CHANGED AFTER RUNS HAD STARTED"
