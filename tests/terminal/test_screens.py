"""Golden screens, narrow terminals, pipes, and texts with control characters.

After a wanted change: REGENERATE=1 python -m pytest tests/terminal, then look at the difference in tests/golden.
"""

from __future__ import annotations

import io
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
from harness.terminal.wrapping import wrap

NUMBERS = (
    Column("variant", holds="labels"),
    Column("n", "right"),
    Column("test accuracy", "right", unit="%"),
    Column("difference", "right", unit="pp"),
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


def test_a_table_that_is_too_wide_becomes_blocks() -> None:
    table = TerminalTable.of_rows(NUMBERS, [["base *", "5", "93.04 ± 0.15", ""], ["leaky_relu", "5", "93.37 ± 0.12", "+0.33"]])
    assert table.lines(80)[0] == "  variant      n   test accuracy   difference"
    assert table.fits(45)
    assert not table.fits(44)
    assert table.lines(44) == [
        "  variant",
        "    base *",
        "      n 5   test accuracy 93.04 ± 0.15",
        "    leaky_relu",
        "      n 5   test accuracy 93.37 ± 0.12",
        "      difference +0.33",
    ]
    assert table.units == "test accuracy in %, difference in pp"
    for width in range(20, 80):
        lines = table.lines(width)
        assert max(map(len, lines)) <= width
        assert {"5", "93.37", "+0.33"} <= set(" ".join(lines).split())


def test_a_block_without_a_label_begins_with_the_heading_of_its_first_cell() -> None:
    table = TerminalTable.of_rows([Column("line", "right"), Column("value", "right")], [["1,200", "0.25"]])
    assert table.lines(14) == ["  line 1,200", "    value 0.25"]


def test_a_pipe_gets_every_row_on_one_line() -> None:
    label, remark = "activation=leaky_relu," * 9, "a remark of some length " * 9
    table = TerminalTable.of_rows([Column("variant", holds="labels"), Column("remark", holds="remarks")], [[label, remark]])
    out = io.StringIO()
    shell.console(out).print(table, soft_wrap=True)
    assert out.getvalue().splitlines()[1] == f"  {label}   {remark}".rstrip()


def test_paths_stay_in_one_piece_and_intervals_are_not_broken() -> None:
    path = "/results/runs/a00000000001/log.txt"
    assert wrap(f"see {path} for more", 20) == ["see", path, "for more"]
    assert wrap("better by 0.33 pp [+0.21, +0.45], n 5, p .004", 31) == ["better by 0.33 pp", "[+0.21, +0.45], n 5, p .004"]
    assert wrap("better by 0.33 pp [+0.21, +0.45], n 5, p .004", 16) == ["better by", "0.33 pp", "[+0.21, +0.45],", "n 5, p .004"]
    assert wrap("base=leaky_relu,lr=0.1 *", 16, paths=False) == ["base=leaky_relu,", "lr=0.1 *"]
    assert wrap("", 10) == [""]


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


def test_long_labels_are_folded_before_the_table_becomes_blocks() -> None:
    labels = [f"model.widths=64,depth=20,warmup=5,optimizer.learning_rate=0.{place} *" for place in range(3)]
    table = TerminalTable.of_rows(NUMBERS, [[label, "5", "93.37 ± 0.12", "+0.33"] for label in labels])
    for width in (70, 80, 100, 200):
        lines = table.lines(width)
        assert lines[0].split("   ")[-1] == "difference"
        assert max(map(len, lines)) <= width
        assert sum(line.endswith("+0.33") for line in lines) == 3
        cut = lines[0].index("n   ")  # where the second column begins
        names = "".join(line[:cut].strip() for line in lines[1:])
        assert all(label in names for label in labels)


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
