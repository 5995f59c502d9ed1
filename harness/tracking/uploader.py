"""Sends runs' files to W&B, for the mirror during training and for `harness sync` afterwards.

It sends what W&B lacks from the run's own files, never from wandb's: so it does not matter which of those a crash or an outage
left, and nothing is sent twice. One process at a time delivers a run.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, StoreError
from harness.experiment.run_id import Spec
from harness.store import atomic
from harness.store.holder import Holder
from harness.store.lease import Timing, Watch
from harness.store.ledger.chain import current_head
from harness.store.provenance import Provenance
from harness.store.records import Result, Store, read_rows
from harness.store.trial_runs import memberships, steps_of_trials
from harness.tracking import alerts, delivery
from harness.tracking.client import Client, Hardware, OpenRun, UnreachableError
from harness.tracking.delivery import Delivery
from harness.tracking.known_plans import KnownPlans, Stamp, stamp_of
from harness.tracking.locks import RunLocks
from harness.tracking.media import table_of_predictions
from harness.tracking.page import Page, final_update, page
from harness.tracking.prediction_table import prediction_table
from harness.tracking.run_log import log_text


@dataclass
class Opened:
    """A run that is open in wandb, and what was sent of it."""

    run_id: str
    run: OpenRun
    page: Page
    hardware: Hardware | None
    sent: list[str]  # a digest of each row; empty: W&B has the row, but its digest is unknown
    known: Delivery
    stamp: Stamp | None = None  # of metrics.jsonl when it was last read


class Uploader:
    """Delivers runs. `offline_fallback`: runs that cannot be opened online are written to disk, for `wandb sync`."""

    def __init__(
        self,
        store: Store,
        client: Client,
        say: Callable[[str], None],
        *,
        online: bool = True,
        offline_fallback: bool = True,
    ) -> None:
        self.store, self.client, self.say, self.limits = store, client, say, client.limits
        self.online, self.offline_fallback = online, offline_fallback
        self.unopened = 0  # consecutive runs that W&B did not open
        self._offline_until = -1.0
        self._watch = Watch(Timing(), Holder.here())
        self._locks, self._alerts = RunLocks(store.paths), alerts.chosen(os.environ)
        self._reported: set[tuple[str, str, str]] = set()  # group, variant (empty: any) and state of the alerts
        self._plans = KnownPlans(store)
        self._open: dict[str, Opened] = {}
        self._to_link: dict[str, str] = {}

    def goes_online(self) -> bool:
        """Whether the next run is to be opened online: not for a while after a server error."""
        return self.online and time.monotonic() >= self._offline_until

    def reserve(self, run_id: str) -> bool:
        """Lock the run until `finish`. False: another process delivers it."""
        return self._locks.take(run_id)

    def begin(self, run_id: str, hardware: Hardware | None = None) -> bool:
        """Open a reserved run and send its rows so far; returns whether it is open, and prints why not."""
        self._begin(run_id, self.goes_online(), hardware)
        return run_id in self._open

    def send(self) -> None:
        """Send new rows, and record URLs of pages of runs whose lease was held."""
        for run_id in list(self._open):
            if run_id in self._open:  # an error with one may close the others
                self._send(self._open[run_id])
        for run_id, url in list(self._to_link.items()):
            self._link(run_id, url)

    def attach(self, run_id: str, kind: str, file: Path) -> bool:
        """Upload a file to an open run and record it; returns whether it was uploaded, and prints why not.

        Predictions are also shown as a table; prints why not, or what of it is left out.
        """
        opened = self._open[run_id]
        try:
            digest, epoch = atomic.digest(file), len(opened.sent)
            metadata = {"run_id": run_id, "name": opened.page.name, "group": opened.page.group, "epoch": epoch, "sha256": digest}
            opened.run.upload(f"{kind}-{run_id}", kind, [file], metadata, [f"epoch-{epoch}"])
            if kind == "predictions":
                self._show_predictions(opened, file)
            opened.known = _changed(opened.known, uploaded={**opened.known.uploaded, kind: digest})
            delivery.save(self.store.paths, run_id, opened.known)
        except (UnreachableError, StoreError) as error:
            self.say(f"{kind}: {error}")
            return False
        return True

    def _show_predictions(self, opened: Opened, file: Path) -> None:
        found = prediction_table(file, opened.run_id, self._plans.load())
        if isinstance(found, str):
            self.say(found)
            return
        for note in found.notes:
            self.say(note)
        opened.run.show({"predictions": table_of_predictions(found)})

    def finish(self, run_id: str) -> bool:
        """Send the rest of a run and close it; returns whether W&B has confirmed all of it."""
        try:
            if run_id in self._open:
                self._send(self._open[run_id])
            opened = self._open.pop(run_id, None)
            if opened is None:  # not opened, or trained again and the new page not opened
                return False
            result = self.store.result(run_id)
            sent = self._with_alert(opened, result, self._with_log(opened))
            opened.run.finish(final_update(result))
            return opened.run.online and self._confirmed(opened, sent)
        except UnreachableError as error:
            self.say(f"{run_id}: {error}; `harness sync` delivers the rest")
            self._offline_until = time.monotonic() + self.limits.offline_for_s
        except StoreError as error:
            self.say(str(error))
        finally:
            self._locks.release(run_id)
        return False

    def finish_all(self) -> None:
        """Finish all open runs."""
        for run_id in list(self._open):
            self.finish(run_id)
        self.send()

    def _begin(self, run_id: str, online: bool, hardware: Hardware | None, *, last: bool = False) -> None:
        known = delivery.load(self.store.paths, run_id) or Delivery()
        paths = self.store.paths.run(run_id)
        try:
            delivery.save(self.store.paths, run_id, known)  # so that `harness sync` finds the run in any case
            spec = atomic.read_json(paths.spec, Spec)
            trials = memberships(self.store.paths).get(run_id, ())
            step_of = None if trials else steps_of_trials(self.store.paths).get(run_id)
            head = current_head(self.store.paths)
            shown = page(run_id, spec, self._plans.load(), read_provenance(paths.provenance), paths.folder, trials, head, step_of)
            if delivery.outdated(known.rows, delivery.row_digests(read_rows(paths.metrics))):
                known = Delivery(attempt=known.attempt + 1)
                delivery.save(self.store.paths, run_id, known)
        except (HarnessError, FileNotFoundError) as error:
            self.say(f"{run_id}: not mirrored: {error}")
            return
        try:
            run = self.client.open(replace(shown, id=delivery.wandb_id(run_id, known)), online, hardware)
        except UnreachableError as error:
            self.unopened += 1
            offline_fallback = self.offline_fallback and not last  # also from offline: wandb's service may have died
            self.say(f"{run_id}: {error}" + ("; continuing offline, `harness sync` delivers it" if offline_fallback else ""))
            if offline_fallback:
                self._go_offline()
                self._begin(run_id, False, hardware, last=True)
            return
        self.unopened = 0
        sent: list[str] = []
        if online:
            # W&B reports the number of its rows, the delivery file has their digests.
            unknown = [""] * max(0, run.rows_stored - len(known.rows))
            sent = [*known.rows[: run.rows_stored], *unknown]
            known = _changed(known, url=run.url, rows=tuple(sent), confirmed=run.rows_stored, ending=None)
        self._open[run_id] = opened = Opened(run_id, run, shown, hardware, sent, known)
        self._send(opened)

    def _go_offline(self) -> None:
        """Send nothing to the server for a while; open runs are written to disk, from their first row."""
        self._offline_until = time.monotonic() + self.limits.offline_for_s
        others = list(self._open.values())
        self._open.clear()
        try:
            self.client.reset()
        except UnreachableError as error:
            self.say(f"W&B's service: {error}")
        for opened in others:
            self._begin(opened.run_id, False, opened.hardware, last=True)

    def _send(self, opened: Opened) -> None:
        paths = self.store.paths.run(opened.run_id)
        try:
            stamp = stamp_of(paths.metrics)
            if stamp is not None and stamp == opened.stamp:
                return
            rows = read_rows(paths.metrics)
        except StoreError as error:
            self.say(str(error))
            return
        digests = delivery.row_digests(rows)
        if delivery.outdated(opened.sent, digests):
            self._start_over(opened)
            return
        opened.stamp = stamp
        try:
            for row, digest in list(zip(rows, digests, strict=True))[len(opened.sent) :]:
                opened.run.log(row)
                opened.sent.append(digest)
            if opened.run.online:
                opened.known = _changed(opened.known, rows=tuple(opened.sent))
                delivery.save(self.store.paths, opened.run_id, opened.known)
        except (UnreachableError, StoreError) as error:
            self.say(f"{opened.run_id}: {error}")

    def _start_over(self, opened: Opened) -> None:
        """The run was trained again with other values: it gets a new page."""
        del self._open[opened.run_id]
        try:
            opened.run.finish(final_update(None))
        except UnreachableError as error:
            self.say(f"{opened.run_id}: {error}")
        self._begin(opened.run_id, opened.run.online, opened.hardware)

    def _with_log(self, opened: Opened) -> Delivery:
        """Send the log if it is new; what is delivered once W&B has confirmed the run."""
        path, known = self.store.paths.run(opened.run_id).log, opened.known
        try:
            text = log_text(path)
            digest = hashlib.sha256((text or "").encode()).hexdigest()
            if text is not None and known.uploaded.get("log") != digest:
                opened.run.save_text(path.name, text)
                return _changed(known, uploaded={**known.uploaded, "log": digest})
        except (UnreachableError, StoreError, OSError) as error:
            self.say(f"{opened.run_id}: no log: {error}")
        return known

    def _with_alert(self, opened: Opened, result: Result | None, known: Delivery) -> Delivery:
        """Send an alert about a new result, but for the same of a variant only once; see `_with_log`.

        Of runs that only serve to choose, each trial is a variant, and many diverge: one alert for all of them.
        """
        if result is None or not opened.run.online or "failures" not in self._alerts:
            return known
        page, about = opened.page, atomic.digest(self.store.paths.run(opened.run_id).result)
        alert = alerts.of_result(page.name, page.group, result, about)
        if alert is None or known.alerted == about:
            return known
        same = (page.group, "" if page.chooses else page.job_type, result.state)
        if same not in self._reported:
            opened.run.alert(alert)
            self._reported.add(same)
        return _changed(known, alerted=about)

    def _confirmed(self, opened: Opened, sent: Delivery) -> bool:
        """Ask W&B what it has: wandb finishes without an error even if the key was rejected meanwhile.

        `sent`: what is delivered if W&B has all rows.
        """
        run_id, paths = opened.run_id, self.store.paths.run(opened.run_id)
        stored = 0
        for pause_s in self.limits.confirm_after_s:
            time.sleep(pause_s)
            stored = self.client.rows_at(opened.run.path)
            if stored >= len(opened.sent):
                break
        sums = atomic.digest(paths.result) if atomic.exists(paths.result) else None
        complete = stored >= len(opened.sent)
        known = _changed(sent, ending=sums) if complete else _changed(opened.known, ending=None)
        delivery.save(self.store.paths, run_id, _changed(known, confirmed=stored))
        if complete and sums is not None:
            self.client.mark_delivered(run_id)
            if opened.run.url is not None:
                self._link(run_id, opened.run.url)
        return complete

    def _link(self, run_id: str, url: str) -> None:
        self._to_link[run_id] = url
        try:
            # Only after the run has finished: until then its worker writes the provenance.
            if self.store.result(run_id) is None or delivery.link(self.store, run_id, url, self._watch):
                del self._to_link[run_id]
        except StoreError as error:
            self.say(str(error))
            del self._to_link[run_id]


def read_provenance(path: Path) -> Provenance | None:
    """None: no file. Raises StoreError."""
    try:
        return atomic.read_json(path, Provenance)
    except FileNotFoundError:
        return None


def _changed(known: Delivery, **changes: Any) -> Delivery:
    return Delivery.model_validate({**dict(known), **changes})
