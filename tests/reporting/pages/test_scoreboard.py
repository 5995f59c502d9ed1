"""The scoreboard: a row a claim, rehearsals apart, what cannot be read named, and no name that does harm."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from urllib.parse import unquote

from examples import changed
from hypothesis import given, settings
from hypothesis import strategies as st
from parsed import Element, parsed
from reported import planned
from simulated import ACTIVATIONS, BASE, LEAKY, comparison

from harness import write_report
from harness.reporting.pages import gather
from harness.reporting.pages.scoreboard import ClaimLine, PlanRow, plan_row, render, write
from harness.store.records import Store

CLAIMS = tuple(comparison("improves", label) for label in ("leaky_relu", "gelu", "no_batchnorm"))
LINE = ClaimLine(
    place=1,
    statement="b improves on a",
    metric="score",
    word="refuted",
    outcome="worse by 1",
    seeds=3,
    registration="",
    evidence=True,
    p=0.01,
    alpha=0.05,
    ids=("a" * 12,),
)
ENTRY = PlanRow(
    name="toys",
    question="Which?",
    rehearsal=False,
    complete=True,
    claims=(LINE,),
    progress="6/6",
    cost="1.0 CPU min",
    date="2026-01-02",
    warnings=(),
    flags=0,
)


def board(store: Store) -> Element:
    return parsed(write(store).read_text())


def cells(root: Element, section: str) -> list[list[str]]:
    """The words of a table's rows."""
    rows = root.one("section", id=section).all("tr")[1:]
    return [[cell.words for cell in row.children if isinstance(cell, Element)] for row in rows]


def test_a_claim_has_a_row_with_verdict_seeds_cost_and_date(store: Store) -> None:
    planned(store, ACTIVATIONS, CLAIMS)
    rows = cells(board(store), "evidence")
    assert rows[0][1:] == [
        "leaky_relu improves on base test accuracy",
        "supported better by 0.33 pp",
        "5",
        ".002",
        "20/20",
        "8.0 CPU min",
        "2026-01-02",
        "",
    ]
    assert [row[1].partition(" ")[0] for row in rows[1:]] == ["equivalent", "refuted"]


def test_waiting_and_unclaimed_plans_are_listed(store: Store) -> None:
    planned(store, {"base": BASE[:2], "b": LEAKY[:1]}, [comparison("improves", "b")], name="going")
    planned(store, {"base": BASE}, name="looking")
    root = board(store)
    going, looking = cells(root, "evidence")
    assert going[2] == "waiting no look yet"
    assert going[-1] == "3 of 10 runs finished"
    assert looking[1:3] == ["nothing claimed", "exploratory"]
    assert root.one("p", class_="tally").words == "1 waiting"
    assert root.one("body").attributes["data-refresh"] == "30"


def test_rehearsals_stand_apart_and_are_not_counted(store: Store) -> None:
    values = {"base": BASE, "leaky_relu": LEAKY}
    planned(store, values, CLAIMS[:1], name="a@smoke", profile="smoke")
    root = board(store)
    assert root.all("p", class_="tally") == []
    assert "No evidence yet: the plans below are rehearsals." in root.one("section", id="evidence").words
    assert cells(root, "rehearsals")[0][2].startswith("supported")


def test_retrospective_claims_stand_apart_and_are_not_counted(store: Store) -> None:
    before = planned(store, ACTIVATIONS, CLAIMS[:2])
    known = [run.id for run in before.runs if run.variant == "gelu"]
    store.save_plan(changed(before, known=known))
    root = board(store)
    assert [row[0] if len(row) < 6 else row[1] for row in cells(root, "evidence")] == [
        "leaky_relu improves on base test accuracy"
    ]
    (late,) = cells(root, "retrospective")
    assert late[1:4] == [
        "gelu improves on base test accuracy, RETROSPECTIVE: 5 of 10 results known",
        "equivalent within ±0.25 pp (p .006)",
        "5",
    ]
    assert late[-1].startswith("Retrospective")
    assert root.one("p", class_="tally").words == "1 supported"
    assert root.one("p", class_="aside").words.startswith(
        "1 supported among 1 registered claim that was tested: at most about 0.05 are expected to be false"
    )


def test_a_supported_claim_without_a_test_is_not_among_those_that_were_tested() -> None:
    lines = [replace(LINE, word="supported"), replace(LINE, word="supported", p=nan)]
    root = parsed(render([replace(ENTRY, claims=tuple(lines))], [], frozenset()))
    assert root.one("p", class_="tally").words == "2 supported"
    assert root.one("p", class_="aside").words.startswith("1 supported among 1 registered claim that was tested")


def test_plans_with_retrospective_claims_only_are_no_evidence(store: Store) -> None:
    before = planned(store, {"base": BASE, "leaky_relu": LEAKY}, CLAIMS[:1])
    store.save_plan(changed(before, known=[run.id for run in before.runs]))
    root = board(store)
    assert "No evidence yet: the claims below are retrospective." in root.one("section", id="evidence").words
    assert root.all("p", class_="tally") == []
    assert root.all("p", class_="aside") == []


def test_q_values_are_over_the_claims_of_all_plans() -> None:
    lines = [replace(LINE, p=p) for p in (0.01, 0.04, float("nan"))]
    rows = [replace(ENTRY, name=f"plan{place}", claims=(line,)) for place, line in enumerate(lines)]
    rows += [replace(ENTRY, name="smoke", rehearsal=True, claims=(replace(LINE, p=1e-9),))]
    rows += [replace(ENTRY, name="late", claims=(replace(LINE, p=1e-9, evidence=False, registration="RETROSPECTIVE"),))]
    root = parsed(render(rows, [], frozenset()))
    assert [row[4] for row in cells(root, "evidence")] == [".020", ".040", ""]
    assert root.one("p", class_="aside").words.startswith(
        "0 supported among 2 registered claims that were tested: at most about 0.1"
    )


def test_it_links_to_the_reports_that_exist_and_to_each_claim(store: Store) -> None:
    planned(store, ACTIVATIONS, CLAIMS, name="a b")
    planned(store, {"base": BASE}, name="unwritten")
    path = write_report("a b", store.paths.root).parents[1] / "index.html"
    targets = [link.attributes["href"] for link in parsed(path.read_text()).all("a")]
    assert targets == ["a%20b/index.html", *(f"a%20b/index.html#claim-{place}" for place in (1, 2, 3)), "compare.html"]
    assert (path.parent / unquote(targets[0])).is_file()


def test_flags_and_changed_claims_are_warnings(store: Store) -> None:
    plan = planned(store, {"base": BASE, "b": [*LEAKY[:4], "failed"]}, [comparison("improves", "b")])
    assert plan_row(gather(store, plan)).flags == 1
    assert cells(board(store), "evidence")[0][-1] == "1 flag"


def test_an_unreadable_plan_does_not_hide_the_others(store: Store) -> None:
    planned(store, {"base": BASE}, name="whole")
    lost = planned(store, {"base": BASE}, name="lost")
    store.paths.run(lost.runs[0].id).result.write_text("{")
    store.paths.plan("broken").write_text("{")
    root = board(store)
    assert [row[0].split()[0] for row in cells(root, "evidence")] == ["whole"]
    errors = [item.words for item in root.one("section", id="errors").all("li")]
    assert [trouble.partition(": ")[0] for trouble in errors] == [
        str(store.paths.plan("broken")),
        str(store.paths.run(lost.runs[0].id).result),
    ]


def test_the_same_plans_give_the_same_bytes(store: Store) -> None:
    planned(store, ACTIVATIONS, CLAIMS)
    before = write(store).read_bytes()
    assert write(store).read_bytes() == before


def test_an_empty_store_says_so(store: Store) -> None:
    assert "No evidence yet." in board(store).words


@settings(max_examples=40)
@given(st.text(st.sampled_from("<>&\"'`{}%/=+- \té中ab1"), min_size=1, max_size=25).filter(str.strip))
def test_no_name_changes_the_page_but_for_itself(text: str) -> None:
    def page(question: str) -> Element:
        line = replace(LINE, statement=question, outcome=question)
        changed = replace(ENTRY, question=question, claims=(line,))
        return parsed(render([changed], [question], frozenset({"toys"})))

    assert page(text).tags == page("plain").tags
    assert page(text).one("section", id="errors").one("li").text == text


def test_what_is_refuted_is_as_visible_as_what_is_supported() -> None:
    root = parsed(render([ENTRY], [], frozenset()))
    assert root.one("p", class_="tally").words == "1 refuted"
    assert len(root.all("span", class_="refuted")) == 2
