"""report.md: a golden page, the same bytes for the same files, and text that does no harm.

After a wanted change: REGENERATE=1 python -m pytest tests/reporting/pages, then look at the difference in tests/golden/report.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from examples import REHEARSAL, amended, changed, golden, toy_rows, write_run
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from reported import planned
from simulated import ACTIVATIONS, comparison

from harness import write_report
from harness.errors import InputError
from harness.experiment.plan import Plan
from harness.reporting.pages import gather
from harness.reporting.pages import page as html
from harness.reporting.pages.markdown import escape, render
from harness.reporting.pages.pictures import Picture
from harness.store.lookup import stored_plan
from harness.store.records import Store

PlanMaker = Callable[..., Plan]
VIEWER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@pytest.fixture
def toys(store: Store, toy_plan: PlanMaker) -> Plan:
    """Two variants, three seeds, all ended; one failed."""
    plan = toy_plan({"base": {}, "better": {"effect": 2.0}}, seeds=3)
    claim = {"kind": "improves", "metric": "score", "variants": ["better"], "over": ["base"], "margin": 0.5}
    plan = changed(plan, source="Better toys walk better.", claims=(claim,), margin=0.5)
    store.save_plan(plan)
    scores = {"base": [50.0, 51.0, 52.0], "better": [52.0, 53.5, 0.0]}
    for run in plan.runs:
        if (run.variant, run.seed) == ("better", 2):
            write_run(store, plan, run, toy_rows(20.0, epochs=1), state="failed", reason="bug", error="ValueError: the toy broke")
        else:
            write_run(store, plan, run, toy_rows(scores[run.variant][run.seed]), state="completed")
    return plan


PICTURES = (
    Picture("main", "main", "Two variants, *dots*.", "What is seen."),
    Picture("learning_curves", "curves", "Score by epoch.", "Score by epoch, unsmoothed."),
)


def page_of(store: Store, name: str = "toys", pictures: tuple[Picture, ...] = PICTURES) -> str:
    """report.md with these pictures, which nobody draws."""
    return render(gather(store, stored_plan(store, name)), pictures)


@pytest.mark.usefixtures("toys")
def test_the_page_is_golden(store: Store) -> None:
    page = page_of(store)
    # By hand: base is 50, 51, 52, better 52, 53.5; the pairs differ by 2 and 2.5, which is less than the smallest step, 1: the
    # interval is 2.25 ± 12.71 / sqrt(6) / sqrt(2).
    assert "| better | 2 | 52.75 ± 1.06 | +2.25 | [-1.42, +5.92] |" in page
    where = f" --results {store.paths.root}\n"
    assert page.count(where) == 1
    assert page.replace(where, "\n") == golden("report.md", page.replace(where, "\n"))


@pytest.mark.usefixtures("toys")
def test_every_link_leads_somewhere(store: Store) -> None:
    folder = write_report("toys", store.paths.root).parent
    page = (folder / "report.md").read_text()
    links = re.findall(r"\]\(<?([^)>#]+)>?\)", page)
    assert len(links) > 12
    assert all((folder / link).exists() for link in links)
    assert {link for link in links if link.startswith("figures/")} >= {"figures/main.png", "figures/main.svg"}


@pytest.mark.usefixtures("toys")
def test_the_verdict_comes_before_all_else(store: Store) -> None:
    lines = page_of(store).splitlines()
    assert lines[0] == "# Which toy walks best?"
    assert lines[2].startswith("1. **INCONCLUSIVE** better improves on base (score): ")


@pytest.mark.usefixtures("toys")
def test_a_claim_shows_its_runs_and_reasons(store: Store, toys: Plan) -> None:
    section = page_of(store).partition("## Claims")[2].partition("## Variants")[0]
    assert "margin 0.5 points, the smallest that matters" in section
    assert "Failed: better seed 2." in section
    assert all(f"(../../runs/{run.id}/)" in section for run in toys.runs)


def test_the_runs_of_a_large_claim_are_left_to_the_table(store: Store) -> None:
    seeds = list(np.linspace(90.0, 91.0, 61))
    planned(store, {"base": seeds, "better": [value + 1.0 for value in seeds]}, [comparison("improves", "better")], (61,))
    section = page_of(store, "activations").partition("## Claims")[2].partition("## Variants")[0]
    assert "122 runs of base and better: see the table of [runs](#runs)" in section
    assert "../../runs/" not in section


def test_every_variant_of_a_list_has_its_line(store: Store) -> None:
    planned(store, ACTIVATIONS, [comparison("improves", "leaky_relu", "gelu")])
    page = page_of(store, "activations")
    assert "\n- leaky_relu supported: better by 0.33 pp; difference +0.33 pp; 95 % interval " in page
    assert "\n- gelu equivalent: within ±0.25 pp" in page


@pytest.mark.usefixtures("toys")
def test_flags_are_shown(store: Store) -> None:
    trust = page_of(store).partition("## Trust")[2].partition("## Runs")[0]
    assert "- 1 of 6 runs failed: better seed 2." in trust
    planned(store, ACTIVATIONS, [comparison("improves", "gelu")], looks=(3, 5, 10))
    trust = page_of(store, "activations").partition("## Trust")[2].partition("## Runs")[0]
    assert "seed correlation" in trust
    assert re.search(r"Levels of the tests by seeds at a look: 0\.\d{4} at 3, 0\.\d{4} at 5, 0\.\d{4} at 10\.", trust)


def test_a_plan_without_any_run_has_a_report_that_says_so(store: Store, toy_plan: PlanMaker) -> None:
    store.save_plan(toy_plan({"base": {}, "better": {"effect": 2.0}}, seeds=2))
    page = page_of(store)
    assert "> **0 OF 4 RUNS FINISHED**" in page
    assert "No claims were registered: the comparison is exploratory." in page
    assert "no difference is shown until 2 seeds of every variant have finished" in page
    assert "| base (baseline) | 0 | · |" in page
    assert "- Nothing to flag: no run has started." in page


def test_the_page_and_its_markdown_say_the_same_of_trust(store: Store) -> None:
    plan = planned(store, {"base": [80.0, 70.0, 80.0], "b": [90.0, 90.0, 80.0], "c": [90.0, 80.0, 80.0]}, [], (3,))
    right = {"base": (8, 7, 8), "b": (9, 9, 8), "c": (9, 8, 8)}
    for run in plan.runs:
        classes = np.where(np.arange(10) < right[run.variant][run.seed], 0, 1)
        np.savez(store.paths.run(run.id).predictions, probabilities=np.eye(2)[classes], labels=np.zeros(10, dtype=int))
    for lost, word in (("c", "Not every"), ("base", "No")):
        store.paths.run(next(run.id for run in plan.runs if run.variant == lost)).predictions.unlink()
        findings = gather(store, plan)
        for text in (render(findings, ()), html.render(findings, ())):
            assert f"{word} interval for new images is available: predictions are missing" in text
            compared = "code, devices, precision and versions of torch; other packages were not recorded"
            assert f"Nothing to flag: all runs used the same {compared}." in text


def test_a_plan_whose_runs_all_failed_has_a_report_that_says_so(store: Store) -> None:
    planned(store, {"base": ["failed"] * 3, "better": ["failed"] * 3}, [comparison("improves", "better")], (3,))
    page = page_of(store, "activations")
    assert "1. **INCONCLUSIVE** better improves on base (test accuracy): " in page
    assert "- 6 of 6 runs failed: base seed 0, better seed 0, base seed 1, 3 more." in page


def test_one_seed_has_a_report_without_a_test(store: Store) -> None:
    planned(store, {"base": [90.0], "better": [91.0]}, [comparison("improves", "better")], (1,))
    page = page_of(store, "activations")
    assert "| better | 1 | 91.00 | +1.00 |" in page
    assert "Fewer than 3 seeds: no test is possible." in page


def test_a_rehearsal_is_named_so(store: Store, toy_plan: PlanMaker) -> None:
    store.save_plan(changed(toy_plan(name="toys@smoke"), profile="smoke"))
    assert f"> **{REHEARSAL}**" in page_of(store, "experiments/toys.yaml@smoke")


def test_claims_changed_after_runs_stand_above_those_registered(store: Store, toys: Plan) -> None:
    store.save_plan(amended(toys, claims=({**dict(toys.claims[0]), "kind": "worsens"},), margin=1.0))
    page = page_of(store)
    assert (
        "> **FILE CHANGED AFTER RUNS HAD STARTED: registered as below; the file now has: 1. better is worse than base (" in page
    )
    assert "margin 1 (registered: 0.5)**" in page
    assert ". Registered before any of its results was known.\n" in page.partition("### 1. better improves on base (score)")[2]
    assert "known when this claim was added to the file" in page.partition("### 2. better is worse than base")[2]
    assert "> **RETROSPECTIVE: claim 2: 6 of 6 results were known when this claim was added to the file" in page


def test_an_unknown_plan_is_refused(store: Store) -> None:
    with pytest.raises(InputError, match="no plan or search 'toys'"):
        write_report("toys", store.paths.root)


def test_a_hostile_question_changes_nothing_but_itself(store: Store, toy_plan: PlanMaker) -> None:
    hostile = "<script>alert(1)</script> | *bold* _it_ [x](y) `code` ![i](j) # | $x$ &amp; </table>\n\n- list"
    variant = "<b>a|b</b>"
    store.save_plan(changed(toy_plan({variant: {}}), question=hostile, source=hostile))
    html = VIEWER.render(page_of(store))
    assert "<script" not in html
    assert "<b>" not in html
    once = "&lt;script&gt;alert(1)&lt;/script&gt; | *bold* _it_ [x](y) `code` ![i](j) # | $x$ &amp;amp; &lt;/table&gt; - list"
    assert f"<h1>{once}</h1>" in html
    assert html.count("<table>") == 2
    assert '<td style="text-align:left">&lt;b&gt;a|b&lt;/b&gt;</td>' in html


@pytest.mark.parametrize("text", ["-1.48", "+0.33", "3.5 pp", "·", "52.75 ± 1.06"])
def test_numbers_are_left_as_they_are(text: str) -> None:
    assert escape(text) == text


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=40))
def test_escaped_text_is_shown_as_it_is(text: str) -> None:
    line = " ".join(text.split())
    in_heading = VIEWER.parse(f"# x {escape(text)}")[1]
    in_cell = [token for token in VIEWER.parse(f"| a | b |\n| - | - |\n| {escape(text)} | z |\n") if token.type == "inline"][2]
    in_text = VIEWER.parse(f"{escape(text)} .")
    assert shown(in_heading) == f"x {line}".strip()
    assert shown(in_cell) == line
    assert in_text[0].type == "paragraph_open"
    assert shown(in_text[1]) == f"{line} .".strip()


def shown(token: object) -> str:
    """What a viewer shows of a block, provided that it is nothing but text."""
    children = getattr(token, "children", None) or []
    assert {child.type for child in children} <= {"text", "text_special"}
    return "".join(child.content for child in children)
