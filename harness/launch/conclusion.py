"""The outcome of a command that trains -> its results recorded and shown, then its report written."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from harness.common import patience
from harness.launch.outcome import Outcome
from harness.reporting import phrases
from harness.reporting.pages import write_report
from harness.store.records import Store
from harness.terminal import shell

OutcomeT = TypeVar("OutcomeT", bound=Outcome)


@patience.interrupted_past_it()
def conclude(store: Store, outcome: OutcomeT, show: Callable[[OutcomeT], object] | None = None) -> OutcomeT:
    """Record what the results decide, call `show`, then write the reports; returns the outcome. Raises HarnessError.

    Figures take longer than verdicts, which are valid without them.
    """
    outcome.record(store.paths.root)
    if show is not None:
        show(outcome)
    if outcome.reports:
        with shell.drawing(phrases.report_command(store.paths.root, outcome.reports[-1])):
            for name in outcome.reports:
                write_report(name, store.paths.root)
    return outcome
