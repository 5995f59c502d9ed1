"""LiveReport: when it has the report written again, at which priority, and how it handles errors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from reported import planned

from harness.launch import live_report
from harness.launch.live_report import EVERY_S, SHARE, LiveReport, next_start
from harness.store.records import Store

VALUES = {"base": [93.0, 93.2]}


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def awaited(report: LiveReport, finished: int) -> None:
    """Until the process has ended."""
    limit = time.monotonic() + 120
    while report.process is not None:
        assert time.monotonic() < limit
        time.sleep(0.02)
        report.update(finished)


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the usual priority: otherwise a busy machine would write no report while a test waits."""
    monkeypatch.setattr(live_report, "LOWEST", 0)


@pytest.mark.usefixtures("_at_once")
def test_it_is_written_again_once_more_runs_have_finished(store: Store) -> None:
    page = store.paths.report(planned(store, VALUES).name) / "index.html"
    warnings: list[str] = []
    clock = Clock()
    report = LiveReport("activations", store.paths.root, 1, warnings.append, clock)
    clock.now += EVERY_S
    report.update(1)
    assert report.process is None
    report.update(2)
    awaited(report, 2)
    assert page.exists()
    assert warnings == []
    report.update(3)
    assert report.process is None, "the interval has not passed"
    assert report.next_write >= clock.now + EVERY_S


def test_soon_after_the_last_time_it_waits(store: Store) -> None:
    plan = planned(store, VALUES)
    report = LiveReport(plan.name, store.paths.root, 1, print)
    report.update(2)
    assert report.process is None
    assert not store.paths.report(plan.name).exists()


@pytest.mark.usefixtures("_at_once")
def test_an_error_is_shown_and_not_raised(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_report, "EVERY_S", 0.0)
    warnings: list[str] = []
    report = LiveReport("unplanned", store.paths.root, 0, warnings.append)
    report.update(1)
    awaited(report, 1)
    (line,) = warnings
    assert line.startswith("the report is not up to date: no plan or search 'unplanned'")


def test_its_process_has_the_lowest_priority_and_is_stopped_at_the_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_report, "EVERY_S", 0.0)
    with LiveReport(planned(store, VALUES).name, store.paths.root, 1, print) as report:
        report.update(2)
        process = report.process
        assert process is not None
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == 19
        assert os.getsid(process.pid) == process.pid, "Ctrl-C is for the command alone"
    assert process.returncode is not None
    assert not list(store.paths.root.rglob("*.tmp"))


KILLED = """
import os, signal, sys
from harness.launch import live_report
live_report.EVERY_S, live_report.LOWEST = 0.0, 0
report = live_report.LiveReport(sys.argv[1], sys.argv[2], 1, print)
report.update(2)
print(report.process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_its_process_ends_with_a_parent_that_is_killed_and_replaces_no_later_report(store: Store) -> None:
    plan = planned(store, VALUES)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, plan.name, store.paths.root], capture_output=True, text=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    limit = time.monotonic() + 120
    while Path(f"/proc/{killed.stdout.strip()}").exists():
        assert time.monotonic() < limit
        time.sleep(0.05)
    assert not store.paths.report(plan.name).exists()
    assert not list(store.paths.root.rglob("*.tmp"))


@pytest.mark.parametrize("processor_s", [0.1, 1.5, 2.0, 40.0])
def test_reports_take_at_most_a_twentieth_of_the_time(processor_s: float) -> None:
    began, spent = 0.0, 0.0
    for _ in range(20):
        ended = began + 1.3 * processor_s  # others had the processor in between
        spent += processor_s
        following = next_start(began, ended, processor_s)
        assert following >= ended + EVERY_S
        began = following
    assert spent <= began / SHARE
