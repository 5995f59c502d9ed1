"""What a report shows beside a verdict: later seeds that contradict it, seeds that stand apart, variants closed at an earlier look."""

from __future__ import annotations

import json

import pytest
from parsed import parsed
from reported import planned
from simulated import comparison

from harness.experiment.plan import Plan
from harness.reporting.pages import ReportData, gather, latex, markdown, page
from harness.reporting.pages.data_files import verdicts
from harness.reporting.pages.scoreboard import plan_row, render
from harness.store.records import Store
from harness.terminal.status import PlanStatus, row

BASE = [93.0 + 0.1 * (seed % 3) for seed in range(20)]
TOLD = "CONTRADICTED BY LATER SEEDS"
# Better by about 0.5 for five seeds, worse by more than 1 for fifteen.
FLIPPED = [base + (0.5 + 0.01 * (seed % 2) if seed < 5 else -1.6 + 0.02 * seed) for seed, base in enumerate(BASE)]
# One seed of five collapses.
APART = [base + (-2.9 if seed == 3 else 0.5 + 0.01 * (seed % 2)) for seed, base in enumerate(BASE[:5])]


@pytest.fixture
def contradicted(store: Store) -> ReportData:
    values = {"base": BASE, "flipped": FLIPPED}
    return gather(store, planned(store, values, [comparison("improves", "flipped")], looks=(5,), seeds=20))


@pytest.fixture
def closed_early(store: Store) -> ReportData:
    """`fast` is decided at 3 seeds, `slow` at 5 of 10."""
    slow = [base + (0.4, 0.1, 0.5, 0.3, 0.45)[seed] for seed, base in enumerate(BASE[:5])]
    values = {"base": BASE[:5], "fast": [base + 3.0 + 0.01 * seed for seed, base in enumerate(BASE[:3])], "slow": slow}
    plan = planned(
        store, values, [comparison("improves", "fast"), comparison("improves", "slow")], looks=(3, 5, 10), drops_decided=True
    )
    return gather(store, plan)


def test_a_contradicted_verdict_is_marked_in_every_format(contradicted: ReportData) -> None:
    root = parsed(page.render(contradicted, ()))
    main = root.one("main")
    (banner,) = main.all("p", class_="banner")
    assert banner.words.startswith(f"{TOLD}: all 20 seeds: -")
    claim = root.one("section", id="claims").one("li", id="claim-1")
    assert claim.all("p", class_="verdict")[0].words.startswith(f"supported {TOLD} better by 0.50 pp")
    assert any(each.words.startswith("All 20 seeds: -") for each in claim.all("p", class_="aside"))
    assert "The verdict of claim 1 is contradicted by later seeds." in contradicted.flags
    text = markdown.render(contradicted, ())
    assert f"1. **SUPPORTED** **{TOLD}** flipped improves on base" in text
    assert f"| supported, {TOLD} |" in markdown.verdicts(contradicted)
    assert f"flipped improves on base ({TOLD})" in latex.render(contradicted)


def test_a_contradicted_verdict_is_in_the_document_with_the_sign_of_its_evidence(contradicted: ReportData) -> None:
    (found,) = json.loads(json.dumps(verdicts(contradicted), allow_nan=False))["verdicts"]
    assert (found["verdict"], found["contradicted"]) == ("supported", True)
    assert (found["later"]["n"], found["later"]["favours"]) == (20, "opposite")
    assert found["later"]["mean"] < 0 < found["mean"]


def test_a_contradicted_verdict_is_not_counted_as_supported(contradicted: ReportData) -> None:
    root = parsed(render([plan_row(contradicted)], [], frozenset()))
    assert root.one("p", class_="tally").words == "1 contradicted"
    assert "supported contradicted by later seeds better by 0.50 pp" in root.one("section", id="evidence").words
    status = PlanStatus(contradicted.plan, contradicted.counts, 0.0, contradicted.judgement, contradicted.metrics)
    assert row(status).result == "1 contradicted"


def test_a_seed_that_stands_apart_is_told_with_its_claim(store: Store) -> None:
    plan = planned(store, {"base": BASE[:5], "b": APART}, [comparison("improves", "b")])
    told = "seed 3 (b) stands apart: without it, supported."
    report = gather(store, plan)
    assert f"Claim 1: {told}" in report.flags
    claim = parsed(page.render(report, ())).one("section", id="claims")
    assert f"Seed{told.removeprefix('seed')}" in claim.words
    assert f"- Seed{told.removeprefix('seed')}" in markdown.render(report, ())


def test_a_supported_claim_says_what_its_seeds_do_not_exclude(closed_early: ReportData) -> None:
    claims = parsed(page.render(closed_early, ())).one("section", id="claims")
    told = "No failure in 3 seeds: a failure rate up to 63 % is not excluded."
    assert told in claims.one("li", id="claim-1").words
    assert told not in claims.one("li", id="claim-2").words


def test_a_variant_closed_at_an_earlier_look_shows_its_seeds_and_level(closed_early: ReportData) -> None:
    fast = next(each for each in closed_early.table.rows if each.variant == "fast")
    assert (fast.seeds, fast.n, closed_early.table.seeds) == (3, 3, 5)
    level = f"3 seeds, {100 * (1 - fast.level):.4g} % interval"
    table = parsed(page.render(closed_early, ())).one("section", id="variants")
    assert table.all("tr")[2].one("th").words == f"fast {level}"
    assert f"claims closed at an earlier look: fast {level}; " in table.words
    assert f"| fast ({level}) | 3 |" in markdown.render(closed_early, ())
    assert f"fast ({level.replace('%', chr(92) + '%')})" in latex.render(closed_early)


def test_the_runs_behind_such_a_row_are_those_of_its_seeds(closed_early: ReportData) -> None:
    plan: Plan = closed_early.plan
    table = parsed(page.render(closed_early, ())).one("section", id="variants")
    numbers = table.all("tr")[2].all("td")[2].one("span")
    assert set(numbers.attributes["data-runs"].split()) == {
        run.id for run in plan.runs if run.variant in ("base", "fast") and run.seed < 3
    }


def test_the_runs_that_were_not_needed_are_counted(closed_early: ReportData) -> None:
    assert closed_early.complete
    runs = parsed(page.render(closed_early, ())).one("section", id="runs")
    assert "17 of 30 runs were not needed: their claims were closed at an earlier look." in runs.words


def test_the_variants_of_a_claim_that_were_decided_at_different_looks_share_a_column_of_intervals(store: Store) -> None:
    slow = [base + (0.4, 0.1, 0.5, 0.3, 0.45)[seed] for seed, base in enumerate(BASE[:5])]
    values = {"base": BASE[:5], "fast": [base + 3.0 + 0.01 * seed for seed, base in enumerate(BASE[:5])], "slow": slow}
    claims = [comparison("improves", "fast", "slow")]
    report = gather(store, planned(store, values, claims, looks=(3, 5, 10), drops_decided=True))
    table = parsed(page.render(report, ())).one("li", id="claim-1").one("table")
    headings = [heading.words for heading in table.one("thead").all("th")]
    assert headings[:6] == ["variant", "verdict", "difference", "interval", "p", "seeds"]
    assert [row.all("td")[2].words.rpartition("] ")[2].endswith(" %") for row in table.one("tbody").all("tr")] == [True, True]
