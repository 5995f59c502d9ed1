"""Copy buttons, the scoreboard's filter, and the page that compares variants of several plans, in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from devtools import NAMES, Browser
from reported import planned
from simulated import ACTIVATIONS, BASE, LEAKY, comparison

from harness import write_report
from harness.store.records import Store

pytestmark = [pytest.mark.needs(*NAMES), pytest.mark.slow]

VISIBLE = "[...document.querySelectorAll('tbody:not([hidden]) th > a')].map((link) => link.textContent)"
# Resolved when the comparison is drawn.
SHOWN = """new Promise((done) => {
  const look = () => document.querySelector("#chart svg") ? done() : requestAnimationFrame(look);
  look();
})"""
# What was written to the clipboard: headless browsers have none to read.
CLIPBOARD = """
  globalThis.copies = [];
  Object.defineProperty(navigator, "clipboard", {configurable: true, value: {writeText: async (text) => copies.push(text)}});
"""
REFUSED = """
  navigator.clipboard.writeText = async () => { throw new Error("refused"); };
  document.execCommand = () => { copies.push(document.activeElement.value); return true; };
"""


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports of two plans with claims, and of one without, which has no curves."""
    store = Store.open(tmp_path_factory.mktemp("compare") / "results")
    planned(store, ACTIVATIONS, [comparison("improves", "leaky_relu")], tags=("paper", "relu"))
    planned(
        store, {"base": BASE, "c": LEAKY}, [comparison("worsens", "c")], name="slower", question="Is c slower?", tags=("paper",)
    )
    planned(store, {"base": BASE}, name="alone", question="How good is it?", profile="smoke")
    for name in ("activations", "slower", "alone"):
        write_report(name, store.paths.root)
    (store.paths.reports / "alone" / "curves.json").unlink()
    write_report("slower", store.paths.root)
    return store.paths.reports


def test_a_key_copies_the_table_for_a_paper_in_each_format(browser: Browser, reports: Path) -> None:
    browser.open(reports / "activations" / "index.html")
    browser.value(CLIPBOARD)
    for place in range(3):
        browser.value(f"document.querySelectorAll('.copy button')[{place}].focus()")
        browser.press("Enter")
    latex, markdown, values = browser.value("copies")
    assert latex == (reports / "activations" / "table_paper.tex").read_text()
    assert "| leaky_relu | 93.37 ± 0.12 |" in markdown
    assert values.startswith("variant,against,test_accuracy n")
    assert browser.value("document.querySelector('.copy [role=status]').textContent") == "CSV copied"


def test_where_the_clipboard_is_refused_the_older_way_copies(browser: Browser, reports: Path) -> None:
    browser.open(reports / "activations" / "index.html")
    browser.value(CLIPBOARD + REFUSED)
    browser.value("document.querySelector('.copy button').focus()")
    browser.press(" ")
    assert browser.value("copies") == [(reports / "activations" / "table_paper.tex").read_text()]
    assert browser.value("document.activeElement.textContent") == "LaTeX"
    browser.value("document.execCommand = () => false")
    browser.press("Enter")
    assert browser.value("getSelection().toString().includes('toprule')") is True
    assert "press Ctrl+C" in browser.value("document.querySelector('.copy [role=status]').textContent")


def test_the_filter_finds_plans_and_keeps_its_state_in_the_address(browser: Browser, reports: Path) -> None:
    browser.open(reports / "index.html")

    def choose(**values: str) -> list[str]:
        for name, value in values.items():
            browser.value(f"document.getElementById('filter').elements['{name}'].value = '{value}'")
        browser.value("document.getElementById('filter').dispatchEvent(new Event('input'))")
        names: list[str] = browser.value(VISIBLE)
        return names

    assert choose() == ["activations", "slower", "alone"]
    assert choose(q="LEAKY improves") == ["activations"]
    assert choose(q="leaky", **{"in": "question"}) == ["activations"]
    assert choose(q="supported", **{"in": ""}) == ["activations"]
    assert choose(q="", tag="paper") == ["activations", "slower"]
    assert choose(verdict="refuted") == ["slower"]
    assert browser.value("location.hash") == "#verdict=refuted&tag=paper"
    assert browser.value("document.querySelector('#filter output').value") == "1 of 3"
    assert choose(**{"from": "2026-01-03"}) == []
    assert choose(**{"from": "2026-01-01", "to": "2026-01-02"}) == ["slower"]
    browser.open(reports / "index.html", anchor="#verdict=exploratory&task=cifar_resnet")
    assert browser.value(VISIBLE) == ["alone"]
    browser.value("document.querySelector('#filter [type=reset]').click()")
    assert browser.value(VISIBLE) == ["activations", "slower", "alone"]
    assert browser.complaints == []


def test_ticked_variants_of_several_plans_are_side_by_side(browser: Browser, reports: Path) -> None:
    browser.open(reports / "index.html")
    for plan, place in (("activations", 1), ("slower", 1), ("alone", 0)):
        browser.value(f"document.querySelector('[data-plan={plan}] summary').focus()")
        browser.press("Enter")
        browser.value("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        browser.value(f"document.querySelectorAll('[data-plan={plan}] input')[{place}].focus()")
        browser.press(" ")
    assert browser.value("document.querySelector('#picked [role=status]').textContent") == "3 variants of 3 plans chosen"
    anchor = browser.value("document.querySelector('#picked a').hash")
    browser.open(reports / "compare.html", anchor=anchor)
    browser.value(SHOWN)
    rows = "[...document.querySelectorAll('#chosen tbody tr')].map((row) => [...row.cells].map((cell) => cell.textContent))"
    assert [row[:3] for row in browser.value(rows)] == [
        ["× leaky_relu", "activations", "93.37 [93.22, 93.51]"],
        ["× c", "slower", "93.37 [93.22, 93.51]"],
        ["× base", "alone", "93.04 [92.86, 93.22]"],
    ]
    assert "Descriptive only" in browser.value("document.querySelector('.banner').textContent")
    notes = browser.value("document.getElementById('differences').textContent")
    assert "Rehearsals, not evidence: alone" in notes
    assert browser.value("document.querySelectorAll('#chart .legend button').length") >= 3
    assert "Without curves: base of alone" in browser.value("document.getElementById('without').textContent")
    assert browser.value("[meanText([5, 1e-12, 0, 9e-13, 1.1e-12], 8), meanText([1, 1e75], 0), meanText([1, 0], 8)]") == [
        "1.000e-12 [9.000e-13, 1.100e-12]",
        "1.000e+75",
        "0.00000000",
    ]
    browser.value("document.querySelector('#chosen button').click()")
    assert len(browser.value(rows)) == 2
    assert browser.value("location.hash") == "#p=slower&v=c&p=alone&v=base"
    assert browser.value("document.getElementById('back').hash") == "#p=slower&v=c&p=alone&v=base"
    assert browser.complaints == []


def test_on_a_phone_the_comparison_does_not_scroll_sideways_and_sends_no_requests(browser: Browser, reports: Path) -> None:
    page = reports / "compare.html"
    browser.open(page, (375, 800), anchor="#p=activations&v=base&v=gelu&v=leaky_relu&p=slower&v=c")
    browser.value(SHOWN)
    assert browser.value("document.documentElement.scrollWidth") == 375
    assert [address for address in browser.requested if not address.startswith(("data:", page.as_uri()))] == []


def test_what_no_plan_has_is_left_out_of_the_comparison(browser: Browser, reports: Path) -> None:
    browser.open(reports / "compare.html", anchor="#p=gone&v=base&p=slower&v=<b>nothing</b>")
    browser.value(
        "new Promise((done) => { const look = () => document.getElementById('none').hidden ? setTimeout(look, 5) : done(); look(); })"
    )
    assert browser.value("document.getElementById('comparison').hidden") is True
