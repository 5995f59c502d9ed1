"""report.md: a golden page, the same bytes for the same files, and text that does no harm.

After a wanted change: REGENERATE=1 python -m pytest tests/writeup, then look at the difference in tests/golden/report.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from examples import amended, changed, golden, toy_rows, write_run
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from harness import write_report
from harness.errors import InputError
from harness.plan import Plan
from harness.store.records import Store
from harness.writeup.markdown import escape

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


@pytest.mark.usefixtures("toys")
def test_the_page_is_golden(store: Store) -> None:
    path = write_report("toys", store.paths.root)
    assert path == store.paths.root / "reports/toys/report.md"
    page = path.read_text()
    # By hand: base is 50, 51, 52, better 52, 53.5; the pairs differ by 2 and 2.5.
    assert "| better | 2 | 52.75 ± 1.06 | +2.25 |" in page
    where = f" --results {store.paths.root}\n"
    assert page.count(where) == 1
    assert page.replace(where, "\n") == golden("report.md", page.replace(where, "\n"))


@pytest.mark.usefixtures("toys")
def test_the_same_files_give_the_same_bytes(store: Store) -> None:
    folder = write_report("toys", store.paths.root).parent
    first = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    write_report("toys", store.paths.root)
    assert {file.name for file in first} == {"report.md", "learning_curves.png", "learning_curves.svg"}
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == first


@pytest.mark.usefixtures("toys")
def test_every_link_leads_somewhere(store: Store) -> None:
    path = write_report("toys", store.paths.root)
    links = re.findall(r"\]\(<?([^)>]+)>?\)", path.read_text())
    assert len(links) > 12
    assert all((path.parent / link).exists() for link in links)


def test_a_plan_without_any_run_has_a_report_that_says_so(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan({"base": {}, "better": {"effect": 2.0}}, seeds=2)
    store.save_plan(plan)
    page = write_report("toys", store.paths.root).read_text()
    assert "> **0 OF 4 RUNS IN**" in page
    assert "no difference before 2 seeds of every variant ended" in page
    assert "| base (baseline) | 0 | · |" in page


def test_a_rehearsal_is_named_so(store: Store, toy_plan: PlanMaker) -> None:
    plan = changed(toy_plan(name="toys@smoke"), profile="smoke")
    store.save_plan(plan)
    page = write_report("experiments/toys.yaml@smoke", store.paths.root).read_text()
    assert "> **REHEARSAL: profile smoke, no evidence**" in page


def test_claims_changed_after_runs_stand_above_those_registered(store: Store, toys: Plan) -> None:
    store.save_plan(amended(toys, claims=({**toys.claims[0], "kind": "worsens"},), margin=1.0))
    page = write_report("toys", store.paths.root).read_text()
    assert "> **CLAIMS CHANGED AFTER RUNS: registered as below; the file now says: 1. better is worse than base (" in page
    assert "margin 1 (registered: 0.5)**" in page
    assert "\n1. better improves on base (" in page


def test_an_unknown_plan_is_refused(store: Store) -> None:
    with pytest.raises(InputError, match="no plan 'toys'"):
        write_report("toys", store.paths.root)


def test_a_hostile_question_changes_nothing_but_itself(store: Store, toy_plan: PlanMaker) -> None:
    hostile = "<script>alert(1)</script> | *bold* _it_ [x](y) `code` ![i](j) # | $x$ &amp; </table>\n\n- list"
    variant = "<b>a|b</b>"
    plan = changed(toy_plan({variant: {}}), question=hostile, source=hostile)
    store.save_plan(plan)
    page = write_report("toys", store.paths.root).read_text()
    html = VIEWER.render(page)
    assert "<script" not in html
    assert "<b>" not in html
    once = "&lt;script&gt;alert(1)&lt;/script&gt; | *bold* _it_ [x](y) `code` ![i](j) # | $x$ &amp;amp; &lt;/table&gt; - list"
    assert f"<h1>{once}</h1>" in html
    assert html.count("<table>") == 2
    assert '<td style="text-align:left">&lt;b&gt;a|b&lt;/b&gt;</td>' in html


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
