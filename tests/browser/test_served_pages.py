"""The pages of `harness serve` in a browser while a worker trains: they change by themselves."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
from devtools import NAMES, Browser
from examples import toy_rows, write_run
from serving import served

from harness import write_report
from harness.experiment.plan import Plan
from harness.serving import reports
from harness.serving.server import Server
from harness.store.records import Store

pytestmark = [pytest.mark.needs(*NAMES), pytest.mark.slow]

PlanMaker = Callable[..., Plan]
PATIENCE_S = 90
PHONE = (390, 800)
ANY_SPEED = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}


@pytest.fixture
def plan(store: Store, toy_plan: PlanMaker) -> Plan:
    """A run that ends soon and one that takes its time."""
    plan = toy_plan(
        {"base": {"epochs": 3, "prints": "hello <b>log</b>"}, "slow": {"epochs": 4000, "sleep": 0.05, "prints": "slowly"}}
    )
    store.save_plan(plan)
    return plan


@pytest.fixture
def server(store: Store, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(reports, "EVERY_S", 0.0)
    monkeypatch.setattr(reports, "SHARE", 0)
    write_report(plan.name, store.paths.root)
    with served(store.paths.root) as found:
        yield found


def until(browser: Browser, expression: str) -> None:
    """Wait until a JavaScript expression is true on the page."""
    end = time.monotonic() + PATIENCE_S
    while not browser.value(f"Boolean({expression})"):
        assert time.monotonic() < end, browser.value("document.body.innerText")
        browser.value("new Promise((done) => setTimeout(done, 100))")


def test_the_pages_follow_a_worker(
    browser: Browser, server: Server, store: Store, plan: Plan, start_worker: Callable[..., subprocess.Popen[str]]
) -> None:
    address = f"http://127.0.0.1:{server.port}"
    browser.open_address(f"{address}/reports/{plan.name}/index.html", (1280, 800))
    until(browser, "document.querySelector('.served [role=status]').textContent === 'current'")
    browser.open_address(f"{address}/now", PHONE)
    until(browser, "document.getElementById('count').textContent.startsWith('Nothing trains now')")
    worker = start_worker(store.paths.plan(plan.name))
    until(browser, "document.querySelector('#runs .pick')?.textContent === 'slow · seed 0'")
    until(browser, "document.getElementById('log').textContent.includes('slowly')")
    until(browser, "document.querySelector('#chart svg .line')")
    before = browser.value("document.querySelector('#chart svg .line').getAttribute('d')")
    until(browser, f"document.querySelector('#chart svg .line').getAttribute('d') !== '{before}'")
    until(browser, "document.querySelector('#plans').innerText.includes('1/2 runs')")
    assert browser.value("document.documentElement.scrollWidth") == PHONE[0]

    browser.open_address(f"{address}/runs/{plan.runs[0].id}/", PHONE)
    until(browser, "document.getElementById('log').textContent.includes('hello <b>log</b>')")
    until(browser, "document.getElementById('facts').textContent.startsWith('completed')")
    assert browser.value("document.documentElement.scrollWidth") == PHONE[0]

    worker.kill()
    worker.wait()
    assert browser.complaints == []

    browser.open_address(f"{address}/now", PHONE)
    until(browser, "document.getElementById('count').textContent.startsWith('Nothing trains now')")
    browser.send("Network.emulateNetworkConditions", **ANY_SPEED, offline=True)
    until(browser, "document.getElementById('messages').textContent.includes('does not answer')")
    browser.send("Network.emulateNetworkConditions", **ANY_SPEED, offline=False)
    until(browser, "document.getElementById('messages').textContent === ''")


def test_a_report_replaces_what_has_changed_and_keeps_what_the_reader_has_opened(
    browser: Browser, server: Server, store: Store, plan: Plan
) -> None:
    write_run(store, plan, plan.runs[0], toy_rows(50.0), state="completed")
    browser.open_address(f"http://127.0.0.1:{server.port}/reports/{plan.name}/index.html")
    until(browser, "document.body.innerText.includes('1/2 runs')")
    browser.value("window.sameDocument = true; document.querySelector('[data-keep=runs]').open = true; scrollTo(0, 500)")
    sections = "[...document.querySelectorAll('main > section')].map((part) => part.id)"
    before = browser.value(sections)
    write_run(store, plan, plan.runs[1], toy_rows(52.0), state="completed")
    until(browser, "document.body.innerText.includes('2/2 runs')")
    assert browser.value("window.sameDocument") is True
    assert browser.value("document.querySelector('[data-keep=runs]').open") is True
    assert browser.value("scrollY") > 400  # the banner above has gone
    assert browser.value(sections) == before
    assert browser.value("document.querySelectorAll('#variants thead button').length") > 3
    assert browser.value("document.querySelectorAll('#curves .chart svg .line').length") >= 2
    assert browser.complaints == []
