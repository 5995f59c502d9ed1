"""Figures of a report in a browser: values by mouse, touch and keyboard, what is shown and how, dark, narrow, without scripts, in print."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from devtools import CHART_SHOWN, LAST_POINT, NAMES, Browser
from reported import planned
from simulated import BASE, GELU, LEAKY, comparison

from harness import write_report
from harness.store.records import Store

pytestmark = [pytest.mark.needs(*NAMES), pytest.mark.slow]

WIDE, PHONE = (1280, 900), (390, 844)
PLOT = "document.querySelector('.chart .plot svg')"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of three variants, five seeds each; one run of gelu failed after two epochs."""
    store = Store.open(tmp_path_factory.mktemp("charts") / "results")
    values: dict[str, list[Any]] = {"base": BASE, "leaky_relu": LEAKY, "gelu": [*GELU[:4], "failed"]}
    planned(store, values, [comparison("improves", "leaky_relu")])
    return write_report("activations", store.paths.root)


def opened(browser: Browser, page: Path, size: tuple[int, int] = WIDE, dark: bool = False) -> None:
    browser.open(page, size, dark)
    assert browser.value(CHART_SHOWN)
    browser.value("document.querySelector('.chart').scrollIntoView()")


def told(browser: Browser) -> list[str]:
    """The lines of the text beside the marked point; none if none is marked."""
    text: str = browser.value("document.querySelector('.tip:not([hidden])')?.innerText ?? ''")
    return text.splitlines()


def box(browser: Browser) -> list[float]:
    """Left, top, width and height of the plot in the window."""
    found: list[float] = browser.value(
        f"(({{left, top, width, height}}) => [left, top, width, height])({PLOT}.getBoundingClientRect())"
    )
    return found


def ticks(browser: Browser) -> list[str]:
    found: list[str] = browser.value(
        "[...document.querySelectorAll('.chart .ticks text:not(.axis)')].map((each) => each.textContent)"
    )
    return found


def lines(browser: Browser, kind: str) -> int:
    """How many lines are shown: of seeds or of means."""
    count: int = browser.value(f"document.querySelectorAll('.chart .plot .{kind} .line').length")
    return count


def choose(browser: Browser, name: str, value: str) -> None:
    browser.value(
        f"(() => {{ const it = document.querySelector('[name={name}]'); it.value = '{value}';"
        " it.dispatchEvent(new Event('input')); it.dispatchEvent(new Event('change')); })()"
    )


def click(browser: Browser, text: str) -> None:
    browser.value(f"[...document.querySelectorAll('.chart button')].find((each) => each.textContent === '{text}').click()")


def test_the_mouse_on_a_curve_tells_value_variant_seed_epoch_and_run(browser: Browser, page: Path) -> None:
    opened(browser, page)
    left, top, width, height = box(browser)
    along = top + height - 15  # the axis of epochs
    browser.point(left + 0.9 * width, along, to=(left + 0.99 * width, along))
    browser.point(*browser.value(LAST_POINT.format(kind="seed", place=1)))
    value, variant, where, run = told(browser)
    assert (value, variant, where) == ("93.41 %", "leaky_relu", "seed 0, epoch 6")
    assert run.removeprefix("run ") in (page.parent / "runs.csv").read_text()
    browser.point(*browser.value(LAST_POINT.format(kind="mean", place=0)))
    assert told(browser) == ["93.04 %", "base", "mean of 5 runs, epoch 6"]
    browser.point(5, 5)
    assert told(browser) == []


def test_the_keys_go_along_a_curve_and_from_curve_to_curve(browser: Browser, page: Path) -> None:
    opened(browser, page)
    browser.value("document.querySelector('.chart [aria-label=\"Zoom out\"]').focus()")
    browser.press("Tab")  # past the zoom's reset, which is disabled
    assert told(browser) == ["93.04 %", "base", "mean of 5 runs, epoch 6"]
    browser.press("ArrowLeft")
    assert told(browser) == ["90.04 %", "base", "mean of 5 runs, epoch 5"]
    browser.press("Home")
    browser.press("ArrowUp")
    assert told(browser)[1:3] == ["gelu", "seed 3, epoch 1"]
    assert "gelu, seed 3, epoch 1, run " in browser.value("document.querySelector('.chart [aria-live]').textContent")


def test_variants_and_seeds_are_switched_off_and_on(browser: Browser, page: Path) -> None:
    opened(browser, page)
    assert (lines(browser, "seed"), lines(browser, "mean")) == (15, 3)
    click(browser, "base")
    assert (lines(browser, "seed"), lines(browser, "mean")) == (10, 2)
    click(browser, "4")  # the seed whose run of gelu failed, and its cross
    assert (lines(browser, "seed"), browser.value("document.querySelectorAll('.chart .cross').length")) == (8, 0)
    click(browser, "base")
    click(browser, "4")
    browser.value("document.querySelector('[name=seeds]').click()")
    assert (lines(browser, "seed"), lines(browser, "mean")) == (0, 3)


def test_every_recorded_metric_can_be_chosen_and_undeclared_ones_are_exploratory(browser: Browser, page: Path) -> None:
    opened(browser, page)
    options = browser.value("[...document.querySelectorAll('[name=metric] option')].map((each) => each.textContent)")
    assert options[0] == "test accuracy"
    assert {"train loss (exploratory)", "learning rate (exploratory)", "step (exploratory)"} <= set(options)
    choose(browser, "metric", "train_loss")
    assert browser.value("document.querySelectorAll('.chart .axis')[1].textContent") == "train loss (nats)"
    assert browser.value("document.querySelector('.chart .reading').textContent").startswith("Exploratory: no claim is about")


def test_a_log_scale_and_smoothing_say_what_they_do(browser: Browser, page: Path) -> None:
    opened(browser, page)
    path = "document.querySelector('.chart .plot .mean .line').getAttribute('d')"
    choose(browser, "metric", "train_loss")
    linear = browser.value(path)
    browser.value("document.querySelector('[name=log]').click()")
    assert browser.value(path) != linear
    choose(browser, "smoothing", "0.5")
    assert browser.value("document.querySelectorAll('.chart .axis')[1].textContent") == "train loss (nats), log scale, smoothed"
    remarks = browser.value("document.querySelector('.chart .reading').textContent")
    assert "smoothed: moving average of weight 0.5, the recorded values are pale" in remarks
    assert browser.value("document.querySelectorAll('.chart .raw').length") == 18
    browser.point(*browser.value(LAST_POINT.format(kind="mean", place=0)))
    assert told(browser)[0].startswith("0.35333 nats (smoothed ")


def test_a_drag_zooms_and_escape_shows_everything_again(browser: Browser, page: Path) -> None:
    opened(browser, page)
    whole = ticks(browser)
    left, top, width, height = box(browser)
    browser.point(left + 0.5 * width, top + 0.2 * height, to=(left + 0.9 * width, top + 0.5 * height))
    within = ticks(browser)
    assert within != whole
    browser.value(f"{PLOT}.focus()")
    browser.press("Escape")
    assert ticks(browser) == whole
    browser.point(left + 0.5 * width, top + height - 15, to=(left + 0.9 * width, top + height - 15))  # along the axis of epochs
    assert "1" not in ticks(browser)


def test_marks_of_the_main_figure_tell_their_value_and_run(browser: Browser, page: Path) -> None:
    opened(browser, page)
    browser.value("scrollTo(0, 0)")
    place = "(({left, right, top, bottom}) => [(left + right) / 2, (top + bottom) / 2])"
    mark = "[...document.querySelectorAll('.main svg [id*=marks_] use')][0].getBoundingClientRect()"
    browser.point(*browser.value(f"{place}({mark})"))
    assert told(browser) == ["+0.33 pp", "leaky_relu minus base, n = 5", "95 % interval +0.21 to +0.45"]
    browser.point(0, 0)
    browser.value("document.querySelector('.source, .verdict').scrollIntoView()")
    browser.value("document.querySelector('.main svg').focus()")
    browser.press("End")
    assert told(browser)[1].startswith("gelu minus base")


def test_on_a_phone_a_touch_tells_the_value_and_nothing_scrolls_sideways(browser: Browser, page: Path) -> None:
    opened(browser, page, PHONE)
    assert browser.value("document.documentElement.scrollWidth") == PHONE[0]
    browser.send("Emulation.setTouchEmulationEnabled", enabled=True)
    browser.tap(*browser.value(LAST_POINT.format(kind="mean", place=1)))
    browser.send("Emulation.setTouchEmulationEnabled", enabled=False)
    assert told(browser)[1:] == ["leaky_relu", "mean of 5 runs, epoch 6"]
    right = browser.value("document.querySelector('.tip:not([hidden])').getBoundingClientRect().right")
    assert right <= PHONE[0]


def test_on_a_dark_screen_figures_are_dark(browser: Browser, page: Path) -> None:
    opened(browser, page, dark=True)
    paper = "getComputedStyle(document.querySelector('.main svg #picture-1-patch_1 path')).fill"
    assert browser.value(paper) == browser.value("getComputedStyle(document.body).backgroundColor") == "rgb(23, 24, 26)"
    assert browser.complaints == []
    opened(browser, page)
    assert browser.value(paper) == "rgb(255, 255, 255)"


def test_without_scripts_and_in_print_the_pictures_are_those_of_the_files(browser: Browser, page: Path) -> None:
    drawn = [
        base64.b64encode((page.parent / f"figures/{name}.svg").read_bytes()).decode() for name in ("main", "learning_curves")
    ]
    visible = "[...document.images].filter((each) => each.checkVisibility() && each.clientWidth > 100).map((each) => each.src.split(',')[1])"
    live = "[...document.querySelectorAll('.chart, .picture')].filter((each) => each.getBoundingClientRect().width).length"
    browser.open(page, script=False)
    assert (browser.value(visible), browser.value(live)) == (drawn, 0)
    opened(browser, page)
    assert browser.value(visible) == []
    browser.print()
    assert (browser.value(visible), browser.value(live)) == (drawn, 0)
    browser.print(on=False)


def test_choices_outlast_a_reload_of_an_unfinished_report(browser: Browser, page: Path, tmp_path: Path) -> None:
    copy = tmp_path / "index.html"
    copy.write_text(page.read_text().replace("<body", '<body data-refresh="3"'))
    browser.open(copy)
    # While a value is shown, the page stays.
    browser.value("document.body.insertAdjacentHTML('beforeend', '<p class=tip></p>')")
    copy.write_text(page.read_text())
    assert browser.value(CHART_SHOWN)
    choose(browser, "metric", "train_loss")
    click(browser, "gelu")
    browser.value("document.querySelector('body > .tip').remove()")
    browser.wait_for_another_load()
    assert browser.value(CHART_SHOWN)
    assert lines(browser, "mean") == 2
    assert browser.value("document.querySelector('[name=metric]').value") == "train_loss"
