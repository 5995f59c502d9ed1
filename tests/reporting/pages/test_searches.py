"""The report of a search: its headline at every stage, its numbers and their runs, and that no text or test metric gets in."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from examples import REHEARSAL, golden
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from parsed import Element, parsed
from searched import LEAK, confirm, keep, study_of, trials_of
from test_names import walk

from harness import write_report
from harness.errors import InputError
from harness.experiment import load_experiment
from harness.experiment.study import Study, config_of, task_of
from harness.reporting.pages import SearchReportData, data_files, gather_search, markdown, page, search_pictures
from harness.reporting.pages import search_summary as summary
from harness.reporting.pages.importance import LEAST, importances
from harness.reporting.pages.yaml_texts import configuration
from harness.search.confirmation_plans import begin_confirmation
from harness.store.records import Store

pytestmark = pytest.mark.slow

VIEWER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@pytest.fixture
def study() -> Study:
    return study_of()


def found(store: Store, study: Study) -> SearchReportData:
    return gather_search(store, study)


def shown(store: Store, study: Study) -> Element:
    return parsed(page.render_search(found(store, study), ()))


def confirmed(store: Store, study: Study, **fields: float | bool) -> None:
    confirm(store, study, keep(store, study), **fields)


def test_before_its_confirmation_a_search_only_warns_of_its_best_value(store: Store, study: Study) -> None:
    keep(store, study)
    main = shown(store, study).one("main")
    banners = [line.words for line in main.all("p", class_="banner")]
    assert banners == ["NOT CONFIRMED YET: search values are optimistic"]
    best = found(store, study).subject.best
    assert best is not None
    said = main.one("p", class_="verdict").words
    assert said.startswith(f"waiting Not confirmed yet: the best in the search is trial {best.number} with ")
    assert "the largest of many noisy values" in said


def test_once_confirmed_it_says_the_verdict_of_the_comparison_and_links_to_it(store: Store, study: Study) -> None:
    confirmed(store, study)
    path = write_report("hunt", store.paths.root)
    main = parsed(path.read_text()).one("main")
    assert main.all("p", class_="banner") == []
    assert main.one("p", class_="verdict").words.startswith("supported Better by 0.52 pp, 95 % interval ")
    link = next(link for link in main.all("a") if "report" in link.words)
    other = path.parent / unquote(link.attributes["href"])
    assert other == store.paths.report("hunt") / "../hunt.final/index.html"
    back = [link.attributes["href"] for link in parsed(other.read_text()).all("a", href="../hunt/index.html")]
    assert back == ["../hunt/index.html"]


def test_a_comparison_that_is_worse_is_refuted(store: Store, study: Study) -> None:
    confirmed(store, study, gain=-1.0)
    assert summary.headline(found(store, study)).word == "refuted"


def test_the_best_trials_on_their_way_are_counted(store: Store, study: Study) -> None:
    top = confirm(store, study, keep(store, study), final=False)
    store.paths.run(top.runs[0].id).result.unlink()
    said = summary.headline(found(store, study))
    assert said.word == "waiting"
    assert "the best 3 trials are trained on fresh seeds, 11 of 12 runs are in" in said.sentence


def test_the_base_that_stays_the_best_is_said_to_be(store: Store, study: Study) -> None:
    trials = trials_of(study)
    trials[0] = replace(trials[0], objectives={"validation_accuracy": 99.0})
    confirm(store, study, keep(store, study, trials))
    findings = found(store, study)
    assert summary.headline(findings).sentence == "The best trial is the base itself: no trial beats it."
    assert summary.banner(findings) == []
    assert findings.complete


def test_plans_of_other_trials_confirm_nothing(store: Store, study: Study) -> None:
    trials = keep(store, study)
    moved = [replace(trial, values={**trial.values, "width": 9}) for trial in trials]
    confirm(store, study, moved)
    said = summary.headline(found(store, study))
    assert said.sentence.startswith("Not confirmed: hunt.top and hunt.final belong to other trials")


def test_the_seeds_of_a_later_confirmation_are_its_own(store: Store, study: Study) -> None:
    trials = keep(store, study)
    said = dict(summary.study_facts(found(store, study)))["confirmed by"]
    assert said == "the best 3 on 4 seeds from 2000, the winner against the base on 4 seeds from 3000"
    best = confirm(store, study, trials, final=False)
    begin_confirmation(store, study, [trial for trial in trials if f"trial {trial.number}" not in best.variants])
    said = dict(summary.study_facts(found(store, study)))["confirmed by"]
    assert said == "the best 3 on 4 seeds from 2004, the winner against the base on 4 seeds from 3004"


def test_a_search_without_confirmation_says_so(store: Store) -> None:
    study = study_of(confirm=None)
    keep(store, study)
    assert "NOT CONFIRMED: search values are optimistic" in summary.banner(found(store, study))
    assert summary.headline(found(store, study)).word == "exploratory"


def test_an_unfinished_rehearsal_says_both(store: Store) -> None:
    study = study_of(name="hunt@smoke", profile="smoke", trials=40)
    keep(store, study)
    assert summary.banner(found(store, study))[:2] == [REHEARSAL, "30 OF 40 TRIALS FINISHED"]


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_begun_there_is_a_report(store: Store, study: Study, count: int) -> None:
    keep(store, study, trials_of(study, count))
    root = parsed(write_report("hunt", store.paths.root).read_text())
    assert root.one("body").attributes["data-refresh"] == "30"
    assert "OF 30 TRIALS FINISHED" in root.words


def test_a_search_of_which_every_trial_failed_is_held(store: Store, study: Study) -> None:
    failed = [replace(trial, state="failed", objectives={}, digest="d", reason="bug: broke") for trial in trials_of(study, 4)]
    keep(store, study, failed)
    assert any(line.startswith("HELD: every trial failed") for line in summary.banner(found(store, study)))


def test_every_trial_has_a_row_with_its_state_runs_and_reason(store: Store, study: Study) -> None:
    trials = keep(store, study)
    table = shown(store, study).one("section", id="trials").one("table")
    rows = {row.attributes["id"]: row for row in table.all("tr") if "id" in row.attributes}
    assert list(rows) == [f"trial-{trial.number}" for trial in trials]
    assert "after epoch 2" in rows["trial-4"].words
    assert "over the bound of 5,000" in rows["trial-7"].words
    assert "bug: the toy broke" in rows["trial-8"].words
    assert "continued as trial 30" in rows["trial-11"].words
    assert "continues trial 11" in rows["trial-30"].words
    for trial in trials:
        links = [link.attributes["href"] for link in rows[f"trial-{trial.number}"].all("a")]
        assert links == [f"../../runs/{run_id}/" for run_id in trial.runs]


def test_a_parameter_that_a_trial_does_not_have_is_empty(store: Store, study: Study) -> None:
    keep(store, study)
    row = shown(store, study).one("tr", id="trial-2")
    assert [cell.words for cell in row.all("td")][2:6] == ["0.005107", "adam", "", "34"]


def test_every_number_of_a_trial_and_of_the_confirmation_names_its_runs(store: Store, study: Study) -> None:
    confirmed(store, study)
    root = shown(store, study)
    cells = [row.all("td")[1] for row in root.one("section", id="trials").all("tr") if "id" in row.attributes]
    cells += [cell for row in root.one("section", id="confirmation").all("tr")[1:] for cell in row.all("td")[1:4]]
    numbers = [cell for cell in cells if re.search(r"\d", cell.words)]
    assert len(numbers) > 25
    for cell in numbers:
        ids = cell.one("span", class_="number").attributes["data-runs"].split()
        assert all(store.paths.run(run_id).folder.is_dir() for run_id in ids)


def test_the_confirmation_shows_search_value_and_fresh_values(store: Store, study: Study) -> None:
    confirmed(store, study)
    rows = [[cell.words for cell in row.all("td")] for row in shown(store, study).one("section", id="confirmation").all("tr")[1:]]
    searched, again, final = rows[0][1:4]
    assert float(again.split()[0]) == pytest.approx(float(searched) - 0.225, abs=0.02)
    assert final.startswith("89.6")
    assert rows[-1][1:4] == ["90.15", "", "89.15 ± 0.13"] or rows[-1][2] == ""


def test_what_pruning_saved_is_counted_in_epochs(store: Store, study: Study) -> None:
    keep(store, study)
    said = summary.saved(found(store, study))
    assert said.startswith("6 pruned trials trained 12 epochs; completed ones took 9. In all ")
    trained, whole = found(store, study).epochs
    assert whole - trained == 6 * (9 - 2)


def test_nothing_pruned_saves_nothing(store: Store, study: Study) -> None:
    keep(store, study, [trial for trial in trials_of(study, 4) if trial.state == "completed"])
    assert summary.saved(found(store, study)) == ""


def test_importance_finds_what_matters_and_needs_trials_to_tell(study: Study) -> None:
    assert importances(study, trials_of(study, LEAST)) == {}
    shares = importances(study, trials_of(study, 60))["validation_accuracy"]
    assert next(iter(shares)) == "lr"
    assert sum(shares.values()) == pytest.approx(1.0)


@pytest.mark.filterwarnings("error")
def test_a_parameter_of_hardly_any_completed_trial_has_no_importance_and_is_named(store: Store, study: Study) -> None:
    trials = trials_of(study, 120)
    seldom = [trial for trial in trials if trial.state == "completed" and "momentum" in trial.values][1:]
    left = [trial for trial in trials if trial not in seldom]
    twice = [trial for trial in trials if trial not in seldom[1:]]
    assert "momentum" in importances(study, twice)["validation_accuracy"]
    assert list(importances(study, left)["validation_accuracy"]) == ["lr", "width", "optimizer"]
    keep(store, study, left)
    captions = {picture.name: picture.caption for picture, _ in search_pictures.draw(found(store, study))}
    assert captions["importance"].endswith("Nothing is known of momentum: it is a parameter of fewer than 2 completed trials.")


def test_few_trials_have_a_word_in_the_place_of_importance(store: Store, study: Study) -> None:
    keep(store, study, trials_of(study, 10))
    assert "importance needs 20 or more" in shown(store, study).one("section", id="importance").words


@pytest.mark.parametrize(
    ("lr", "width", "said"),
    [
        (0.9999, 64, "trial 1: lr=0.9999 and width=64 lie at the edges of what was tried; better ones may lie beyond."),
        (0.9999, 32, "trial 1: lr=0.9999 lies at the edge of what was tried; a better one may lie beyond."),
        (0.1, 32, ""),
    ],
)
def test_values_at_the_edge_of_their_range_are_flagged(store: Store, study: Study, lr: float, width: int, said: str) -> None:
    trials = trials_of(study)
    values = {"lr": lr, "optimizer": "adam", "width": width}
    trials[1] = replace(trials[1], values=values, objectives={"validation_accuracy": 99.0})
    keep(store, study, trials)
    assert summary.at_edge(found(store, study)) == said
    assert shown(store, study).one("section", id="best").words.count("of what was tried") == bool(said)


def test_the_best_configuration_is_a_file_that_trains_what_the_trial_did(tmp_path: Path, study: Study) -> None:
    trial = trials_of(study)[1]
    (tmp_path / "hunt.yaml").write_text("question: Which settings train best?\ntask: searched:SPLIT\n")
    (tmp_path / "best.yaml").write_text(configuration(study, trial, confirmed=True))
    (variant,) = load_experiment(tmp_path / "best.yaml").variants
    assert variant.config == config_of(study, task_of(study), trial.values)


def test_the_winner_takes_the_place_of_the_best_in_the_search(store: Store, study: Study) -> None:
    trials = keep(store, study)
    confirm(store, study, trials)
    findings = found(store, study)
    assert findings.best is not None
    assert findings.best.number == findings.confirmed.winner
    assert f"# trial {findings.best.number} of the search hunt: the winner on fresh seeds" in shown(store, study).text


def test_several_objectives_have_a_front(store: Store) -> None:
    study = study_of(objectives={"validation_accuracy": "maximize", "parameters": "minimize"}, pruner="none")
    keep(store, study)
    root = parsed(write_report("hunt", store.paths.root).read_text())
    assert root.one("section", id="pareto").one("img").attributes["alt"].startswith("Pareto front: trials ")
    assert len(root.one("section", id="trials").all("small")) > 1


def test_no_test_metric_of_what_only_chose_is_anywhere(store: Store, study: Study) -> None:
    confirmed(store, study)
    folder = write_report("hunt", store.paths.root).parent
    texts = [(folder / name).read_text() for name in ("index.html", "report.md", "trials.csv")]
    findings = found(store, study)
    assert findings.top is not None
    assert all(findings.records[run.id].metrics["test_accuracy"] == LEAK for run in findings.top.runs)
    for text in texts:
        assert "test_accuracy" not in text
        assert not re.search(r"77\.7[78]|77\.8\b", re.sub(r'src="data:[^"]*"', "", text))


def test_trials_csv_has_a_row_a_trial(store: Store, study: Study) -> None:
    trials = keep(store, study)
    rows = list(csv.DictReader(io.StringIO(data_files.trials_csv(found(store, study)))))
    assert [int(row["number"]) for row in rows] == [trial.number for trial in trials]
    assert float(rows[0]["validation_accuracy"]) == trials[0].objectives["validation_accuracy"]
    assert rows[2]["momentum"] == ""
    assert rows[8]["reason"] == "bug: the toy broke"


def test_the_same_study_gives_the_same_bytes(store: Store, study: Study) -> None:
    confirmed(store, study)

    def contents() -> dict[str, bytes]:
        folder = write_report("hunt", store.paths.root).parent
        return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    first = contents()
    assert {"index.html", "report.md", "trials.csv", "main.svg", "slices.png", "parallel.svg"} <= set(first)
    assert contents() == first


def test_the_whole_page_reads_as_expected(store: Store) -> None:
    study = study_of(trials=12)
    confirm(store, study, keep(store, study, trials_of(study, 13)))
    text = markdown.render_search(found(store, study), ()).replace(str(store.paths.root), "results")
    assert text == golden("search.md", text)


def test_trials_in_a_database_that_is_not_named_are_an_error_and_others_have_their_report(
    store: Store, study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    from harness import report

    keep(store, study)
    away = study_of(name="away")
    paths = store.paths.study("away")
    paths.trials.mkdir(parents=True)
    paths.spec.write_text(away.model_dump_json(by_alias=True))
    with pytest.raises(InputError, match="away: its trials are in a database; set its address in \\$HARNESS_STORAGE"):
        write_report("away", store.paths.root)
    assert report.main(["--results", str(store.paths.root)]) == 2
    assert (store.paths.report("hunt") / "index.html").is_file()
    assert "away: its trials are in a database" in capsys.readouterr().err
    assert "away: its trials" in parsed((store.paths.reports / "index.html").read_text()).one("section", id="errors").words


HOSTILE = st.text(st.sampled_from("<>&\"'`*_[](){}\\|$#%^~!=+-@,;:. \n\té中\u202eab1"), min_size=1, max_size=25).filter(str.strip)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A search whose words are changed in memory."""
    store = Store.open(tmp_path_factory.mktemp("hunt") / "results")
    keep(store, study_of(trials=12), trials_of(study_of(), 13))
    return store


@settings(max_examples=25)
@given(text=HOSTILE)
@example(text="=cmd|' /C calc'!A0")
@example(text="<script>alert(1)</script>")
@example(text="](javascript:alert(1))")
@example(text="# x\nmalicious: true")
def test_no_name_harms_a_format(results: Store, text: str) -> None:
    def named(name: str) -> SearchReportData:
        space = [{**each.model_dump(), "name": name if each.name == "lr" else each.name} for each in study_of().space]
        study = study_of(trials=12, question=name, source=name, space=space)
        findings = gather_search(results, study_of(trials=12))
        trials = [
            replace(
                trial,
                values={name if key == "lr" else key: value for key, value in trial.values.items()},
                reason=name if trial.reason else None,
            )
            for trial in findings.trials
        ]
        return replace(findings, study=study, trials=tuple(trials))

    own, plain = named(text), named("plain")
    root = parsed(page.render_search(own, ()))
    assert root.tags == parsed(page.render_search(plain, ())).tags
    assert root.one("h1").text == text.replace("\r", "\n")
    blocks, expected = VIEWER.parse(markdown.render_search(own, ())), VIEWER.parse(markdown.render_search(plain, ()))
    assert [block.type for block in blocks] == [block.type for block in expected]
    assert not {"html_block", "html_inline", "image"} & {token.type for token in walk(blocks)}
    rows = list(csv.reader(io.StringIO(data_files.trials_csv(own), newline="")))
    assert all(not cell.startswith(("=", "@", "\t", "\n")) for row in rows for cell in row)
    assert all(len(row) == len(rows[0]) for row in rows)
    trial = own.trials[0]
    assert yaml.safe_load(configuration(own.study, trial, confirmed=False))["config"]["width"] == trial.values["width"]
