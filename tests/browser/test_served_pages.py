"""The pages of `harness serve` in a browser while a worker trains: they change by themselves."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from devtools import NAMES, Browser, found
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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = found()
    assert executable is not None
    with Browser(executable) as opened:
        yield opened


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
    browser: Browser,
    server: Server,
    store: Store,
    plan: Plan,
    start_worker: Callable[..., subprocess.Popen[str]],
    tmp_path: Path,
) -> None:
    address = f"http://127.0.0.1:{server.port}"
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
    browser.screenshot(tmp_path / "now.png")

    browser.open_address(f"{address}/runs/{plan.runs[0].id}/", PHONE)
    until(browser, "document.getElementById('log').textContent.includes('hello <b>log</b>')")
    until(browser, "document.getElementById('facts').textContent.startsWith('completed')")
    assert browser.value("document.documentElement.scrollWidth") == PHONE[0]

    browser.open_address(f"{address}/reports/{plan.name}/index.html", (1280, 800))
    until(browser, "document.body.innerText.includes('1/2 runs')")
    worker.kill()
    worker.wait()
    assert browser.complaints == []

    browser.open_address(f"{address}/now", PHONE)
    until(browser, "document.getElementById('count').textContent.startsWith('Nothing trains now')")
    browser.send("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=-1, uploadThroughput=-1)
    until(browser, "document.getElementById('messages').textContent.includes('does not answer')")
