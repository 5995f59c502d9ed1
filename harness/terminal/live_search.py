"""The progress of a search: its best and running trials; without a terminal a line per finished trial, and one from time to time.

Only objectives are shown, never a metric of the test split.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.text import Text

from harness.execution.time_left import Basis, Earlier
from harness.experiment.study import Study
from harness.reporting import phrases
from harness.reporting.address import address
from harness.reporting.phrases import trials as words
from harness.search.nothing_found import lost_run
from harness.search.trials import Trial, counted, ranked, trained_s
from harness.store.records import Record, Store
from harness.tasks.protocol import Metric
from harness.terminal import live
from harness.terminal.dry_run import marked
from harness.terminal.live import Event, Progress, counter, last_lines
from harness.terminal.live_footer import Footer
from harness.terminal.search_dry_run import heading
from harness.terminal.tables import GAP, INDENT, STYLES, styled
from harness.terminal.training import NewestRows, Now
from harness.terminal.wrapping import printable, wrap_part, wrap_parts

BEST, MOST_RUNNING = 5, 8
URGENT = {"failed": "FAILED", "diverged": "DIVERGED"}


def progress(
    study: Study,
    metrics: Mapping[str, Metric],
    store: Store,
    *,
    workers: int,
    console: Console | None = None,
    earlier: Earlier | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Progress[Sequence[Trial]]:
    """The view for `console` (default: stderr); `clock` returns seconds.

    `earlier`: how long runs took before, for the time left until a trial has finished.
    """
    return live.progress(SearchRows(study, metrics, store, workers=workers, earlier=earlier), console, clock)


class SearchRows:
    """The trials of a search."""

    def __init__(
        self, study: Study, metrics: Mapping[str, Metric], store: Store, *, workers: int, earlier: Earlier | None = None
    ) -> None:
        self.earlier = earlier
        self.study, self.metrics, self.store, self.workers = study, metrics, store, workers
        self.trials: Sequence[Trial] = ()
        self.reported: set[int] | None = None  # finished trials already shown; None before the first update
        self.address = address(store.paths, study.name)
        self.newest = NewestRows(store.paths)
        self.length = phrases.epochs(study.base)
        self._records: dict[int, Record] = {}  # running trial -> its run in training, when it was last read
        self._turn = 0

    def introduction(self) -> list[Text]:
        """The question; trials, workers, device and the rehearsal mark; the objective."""
        study = self.study
        what = f"{phrases.plural(study.trials, 'trial')}, {words.each(study)}, on {study.accelerator}"
        facts = f"{what}, {phrases.plural(self.workers, 'worker')}"
        return [*heading(study), marked(facts, study), styled(printable(words.aims(study)))]

    def update(self, state: Sequence[Trial]) -> list[Event]:
        """A line for each finished trial."""
        self.trials = state
        if self.reported is None:
            self.reported = {trial.number for trial in state if trial.finished}
            return [Event([styled(f"{done} of {self.study.trials} done already")])] if (done := self.finished()) else []
        events = []
        for trial in sorted(state, key=lambda trial: (trial.ended or "", trial.number)):
            if trial.finished and trial.number not in self.reported:
                self.reported.add(trial.number)
                events.append(self._finished(trial))
        return events

    def finished(self) -> int:
        """The number of finished trials that count towards the target."""
        return sum(trial.finished for trial in counted(self.trials))

    def _finished(self, trial: Trial) -> Event:
        name = f"trial {trial.number}"
        if trial.state == "interrupted":
            return Event([styled(f"{name}  interrupted; its values will be tried again")])
        reported, total = self.reported or set(), self.study.trials
        done = sum(each.finished and each.number in reported for each in counted(self.trials))
        place = printable(f"{counter(done, total, total)} {name:<{len(f'trial {total}')}}  ")
        setting, took = words.values(self.study, trial.values), phrases.clock(trial.seconds)
        first, reason = trial.runs[0] if trial.runs else "", f" {trial.reason}" if trial.reason else ""
        if trial.state == "completed":
            text = f"completed  {words.objectives(self.study, trial, self.metrics)}"
            so_far = [each for each in self.trials if each.number in reported]
            best = "best so far" if ranked(self.study, so_far)[:1] == [trial] else ""
            return Event([styled(place, "  ".join(filter(None, [text, setting, took, first, best])))], urgent=False)
        if trial.state == "pruned":
            text = "  ".join(filter(None, [f"pruned{reason}", setting, took, first]))
            return Event([styled(place, printable(text))], urgent=False)
        lost = lost_run(self.store, trial)
        log = None if lost is None else self.store.paths.run(lost).log
        word = URGENT.get(trial.state, trial.state)
        text = "  ".join(filter(None, [reason, setting, "" if log is None else str(log)]))
        line = styled(place, (word, STYLES.get(word, "")), printable(text))
        lines = last_lines(log) if log is not None and trial.state == "failed" else []
        return Event([line, *lines], urgent=trial.state in URGENT)

    def look(self, most: int) -> None:
        """See `Rows`."""
        running = self._running()
        self._records = {trial.number: self._records[trial.number] for trial in running if trial.number in self._records}
        for _ in running[:most]:
            self._turn += 1
            trial = running[self._turn % len(running)]
            records = self.store.records(trial.runs).values()
            if (found := next((record for record in records if not record.finished), None)) is not None:
                self._records[trial.number] = found
        self.newest.look([*self._records.values()], most)

    def body(self, width: int, height: int) -> Sequence[RenderableType]:
        """The best trials, then the running ones. Too many lines: the settings of all but the best are left out, then trials."""
        best, running = ranked(self.study, self.trials)[:BEST], self._running()
        for most, described in ((BEST, len(running) + BEST), (BEST, 1), (1, 1), (1, 0)):
            shown = best[:most]
            found = self._lines(shown, running, described, width)
            if len(found) <= height:
                return found
        found = self._lines(best[:1], [], 0, width)
        room = height - len(found) - 1
        lines = self._lines([], running, 0, width)
        more = styled(" " * INDENT, phrases.plural(len(running), "trial") + " running")
        return [*found, *lines[: max(0, room)], more][: max(0, height)]

    def _lines(self, best: Sequence[Trial], running: Sequence[Trial], described: int, width: int) -> list[Text]:
        """A line for each trial, and its setting behind or below it for the first `described` ones."""
        rows = [(trial, words.objectives(self.study, trial, self.metrics).split(", ")) for trial in best]
        rows += [(trial, self._now(trial).parts) for trial in running]
        leads = ["best" if len(self.study.objectives) == 1 else "front", *[""] * len(rows)] if best else [""] * len(rows)
        names = [
            f"{' ' * INDENT}{lead:<{len(leads[0])}}  trial {trial.number}" for lead, (trial, _) in zip(leads, rows, strict=False)
        ]
        start = max(map(cell_len, names), default=0) + GAP
        facts = [wrap_parts(parts, width - start) for _, parts in rows]
        settings = [words.values(self.study, trial.values) if place < described else "" for place, (trial, _) in enumerate(rows)]
        column = max((cell_len(lines[0]) for lines in facts), default=0) + GAP
        if all(len(lines) == 1 for lines in facts) and all(start + column + cell_len(text) <= width for text in settings):
            facts = [[f"{lines[0]:<{column}}{text}"] for lines, text in zip(facts, settings, strict=True)]
        else:
            facts = [
                [*lines, *wrap_part(text, width - start)] if text else lines for lines, text in zip(facts, settings, strict=True)
            ]
        return [
            styled(f"{name if place == 0 else '':<{start}}{line}".rstrip())
            for name, lines in zip(names, facts, strict=True)
            for place, line in enumerate(lines)
        ]

    def _running(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.state == "running"]

    def _now(self, trial: Trial) -> Now:
        record, metric = self._records.get(trial.number), self.study.metric
        if record is None:
            return Now("", 0, self.length, "", None, None)
        row = self.newest.of(record.id)
        place = f"seed {trial.runs.index(record.id) + 1}/{len(trial.runs)}" if len(trial.runs) > 1 else ""
        value = words.measured(row[metric], self.metrics.get(metric)) if isinstance(row.get(metric), int | float) else ""
        return Now.of(place, record, self.length, value, row)

    def now(self) -> list[str]:
        """`trial 12 epoch 3/6 81.20 %` for each running trial."""
        return [f"trial {trial.number} {self._now(trial).in_log}" for trial in self._running()]

    def footer(self, elapsed: float) -> Footer:
        """The progress in numbers, the best trial, the time left, and what follows."""
        study, own, best = self.study, counted(self.trials), ranked(self.study, self.trials)
        found = ""
        if best and len(study.objectives) == 1:
            value = words.measured(best[0].objectives[study.metric], self.metrics.get(study.metric))
            found = f"best {value} (trial {best[0].number})"
        elif best:
            found = f"{phrases.plural(len(best), 'trial')} on the front"
        running, remaining = len(self._running()), max(0, study.trials - self.finished())
        took = [trial.seconds for trial in own if trial.finished]
        trained = [seconds for seconds in took if seconds]
        took = took if trained else []
        basis = Basis("finished", len(took)) if took else self.earlier.basis if self.earlier else None
        each = fmean(trained) if trained else self.earlier.seconds * study.seeds if self.earlier else None
        mean = fmean(took) if took else each  # those out of bounds took no time, and others will not either
        left = None if mean is None else mean * remaining / max(1, min(max(self.workers, running), remaining))
        speeds = [speed for row in self.newest.rows.values() if isinstance(speed := row.get("samples_per_second"), int | float)]
        devices = 1 if study.accelerator == "cpu" else max(1, (study.resources.gpus or 1) * (study.resources.nodes or 1))
        return Footer(
            done=f"{self.finished():,d}/{phrases.plural(study.trials, 'trial')} done",
            later="",
            states=f"{running:,d} running" if running else "",
            outcomes=words.tally(own),
            best=found,
            look="",
            elapsed=f"{phrases.clock(elapsed)} elapsed",
            left=phrases.left(left, basis, "trial") if remaining else "",
            speed=f"{phrases.count(sum(speeds))} samples/s" if speeds else "",
            devices=phrases.device_time(
                devices * trained_s(self.trials),
                None if each is None else devices * (each * remaining + self._confirmation_s(each)),
                study.accelerator,
            ),
            note=self._confirmation(),
            address=f"report: {self.address}",
        )

    def _confirmation(self) -> str:
        """What is trained after the search."""
        again = self.study.confirm
        if again is None:
            return ""
        best, seeds = f"the best {phrases.plural(again.top, 'trial')}", phrases.plural(again.seeds, "fresh seed")
        return f"then {best} x {seeds}, and the winner against the base"

    def _confirmation_s(self, trial_s: float) -> float:
        """Seconds of training that the confirmation takes, if its runs take as long as those of completed trials."""
        again = self.study.confirm
        if again is None:
            return 0.0
        whole = [trial.seconds for trial in self.trials if trial.state == "completed" and trial.seconds]
        return (again.top + 2) * again.seeds * (fmean(whole) if whole else trial_s) / self.study.seeds
