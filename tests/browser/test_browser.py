"""Report and scoreboard in a browser: no errors, no requests, keyboard, narrow screens, contrast, refreshing."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from devtools import NAMES, Browser, links
from reported import planned
from searched import confirm, keep, study_of
from simulated import ACTIVATIONS, BASE, LEAKY, comparison
from tuned import tuned, tuning_plan

from harness import write_report
from harness.store.records import Store

pytestmark = [pytest.mark.needs(*NAMES), pytest.mark.slow]

PAGES = ("activations/index.html", "going/index.html", "hunt/index.html", "tuned/index.html", "index.html")
WIDE, NARROW = (1280, 800), (375, 800)

# The lowest contrast of any text with its background (WCAG 2), and that text.
CONTRAST = """(() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => parts(colour).slice(0, 3).map((part) => part / 255)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
  const behind = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return (parts(colour)[3] ?? 1) > 0 || !element.parentElement ? colour : behind(element.parentElement);
  };
  document.querySelectorAll("details").forEach((each) => (each.open = true));
  return [...document.body.querySelectorAll("*:not(script)")]
    .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .map((element) => {
      const [one, other] = [light(getComputedStyle(element).color), light(behind(element))].sort((a, b) => b - a);
      return [(one + 0.05) / (other + 0.05), element.textContent.trim().slice(0, 40)];
    })
    .sort((a, b) => a[0] - b[0])[0];
})()"""


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports of a finished and an unfinished plan."""
    store = Store.open(tmp_path_factory.mktemp("browser") / "results")
    claims = [comparison("improves", "leaky_relu"), comparison("improves", "gelu", "no_batchnorm")]
    planned(store, ACTIVATIONS, claims, source="LeakyReLU improved training.", parameters=dict.fromkeys(ACTIVATIONS, 4903082))
    planned(store, {"base": BASE[:3], "leaky_relu": [*LEAKY[:2], "failed"]}, claims[:1], name="going")
    study = study_of()
    confirm(store, study, keep(store, study))
    tuned(store, tuning_plan(tmp_path_factory.mktemp("file")))
    for name in ("activations", "going", "tuned", "hunt"):
        write_report(name, store.paths.root)
    return store.paths.reports


@pytest.mark.parametrize("size", [WIDE, NARROW])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_errors_and_sends_no_requests(browser: Browser, reports: Path, name: str, size: tuple[int, int]) -> None:
    browser.open(reports / name, size)
    assert browser.complaints == []
    assert [address for address in browser.requested if not address.startswith("data:")] == [(reports / name).as_uri()]
    assert browser.value("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")


@pytest.mark.parametrize("name", PAGES)
def test_a_narrow_page_does_not_scroll_sideways(browser: Browser, reports: Path, name: str) -> None:
    browser.open(reports / name, NARROW)
    browser.value("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    assert browser.value("document.documentElement.scrollWidth") == NARROW[0]


@pytest.mark.parametrize("name", PAGES[:-1])
def test_question_verdict_and_figure_are_on_the_first_screen(browser: Browser, reports: Path, name: str) -> None:
    browser.open(reports / name, WIDE)
    places = ["h1", ".verdict", "figure.main svg"]
    tops, bottoms = (
        browser.value(f"{places}.map((each) => document.querySelector(each).getBoundingClientRect().{edge})")
        for edge in ("top", "bottom")
    )
    assert tops == sorted(tops)
    assert bottoms[-1] <= WIDE[1]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", PAGES)
def test_all_text_has_enough_contrast(browser: Browser, reports: Path, name: str, dark: bool) -> None:
    browser.open(reports / name, dark=dark)
    ratio, text = browser.value(CONTRAST)
    assert ratio >= 4.5, text


def test_a_dark_screen_gets_a_dark_page(browser: Browser, reports: Path) -> None:
    colours = []
    for dark in (False, True):
        browser.open(reports / PAGES[0], dark=dark)
        colours.append(browser.value("getComputedStyle(document.body).backgroundColor"))
    assert colours == ["rgb(252, 252, 250)", "rgb(23, 24, 26)"]


@pytest.mark.parametrize("name", PAGES)
def test_every_link_of_a_page_leads_to_a_file_or_a_place_in_it(browser: Browser, reports: Path, name: str) -> None:
    browser.open(reports / name)
    assert len(links(browser)) > 5
    for link in links(browser):
        assert Path(unquote(urlparse(link).path)).exists(), link
    lost = "[...document.links].map((each) => each.hash.slice(1)).filter((id) => id && !document.getElementById(id))"
    assert name == "index.html" or browser.value(lost) == []


def test_controls_get_a_visible_focus_by_keyboard(browser: Browser, reports: Path) -> None:
    browser.open(reports / PAGES[0])
    reached = []
    for _ in range(40):
        browser.press("Tab")
        reached.append(browser.value("[document.activeElement.tagName, getComputedStyle(document.activeElement).outlineStyle]"))
    names = {tag for tag, _ in reached}
    assert {"A", "SUMMARY", "BUTTON", "DIV"} <= names
    assert {outline for tag, outline in reached if tag != "BODY"} == {"solid"}


def test_a_key_opens_the_reasons_of_a_claim(browser: Browser, reports: Path) -> None:
    browser.open(reports / PAGES[0])
    browser.value("document.querySelector('#claim-1 summary').focus()")
    browser.press("Enter")
    assert browser.value("document.querySelector('#claim-1 details').open") is True


def test_a_table_sorts_by_numbers_and_returns_to_the_order_of_the_plan(browser: Browser, reports: Path) -> None:
    browser.open(reports / PAGES[0])
    orders = []
    for _ in range(3):
        browser.value("document.querySelectorAll('#variants thead button')[3].focus()")
        browser.press(" ")
        rows = "[...document.querySelector('#variants tbody').querySelectorAll('th')].map((each) => each.firstChild.data.trim())"
        orders.append((browser.value("document.querySelectorAll('#variants thead th')[3].ariaSort"), browser.value(rows)))
    plan = ["base", "leaky_relu", "gelu", "no_batchnorm"]
    assert orders == [
        ("ascending", ["no_batchnorm", "gelu", "leaky_relu", "base"]),
        ("descending", ["leaky_relu", "gelu", "no_batchnorm", "base"]),
        (None, plan),
    ]


def test_trials_sort_by_their_value_and_the_empty_ones_come_last(browser: Browser, reports: Path) -> None:
    browser.open(reports / "hunt/index.html")
    browser.value("document.querySelectorAll('#trials thead button')[2].click()")
    values = browser.value("[...document.querySelectorAll('#trials tbody tr')].map((row) => row.cells[2].textContent.trim())")
    numbers = [float(value) for value in values if value]
    assert numbers == sorted(numbers)
    assert values[len(numbers) :] == [""] * (len(values) - len(numbers))
    assert len(values) == 31 > len(numbers)


def test_a_link_to_a_run_unfolds_the_table_it_is_in(browser: Browser, reports: Path) -> None:
    browser.open(reports / PAGES[0], anchor="#runs-2")
    assert browser.value("document.querySelector('[data-keep=runs]').open") is True


def test_without_scripts_all_content_is_visible(browser: Browser, reports: Path) -> None:
    browser.open(reports / PAGES[0], script=False)
    # DevTools can query the page although its script does not run.
    assert browser.value("document.querySelectorAll('button').length") == 0
    assert browser.value("document.querySelectorAll('#runs tbody tr').length") == 20


def test_an_unfinished_page_reloads_with_its_state(browser: Browser, reports: Path, tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    text = (reports / PAGES[1]).read_text()
    page.write_text(text.replace('data-refresh="30"', 'data-refresh="1.5"'))
    browser.open(page)
    page.write_text(text.replace("<title>", "<title>Again: "))
    browser.value("document.querySelector('#claim-1 details').open = true; scrollTo(0, 700)")
    browser.wait_for_another_load()
    assert browser.value("document.title").startswith("Again: ")
    assert browser.value("document.querySelector('#claim-1 details').open") is True
    assert browser.value("scrollY") == 700
