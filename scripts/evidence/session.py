"""Settings and time -> checks, benchmarks, experiments, reports, and the pack, each as far as the time goes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from evidence import benchmarks, budget, checks, experiments, machine, summary
from evidence.budget import Candidate, Step
from evidence.experiments import Entry, Standing
from evidence.pack import pack
from evidence.process import Ended, Runner
from evidence.records import Records
from evidence.settings import Settings, harness
from evidence.summary import Progress
from harness.common.stopping import Stop
from harness.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_RUNS_FAILED, HarnessError

PACK_EVERY_S = 180.0
LOOK_EVERY_S = 10.0  # whether a running experiment has begun another look
END_SHARE, LONGEST_END_S = 0.1, 90.0  # of the time, for reports, verify and the pack
SHORTEST_TRAINING_S = 5.0


class Session:
    """One start of the program. `stop` is true after a signal; the time is counted here."""

    def __init__(self, settings: Settings, seconds: float, stop: Stop, records: Records, say: Callable[[str], None]) -> None:
        self.settings, self.stop, self.records, self.say = settings, stop, records, say
        self.started, self.seconds = time.monotonic(), seconds
        self.runner = Runner(settings.folder, settings.environment)
        self.before_s = records.seconds_used()
        self.progress = Progress(records.here, seconds=self.before_s)
        self.packed_at = self.looked_at = time.monotonic()
        self.runs_seen = 0  # that remained to the look of the running experiment
        self.problems: dict[str, str] = {}

    def run(self) -> int:
        """Do everything. Returns the exit code: 1 after a failure, 75 if something remains, else 0."""
        self.records.event("session", "session started", allowed_s=self.seconds)
        self.runner.end_all()
        try:
            if self._check():
                self._measure()
                self._train()
            self._report()
        finally:
            self.records.event("session", "session ended", seconds=round(time.monotonic() - self.started, 1))
            self._pack()
        self.say(summary.text(self.progress))
        if self.progress.failures:
            return EXIT_RUNS_FAILED
        return EXIT_OK if self.progress.complete else EXIT_INTERRUPTED

    def left(self) -> float:
        """Seconds until what is at the end has to begin."""
        end = min(self.seconds * END_SHARE, LONGEST_END_S)
        return self.seconds - end - (time.monotonic() - self.started)

    def _check(self) -> bool:
        """The checks that have not been done on this device with this code. Returns whether training is possible."""
        goes_on = True
        for check in checks.checks(self.settings):
            found = self.records.read("checks", check.step.name)
            if found is None and check.impossible is not None:
                found = self.records.write("checks", check.step.name, "not possible", reason=check.impossible)
                self.say(summary.line(found))
            elif found is None:
                check.output.unlink(missing_ok=True)
                ended = self._do("checks", check.step, check.command)
                if ended is not None:
                    outcome = check.read(ended, check.output)
                    found = self.records.write(
                        "checks",
                        check.step.name,
                        outcome.state,
                        figures=outcome.figures,
                        reason=outcome.reason,
                        seconds=ended.seconds,
                    )
                    self.say(summary.line(found))
            if found is not None:
                goes_on = goes_on and checks.is_training_possible(found)
        return goes_on

    def _measure(self) -> None:
        """The benchmarks that have not been done on this device with this code."""
        for benchmark in benchmarks.benchmarks(self.settings):
            name = benchmark.step.name
            if self.records.read(benchmarks.KIND, name) is not None:
                continue
            if benchmark.impossible is not None:
                self.say(summary.line(self.records.write(benchmarks.KIND, name, "not possible", reason=benchmark.impossible)))
                continue
            ended = self._do(benchmarks.KIND, benchmark.step, benchmark.command)
            if ended is None:
                continue
            if ended.code == 0:
                record = self.records.write(
                    benchmarks.KIND, name, "measured", figures=benchmarks.figures(benchmark.output), seconds=ended.seconds
                )
            else:
                reason = f"the command ended with code {ended.code}; its log says why"
                record = self.records.write(benchmarks.KIND, name, "failed", reason=reason, seconds=ended.seconds)
            self.say(summary.line(record))

    def _do(self, kind: str, step: Step, command: Sequence[str]) -> Ended | None:
        """Run a check or a benchmark to its end; None: it was not started, or the time was over before."""
        left, tried_s = self.left(), self.records.tried_s(step.name)
        if self.stop() or not budget.startable(step, left, tried_s):
            return None
        if (earlier := self.records.any(kind, step.name)) is not None:
            changed = machine.differences(earlier["machine"], self.records.here)
            self.say(f"{step.name} is repeated, as it was done with another {', '.join(changed)}")
        self.say(f"{step.name} ...")
        self.records.event(step.name, "started")
        ended = self.runner.run(command, self.records.path(kind, step.name).with_suffix(".log"), left, self._during)
        if not ended.stopped:
            return ended
        if self.left() <= 0:
            self.records.event(step.name, "out of time", allowed_s=round(left, 1))
        else:
            self.records.event(step.name, "stopped")
        return None

    def _train(self) -> None:
        """Experiments, one after another, until the time is over or nothing remains; all are registered first."""
        self._register()
        while not self.stop() and self.left() > SHORTEST_TRAINING_S:
            standings = self._standings()
            chosen = self._chosen(standings)
            if chosen is None:
                return
            before = next(each for each in standings if each.plan == chosen.name)
            workers, left = benchmarks.workers(self.settings, self.records), self.left()
            self.say(f"{chosen.name}: {chosen.runs} runs to the next look, {workers} at a time ...")
            self.records.event(chosen.name, "started")
            self.runs_seen = before.runs
            ended = self.runner.run(
                experiments.command(before.entry, self.settings, workers, left),
                self.settings.evidence / "experiments" / f"{chosen.name}.log",
                left + 2 * SHORTEST_TRAINING_S,  # it stops by itself
                lambda before=before: self._during() or self._moves_on(before),  # type: ignore[misc]
            )
            self.records.event(chosen.name, "ended", exit_code=ended.code, seconds=round(ended.seconds, 1))
            after = self._standing(before.entry)
            self._judge(ended, before, after)

    def _register(self) -> None:
        """What is registered already stays; a plan that cannot be made is reported when it is its turn."""
        for command in experiments.registrations(self.settings):
            if not self.stop() and self.left() > SHORTEST_TRAINING_S:
                self.runner.run(command, self.settings.evidence / "experiments" / "register.log", self.left(), self._during)

    def _judge(self, ended: Ended, before: Standing, after: Standing | None) -> None:
        """Note an experiment that cannot go on, so that it is not started again and again."""
        if ended.stopped or ended.code == EXIT_INTERRUPTED or after is None:
            return
        if ended.code not in (EXIT_OK, EXIT_RUNS_FAILED) or (after.runs and after.runs >= before.runs):
            self.problems[before.plan] = f"its command ended with code {ended.code}; evidence/experiments has its log"
            self.say(f"FAILED        {before.plan}: {self.problems[before.plan]}")

    def _moves_on(self, before: Standing) -> bool:
        """Whether the running experiment has reached a look, and another one is to be trained now."""
        if time.monotonic() - self.looked_at < LOOK_EVERY_S:
            return False
        self.looked_at = time.monotonic()
        now, earlier = self._standing(before.entry), self.runs_seen
        self.runs_seen = earlier if now is None else now.runs
        if self.runs_seen <= earlier:
            return False
        chosen = self._chosen(self._standings())
        return chosen is not None and chosen.name != before.plan

    def _standings(self) -> list[Standing]:
        found = [self._standing(entry) for entry in experiments.entries(self.settings)]
        return [each for each in found if each is not None]

    def _standing(self, entry: Entry) -> Standing | None:
        try:
            found = experiments.standing(entry, self.settings)
            over = entry.search and self.records.exit_code(found.plan) in (EXIT_OK, EXIT_RUNS_FAILED)
            return replace(found, runs=0, later=0) if over else found  # a search may end without the runs that may follow it
        except HarnessError as error:
            name = f"{entry.experiment}, {entry.epochs} epochs"
            if name not in self.problems:
                self.problems[name] = str(error).splitlines()[0]
                self.say(f"FAILED        {name}: {error}")
            return None

    def _chosen(self, standings: Sequence[Standing]) -> Candidate | None:
        workers = benchmarks.workers(self.settings, self.records)
        epoch_s = experiments.measured_epoch_seconds(self.settings) or benchmarks.epoch_seconds(self.records, workers)
        candidates = [
            Candidate(each.plan, each.runs, each.seconds or (None if epoch_s is None else epoch_s * each.entry.epochs))
            for each in experiments.by_value(standings)
            if each.plan not in self.problems
        ]
        return budget.choose(candidates, self.left(), workers)

    def _report(self) -> None:
        """The reports and the scoreboard, and whether every file is intact; with what is left of the time."""
        if self.stop() or not any((self.settings.results / "plans").glob("*.json")):
            return
        for name, arguments in (("report", ("report",)), ("verify", ("verify", "--json"))):
            left = self.seconds - (time.monotonic() - self.started) - SHORTEST_TRAINING_S
            if left <= 0:
                return
            output = self.settings.evidence / f"{name}.log"
            output.unlink(missing_ok=True)
            ended = self.runner.run(harness(*arguments, "--results", str(self.settings.results)), output, left, self.stop)
            if name == "verify" and not ended.stopped and ended.code != EXIT_OK:
                self.progress.verified = _found(output.read_text())

    def _during(self) -> bool:
        """Called while a command runs: packs every few minutes. Returns whether to stop it."""
        if time.monotonic() - self.packed_at >= PACK_EVERY_S:
            self._pack()
        return self.stop()

    def _pack(self) -> None:
        progress, settings = self.progress, self.settings
        progress.seconds = self.before_s + time.monotonic() - self.started
        progress.records, progress.undone = [], []
        for kind, steps in (
            ("checks", [each.step for each in checks.checks(settings)]),
            (benchmarks.KIND, [each.step for each in benchmarks.benchmarks(settings)]),
        ):
            for step in steps:
                record = self.records.read(kind, step.name)
                if record is None:
                    progress.undone.append((step, self._why_undone(step)))
                else:
                    progress.records.append(record)
        self.problems.pop("the pack", None)  # of an earlier try
        progress.standings, progress.problems = self._standings(), self.problems
        progress.workers = benchmarks.workers(settings, self.records)
        extra = {"resumable": "copy evidence/ and results/ to the folder of --results"}
        document, text = summary.document(progress, extra), summary.text(progress)
        left_out: list[str] = []
        try:
            left_out = pack(settings.folder, settings.pack, settings.tars, document, text)
        except OSError as error:  # such as a full disk: no reason to end what trains
            self.problems["the pack"] = str(error)
            self.say(f"FAILED        the pack: {error}")
        if left_out:
            self.say(f"not in the tar files: {len(left_out)} files, the first one {left_out[0]}")
        self.packed_at = time.monotonic()

    def _why_undone(self, step: Step) -> str:
        tried = self.records.tried_s(step.name)
        share = f", at most {budget.OPTIONAL_SHARE:.0%} of the time" if step.optional else ""
        needs = f"needs about {step.expected_s:.0f} s{share}" if step.expected_s else "the time was over"
        return f"did not finish in {tried:.0f} s" if tried else needs


def _found(text: str) -> str:
    """What `harness verify --json` found, in words."""
    try:
        problems = json.loads(text[text.index("{") :])["problems"]
    except ValueError:
        problems = []
    return "; ".join(f"{each['path']}: {each['what']}" for each in problems) or "evidence/verify.log says why"
