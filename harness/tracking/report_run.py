"""The run of a plan's report in W&B: alerts about its verdicts, and on request its figures, differences and files."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.errors import StoreError
from harness.experiment.plan import Plan
from harness.store.ledger.chain import Ledger
from harness.store.ledger.state import State
from harness.store.paths import Paths
from harness.tracking import alerts, delivery
from harness.tracking.client import Client, OpenRun, UnreachableError, wandb_errors
from harness.tracking.locks import RunLocks
from harness.tracking.media import chart_of_differences, figures, preset_of_differences
from harness.tracking.page import LONGEST_NAME, FinalUpdate, Page, secret_in, shortened, without_secrets

FIGURES = "figures"  # of a report's folder
COMPLETED = FinalUpdate({"state": "completed"}, 0)


class ReportRuns:
    """The reports' runs of a results folder."""

    def __init__(self, paths: Paths, client: Client) -> None:
        self.paths, self.client = paths, client
        self._locks = RunLocks(paths)

    def announce(self, plan: Plan, online: bool = True) -> str:
        """Send an alert if every claim of `plan` got its verdict in the last day, once; empty, or why it was not sent.

        Not `online`: only note that there is one for `harness sync`.
        """
        try:
            alert = _unsent(self.paths, plan, Ledger(self.paths).read().state)
            if alert is None:
                return ""
            self._save(plan, due=alert.about)
            if not online:
                return "offline; `harness sync` sends it within a day"
            with self._alone(plan):
                if _known(self.paths, plan).alerted != alert.about:  # another mirror of the plan may just have sent it
                    opened = self.client.open(report_page(plan), online=True)
                    opened.alert(alert)
                    opened.finish(COMPLETED)
                    self._save(plan, alerted=alert.about)
        except (UnreachableError, StoreError) as error:
            return str(error)
        return ""

    @contextmanager
    def _alone(self, plan: Plan) -> Iterator[None]:
        """Raises UnreachableError while another process has the run of the report open."""
        key = _key(plan.name)
        if not self._locks.take(key):
            raise UnreachableError("another process is sending to the report's run")
        try:
            yield
        finally:
            self._locks.release(key)

    def deliver(self, plan: Plan, differences: Mapping[str, Any] | None) -> dict[str, Any]:
        """Upload a report's folder as an artifact, and show its figures and `differences` (rows, title, axis) in its run."""
        folder = self.paths.report(plan.name)
        notes: list[str] = []
        try:
            for file in filter(Path.is_file, folder.rglob("*")):
                if secret := secret_in(file.read_bytes()):
                    raise UnreachableError(f"{file} contains {secret}; not uploaded")
            digest, page = delivery.folder_digest(folder), report_page(plan)
            with self._alone(plan):
                opened = self.client.open(page, online=True)
                opened.upload(page.id, "report", [folder], {"plan": plan.name, "sha256": digest})
                images = figures(folder / FIGURES)
                if shown := {**images, **self._charts(opened, differences, notes)}:
                    opened.log(shown)
                opened.finish(COMPLETED)
                if shown:
                    self._confirm(opened)
                self._save(plan, report=digest, figures=tuple(images))
        except (UnreachableError, StoreError, OSError) as error:
            return {"report": plan.name, "delivered": False, "error": str(error)}
        return {"report": plan.name, "delivered": True, "url": opened.url, "notes": notes}

    def _charts(self, opened: OpenRun, differences: Mapping[str, Any] | None, notes: list[str]) -> dict[str, Any]:
        if not differences or not differences["rows"]:
            return {}
        preset = None
        try:
            with wandb_errors():
                preset = preset_of_differences(opened.path.partition("/")[0])
        except UnreachableError as error:
            notes.append(f"differences are shown without intervals, as W&B has not created their chart: {error}")
        with wandb_errors():
            return chart_of_differences(differences["rows"], differences["title"], differences["axis"], preset)

    def _confirm(self, opened: OpenRun) -> None:
        """Raises UnreachableError if W&B lacks the row with the figures."""
        for pause_s in self.client.limits.confirm_after_s:
            time.sleep(pause_s)
            if self.client.rows_at(opened.path) > opened.rows_stored:
                return
        raise UnreachableError("W&B has fewer figures than were sent")

    def _save(self, plan: Plan, **changes: Any) -> None:
        known = _known(self.paths, plan)
        delivery.save_plan(self.paths, plan.name, delivery.PlanDelivery.model_validate({**dict(known), **changes}))


def alerts_left(paths: Paths, plans: Iterable[Plan]) -> list[str]:
    """The names of the plans with an alert about verdicts that a mirror could not send. Raises StoreError, InputError."""
    noted = [plan for plan in plans if (known := _known(paths, plan)).due != known.alerted]
    state = Ledger(paths).read().state if noted else State()
    return [
        plan.name
        for plan in noted
        if (alert := _unsent(paths, plan, state)) is not None and alert.about == _known(paths, plan).due
    ]


def _unsent(paths: Paths, plan: Plan, state: State) -> alerts.Alert | None:
    """The alert about the verdicts of `plan` that was not sent yet; None: there is none, or it is not wanted."""
    alert = alerts.of_verdicts(plan, state) if "verdicts" in alerts.chosen(os.environ) else None
    return None if alert is None or _known(paths, plan).alerted == alert.about else alert


def _known(paths: Paths, plan: Plan) -> delivery.PlanDelivery:
    return delivery.load_plan(paths, plan.name) or delivery.PlanDelivery()


def report_page(plan: Plan) -> Page:
    """The run of the plan's report, in the group of its runs."""
    known = None if plan.known is None else len(plan.known)
    config = without_secrets({"plan": plan.name, "question": plan.question, "results_known": known})
    name, group = (shortened(text, LONGEST_NAME) for text in (f"report · {plan.name}", plan.name))
    return Page(f"report-{_key(plan.name)}", name, group, "report", (), config, by_epoch=False)


def _key(name: str) -> str:
    """12 hex digits."""
    return hashlib.sha256(name.encode()).hexdigest()[:12]
