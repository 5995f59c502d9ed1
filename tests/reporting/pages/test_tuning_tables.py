"""Tuning in a report: what was chosen, from what, on which runs; what lies at the edge; and reports that are not there yet."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from examples import toy_rows, write_run
from markdown_it import MarkdownIt
from parsed import Element, parsed
from searched import confirm, keep, study_of
from tuned import score, tuned, tuning_plan

from harness import report, write_report
from harness.errors import InputError
from harness.execution.stages import next_plan
from harness.experiment.plan import Plan, task_of
from harness.reporting.figures import tuning as draw
from harness.reporting.pages import gather, page, pictures
from harness.reporting.pages.markdown import render
from harness.reporting.pages.scoreboard import rows_of, write
from harness.reporting.pages.tuning import tuning_of
from harness.reporting.tables.tuning import tuning_table
from harness.store.records import Store
from harness.tasks.protocol import result_metrics


def compared(store: Store, folder: Path, **fields: object) -> Plan:
    plan = tuned(store, tuning_plan(folder, **fields))
    assert plan is not None
    return plan


def section(store: Store, plan: Plan, name: str) -> Element:
    return parsed(page.render(gather(store, plan), ())).one("section", id=name)


def cells(table: Element) -> list[list[str]]:
    return [[cell.words for cell in row.children if isinstance(cell, Element)] for row in table.all("tr")[1:]]


def test_each_variant_is_shown_with_the_setting_that_was_chosen_for_it(store: Store, tmp_path: Path) -> None:
    plan = compared(store, tmp_path)
    chosen = cells(section(store, plan, "tuning").all("table")[0])
    assert [row[:3] for row in chosen] == [["plain", "4", "50.05 ± 0.07"], ["quiet", "16", "52.05 ± 0.07"]]
    assert [row[1] for row in cells(section(store, plan, "variants").all("table")[0])] == ["steps=4", "steps=16"]
    assert "on 2 seeds" not in section(store, plan, "tuning").words
    assert "over 2 seeds from 1000, which the comparison does not use" in section(store, plan, "tuning").words


def test_every_setting_is_listed_with_its_runs(store: Store, tmp_path: Path) -> None:
    plan = compared(store, tmp_path)
    table = section(store, plan, "tuning").all("table")[1]
    assert [row[1] for row in cells(table)] == ["1", "4", "16", "1", "4", "16"]
    linked = {link.attributes["href"].split("/")[-2] for link in table.all("a")}
    tuning = store.load_plan("tuned.tuning")
    assert tuning is not None
    assert linked == {run.id for run in tuning.runs}
    for number in table.all("span", class_="number"):
        assert set(number.attributes["data-runs"].split()) <= linked


def test_a_choice_at_the_edge_is_flagged_in_its_row_and_in_trust(store: Store, tmp_path: Path) -> None:
    plan = compared(store, tmp_path)
    flags = [row[4] for row in cells(section(store, plan, "tuning").all("table")[0])]
    assert flags == ["", "best at the edge of its range: a wider range may do better"]
    trust = [flag.words for flag in section(store, plan, "trust").all("li")]
    assert trust == ["quiet: steps=16 lies at the edge of what was tried; a better one may lie beyond."]


def test_the_verdict_is_about_variants_as_tuned(store: Store, tmp_path: Path) -> None:
    plan = compared(store, tmp_path)
    verdict = parsed(page.render(gather(store, plan), ())).one("main").all("p", class_="verdict")[0]
    assert verdict.words.endswith("3 paired seeds; variants as tuned with 2 seeds each.")
    assert rows_of(gather(store, plan))[0].claims[0].outcome.endswith("; variants as tuned")


def test_leaving_out_a_tuning_seed_shows_how_firm_the_choice_is(store: Store, tmp_path: Path) -> None:
    """At 4 steps seed 1000 gives 51 and seed 1001 gives 49; at 16 steps both give 49.5: without seed 1000 these are chosen."""
    tuning = tuning_plan(tmp_path)
    assert tuning.selection is not None
    tuned(store, tuning)
    scores = {4: (51.0, 49.0), 16: (49.5, 49.5), 1: (40.0, 40.0)}
    for run in tuning.runs:
        steps = tuning.selection.settings[run.variant]["steps"]
        write_run(store, tuning, run, toy_rows(scores[steps][run.seed - 1000]), state="completed")
    plan = next_plan(tuning, store.records([run.id for run in tuning.runs]))
    assert plan is not None
    found = tuning_of(store, plan, result_metrics(task_of(plan)))
    assert found is not None
    assert [found.unstable(variant) for variant in plan.variants] == [1, 1]
    assert [row[3].text for row in tuning_table(found, chosen=True).rows] == ["another in 1 of 2"] * 2


def test_one_tuning_seed_says_nothing_about_how_firm_the_choice_is(store: Store, tmp_path: Path) -> None:
    plan = compared(store, tmp_path, tune={"space": {"steps": [1, 4, 16]}, "seeds": 1})
    tuning = gather(store, plan).tuning
    assert tuning is not None
    assert [row[3].text for row in tuning_table(tuning, chosen=True).rows] == ["unknown with 1 tuning seed"] * 2


def test_a_choice_inside_is_not_flagged(store: Store, tmp_path: Path) -> None:
    tuning = tuning_plan(tmp_path)
    plan = tuned(store, tuning, lambda _, settings: score("plain", settings))
    assert plan is not None
    assert gather(store, plan).flags == ()


def test_results_that_were_changed_since_are_flagged(store: Store, tmp_path: Path) -> None:
    tuning = tuning_plan(tmp_path)
    plan = tuned(store, tuning)
    assert plan is not None
    tuned(store, tuning, lambda _, settings: -score("plain", settings))
    store.save_plan(plan)
    assert "The runs of tuned.tuning no longer lead to the chosen settings: they have changed since." in gather(store, plan).flags


def test_a_tuning_that_is_not_there_is_flagged(store: Store, tmp_path: Path) -> None:
    plan = compared(store, tmp_path)
    store.paths.plan("tuned.tuning").unlink()
    assert "the plan tuned.tuning is missing" in gather(store, plan).flags[-1]


def test_the_markdown_has_the_same_table_and_the_figure(store: Store, tmp_path: Path) -> None:
    findings = gather(store, compared(store, tmp_path))
    drawn = [picture for picture, _ in pictures.draw(findings)]
    text = render(findings, drawn)
    assert "## Tuning\n\n![Score by steps; chosen: plain steps=4, quiet steps=16.](figures/tuning.png)" in text
    assert "| quiet | 1 | 50.17 ± 0.07 |" in text
    assert "chosen; best at the edge of its range" in text
    assert MarkdownIt("commonmark").enable("table").render(text).count("<table>") == 6


def test_curves_stand_on_a_logarithmic_axis_over_a_decade(store: Store, tmp_path: Path) -> None:
    findings = gather(store, compared(store, tmp_path))
    assert findings.tuning is not None
    (axis,) = draw(findings.tuning.curves).axes
    assert axis.get_xscale() == "log"
    assert axis.get_xlabel() == "steps, log scale"
    assert [label.get_text() for label in axis.get_xticklabels()] == ["1", "4", "16"]
    rings = [line for line in axis.lines if line.get_markersize() == 12]
    assert [float(line.get_xdata()[0]) for line in rings] == [4.0, 16.0]


@pytest.mark.parametrize(
    ("space", "panels", "scale"),
    [
        ({"steps": [2, 3, 4]}, 1, "linear"),
        ({"failure": ["bug", "oom"]}, 1, "linear"),
        ({"steps": [1, 4], "effect": [0.0, 1.0]}, 2, "linear"),
    ],
)
def test_curves_of_other_spaces(store: Store, tmp_path: Path, space: dict[str, list[object]], panels: int, scale: str) -> None:
    plan = compared(store, tmp_path, tune={"space": space, "seeds": 2})
    findings = gather(store, plan)
    assert findings.tuning is not None
    figure = draw(findings.tuning.curves)
    figure.canvas.draw()
    assert len(figure.axes) == panels
    assert figure.axes[0].get_xscale() == scale


def test_many_variants_have_a_panel_each_on_one_scale(store: Store, tmp_path: Path) -> None:
    variants = {f"v{place}": {"noise": 1.0 + place} for place in range(10)}
    findings = gather(store, compared(store, tmp_path, variants=variants))
    assert findings.tuning is not None
    shown = [axis for axis in draw(findings.tuning.curves).axes if axis.axison]
    assert len(shown) == 10
    assert len({axis.get_ylim() for axis in shown}) == 1


def test_a_setting_that_diverged_has_no_value(store: Store, tmp_path: Path) -> None:
    tuning = tuning_plan(tmp_path)
    plan = tuned(store, tuning)
    assert plan is not None
    result = store.paths.run(tuning.runs[0].id).result
    result.write_text(result.read_text().replace('"completed"', '"diverged"'))
    findings = gather(store, plan)
    assert findings.tuning is not None
    (value,) = (column for column in tuning_table(findings.tuning).columns if column.header == "score")
    assert math.isfinite(value.cells[0].value or 0.0)
    assert "1 run of the tuning diverged; a setting with diverged runs is never chosen." in findings.flags


def test_a_tuning_alone_has_no_report_but_an_error_with_its_progress(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tuned(store, tuning_plan(tmp_path), ended=5) is None
    for name in ("tuned", "tuned.tuning"):
        assert report.main([name, "--results", str(store.paths.root)]) == 2
        told = capsys.readouterr().err
        assert told.startswith("tuned: only its tuning has started, 5 of 12 runs finished; its report starts with the comparison")
        assert f"harness run {tmp_path / 'tuned.yaml'}" in told


def test_stages_have_neither_report_nor_row(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compared(store, tmp_path)
    study = study_of()
    confirm(store, study, keep(store, study))
    assert report.main(["--results", str(store.paths.root)]) == 0
    assert sorted(path.name for path in store.paths.reports.iterdir()) == [
        "compare.html",
        "hunt",
        "hunt.final",
        "index.html",
        "tuned",
    ]
    root = parsed((store.paths.reports / "index.html").read_text())
    rows = [row.all("th")[0].all("a")[0].words for row in root.one("section", id="evidence").all("tbody")]
    assert rows == ["hunt.final", "tuned"]
    assert [row.words for row in root.one("section", id="searches").all("a")] == ["hunt"]
    assert "supported" in root.one("section", id="searches").words
    capsys.readouterr()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("tuned.tuning", "run: harness report tuned"),
        ("hunt.top", "run: harness report hunt"),
        ("hont", "did you mean hunt"),
        ("experiments/hun.yaml", "did you mean hunt"),
        ("unlike", "no plan or search 'unlike'"),
    ],
)
def test_names_without_a_report_say_which_have_one(store: Store, tmp_path: Path, name: str, told: str) -> None:
    compared(store, tmp_path)
    study = study_of()
    confirm(store, study, keep(store, study))
    with pytest.raises(InputError, match=told):
        write_report(name, store.paths.root)


def test_a_rehearsed_search_is_not_evidence_on_the_scoreboard(store: Store) -> None:
    study = study_of(name="hunt@smoke", profile="smoke")
    confirm(store, study, keep(store, study))
    root = parsed(write(store).read_text())
    assert "No evidence yet" in root.one("section", id="evidence").words
    assert "Rehearsal" in root.one("section", id="searches").words
    assert root.one("body").attributes.get("data-refresh") is None


def test_json_tells_of_a_search(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    import json

    study = study_of()
    confirm(store, study, keep(store, study))
    assert report.main(["hunt", "--json", "--results", str(store.paths.root)]) == 0
    (told,) = json.loads(capsys.readouterr().out)["reports"]
    assert (told["name"], told["standing"], told["report"].endswith("reports/hunt/index.html")) == ("hunt", "supported", True)


def test_numbers_of_the_comparison_name_its_runs_though_its_seeds_begin_at_3000(store: Store) -> None:
    study = study_of()
    plan = confirm(store, study, keep(store, study))
    root = parsed(page.render(gather(store, plan), ()))
    numbers = root.one("section", id="variants").all("span", class_="number")
    used = {run_id for number in numbers for run_id in number.attributes["data-runs"].split()}
    assert used == {run.id for run in plan.runs}
    assert "The winner was chosen by the search hunt, on other seeds." in root.words
