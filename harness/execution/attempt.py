"""One attempt at a run: train it from the start or from its checkpoint, and write its folder.

Everything is written under the run's lease. A checkpoint also holds the rows: on a resume metrics.jsonl is rewritten from it,
which also repairs a damaged file. The result is written last, with link(2), so that it exists completely or not at all.

Each file is on the disk before it gets its name. The names of all files are flushed together before a checkpoint or a result
gets its own: a power cut leaves neither without the files that belong to it, and before them nothing is lost that counts.
Of a task that resumes from its own files, rows and origin count from the beginning: their names are flushed at once.
"""

from __future__ import annotations

import io
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.common import results_root
from harness.errors import DeviceError, HarnessError, Interrupted, StoreError
from harness.execution import failures, outcomes
from harness.execution.job import AttemptOptions, Job, Row
from harness.execution.process import output_to, use_threads
from harness.store import atomic, checkpoint, environments, provenance, root
from harness.store.lease import Lease, SupersededError
from harness.store.paths import RunPaths
from harness.store.records import Result, encode, read_rows, write_rows
from harness.store.result_seal import sealed
from harness.tasks import environment
from harness.tasks.protocol import Training, TrainingFailed, with_optional_members

FIRST_CHECKPOINT_S = 60.0
CHECKPOINT_SHARE = 0.005  # share of the time spent on checkpoints, once the first one was timed
FIRST_ROWS_S = 0.25  # from the start: nobody sees rows sooner, and a run that has ended by then writes them once
WRITING_SHARE = 0.25  # largest share of the time spent on writing rows: each write contains all of them


def attempt(job: Job, paths: RunPaths, lease: Lease, options: AttemptOptions) -> Result:
    """Train the run to its end while `lease` is held. Output, also of C libraries, goes to the run's log.txt.

    A failure is returned as a Result. Raises Interrupted (stopped on request, checkpoint written), SupersededError (another
    worker holds the run), StoreError (a file cannot be written; nothing was lost), and the DataError, DeviceError or InputError
    of a task that cannot start: these are not failures of the run, so no result is written.
    """
    with output_to(paths.log):
        return _Attempt(replace(job, task=job.task.allotted(job.resources)), paths, lease, options).run()


class _Attempt:
    """The state of one attempt: rows so far, and when to write the next checkpoint."""

    def __init__(self, job: Job, paths: RunPaths, lease: Lease, options: AttemptOptions) -> None:
        self.job, self.paths, self.lease, self.options = job, paths, lease, options
        self.rows: list[dict[str, Any]] = []
        self.origin: provenance.Provenance | None = None
        self.training: Training | None = None
        self.interval_s = FIRST_CHECKPOINT_S if options.checkpoint_every_s is None else options.checkpoint_every_s
        self.saved_at = time.monotonic()
        # A task with files of its own resumes from them, not from our checkpoint: so the checkpoint must hold every row.
        self.keeps_files = job.task.keeps_files
        # They may reach the disk at any time, and the rows that they include must not be missing then, nor their origin.
        self.resumes_from_files = self.keeps_files and job.task.resumes
        self.first_interval_s = 0.0 if self.keeps_files else FIRST_CHECKPOINT_S
        if self.keeps_files and options.checkpoint_every_s is None:
            self.interval_s = 0.0
        self.rows_saved = 0
        self.rows_written = 0
        self.next_write_at = time.monotonic() + (0.0 if self.resumes_from_files else FIRST_ROWS_S)
        self.resumed = False  # whether the task resumed from its own files

    def run(self) -> Result:
        holder = self.lease.claim.holder
        print(f"--- {provenance.now()} lease {self.lease.number}, {holder.host}, process {holder.pid}")
        atomic.write_json(self.paths.spec, self.job.spec, self.lease, flush_name=False)
        saved = self._saved()
        self.rows = saved["rows"] if saved else []
        if self.rows or atomic.exists(self.paths.metrics):
            # First of all: rows after the checkpoint, or half-written ones, must not become part of a result.
            write_rows(self.paths.metrics, self.rows, self.lease, flush_name=False)
        self._record_provenance(from_scratch=saved is None and not self.lease.too_many_deaths)
        if self.lease.too_many_deaths:
            return self._publish(outcomes.failed(self.rows, failures.KILLED))
        if self.job.lost is not None:
            return self._publish(outcomes.without_step(self.rows, self.job, self.job.lost))
        try:
            training = self.training = self._start(saved)
        except (HarnessError, SupersededError):
            raise
        except Exception as error:
            return self._publish(self._failure_result(error))
        assert self.origin is not None
        if self.options.origin is None:
            self.origin = provenance.with_imports(self.origin)
        atomic.write_json(self.paths.provenance, self.origin, self.lease, flush_name=self.resumes_from_files)
        result = self._publish(self._train(training))
        if result.state == "completed" and not self.options.keep_weights:
            atomic.remove(self.paths.checkpoint)
        if self.keeps_files and not atomic.names(self.paths.files):
            atomic.remove_folder(self.paths.files)
        return result

    def _start(self, saved: Mapping[str, Any] | None) -> Training:
        if self.keeps_files:
            atomic.make_folder(self.paths.files)
        job = self.job
        started = job.task.start_in(job.config, job.spec.seed, self.options.device, self.paths.files)
        training: Training = with_optional_members(started, Training)
        if saved is not None:
            try:
                training.load_state_dict({"rows": self.rows} if self.keeps_files else saved["training"])
            except DeviceError as error:
                restart = f"or remove {self.paths.checkpoint} to restart the run"
                raise DeviceError(f"{self.job.run_id}: {error}; {restart}") from error
            print(f"resumed after {len(self.rows)} epochs")
        self.saved_at = time.monotonic()
        self.rows_saved = self.rows_written = len(self.rows)
        return training

    def _train(self, training: Training) -> Result:
        try:
            while not training.finished:
                row = training.advance(self._should_pause)
                if row is not None and (problem := self._add_row(row)):
                    return outcomes.diverged(self.rows, self.job, problem)
                if self.lease.lost:
                    self.lease.check()
                if training.finished:
                    break
                prune = row is not None and self.options.should_prune(self.rows)
                stop = self.options.should_stop() or prune
                if stop and (problem := self._stop_program(training)):
                    return outcomes.diverged(self.rows, self.job, problem)
                if stop or self._time_for_checkpoint():
                    self._save(training)
                if prune:
                    raise Interrupted(
                        f"{self.job.run_id}: pruned after epoch {len(self.rows)}; a plan that contains this run resumes it"
                    )
                if stop:
                    raise Interrupted(
                        f"{self.job.run_id}: stopped on request in epoch {len(self.rows) + 1}; start again to resume"
                    )
            return self._completed(training)
        except (StoreError, Interrupted, SupersededError):
            raise
        except Exception as error:
            if isinstance(error, OSError) and self._is_of_the_folder(error):
                raise atomic.unusable(Path(error.filename), "be used", error) from error
            return self._failure_result(error)
        finally:
            training.close()

    def _is_of_the_folder(self, error: OSError) -> bool:
        """Whether it says that the results folder, where the task keeps its files, does not respond: no fault of the run."""
        inside = isinstance(error.filename, str) and results_root.root_of(Path(error.filename)) is not None
        return inside and atomic.is_transient(error)

    def _add_row(self, row: Row) -> str | None:
        """Keep a row. Returns which of the task's metrics is not finite; None: all are."""
        kept = {name: encode(value) for name, value in row.items()}
        self.rows.append(kept)
        self._write_rows_sometimes()
        bad = [name for name in self.job.task.metrics if kept.get(name) in ("nan", "inf", "-inf")]
        return f"{bad[0]} is {kept[bad[0]]} at epoch {len(self.rows)}" if bad else None

    def _stop_program(self, training: Training) -> str | None:
        """Stop a program and keep the rows that it still prints, as its own files contain them. Returns like `_add_row`."""
        if self.resumes_from_files:
            self._write_rows()  # before the program ends: that may take longer than this process is given
            for row in training.last_words():
                if problem := self._add_row(row):
                    return problem
        return None

    def _write_rows_sometimes(self) -> None:
        if time.monotonic() >= self.next_write_at:
            self._write_rows()

    def _write_rows(self) -> None:
        if self.rows_written == len(self.rows):
            return
        began = time.monotonic()
        write_rows(self.paths.metrics, self.rows, self.lease, flush_name=self.resumes_from_files)
        self.rows_written = len(self.rows)
        self.next_write_at = time.monotonic() + (time.monotonic() - began) / WRITING_SHARE

    def _should_pause(self) -> bool:
        self._write_rows_sometimes()
        return self.options.should_stop() or self.lease.lost or self._time_for_checkpoint()

    def _time_for_checkpoint(self) -> bool:
        if self.keeps_files and (not self.job.task.resumes or len(self.rows) == self.rows_saved):
            return False
        return time.monotonic() - self.saved_at >= self.interval_s

    def _save(self, training: Training) -> None:
        began = time.monotonic()
        self.lease.check()
        self._write_rows()  # at least those in the checkpoint
        if not self.job.task.resumes:
            return  # it would restart from the beginning anyway
        atomic.flush_names(self.paths.folder)
        state = {"schema": 1, "rows": self.rows, "training": training.state_dict()}
        atomic.write_bytes(self.paths.checkpoint, checkpoint.pack(state), self.lease)
        self.saved_at, self.rows_saved = time.monotonic(), len(self.rows)
        if self.options.checkpoint_every_s is None:
            self.interval_s = max(self.first_interval_s, (self.saved_at - began) / CHECKPOINT_SHARE)

    def _saved(self) -> dict[str, Any] | None:
        if self.keeps_files:
            self.resumed = self.job.task.goes_on(self.paths.files)
            if not self.resumed:
                self.lease.check()
                atomic.remove(self.paths.checkpoint)
                atomic.remove_folder(self.paths.files)
                return None
            return {"rows": self._rows_on_disk()}
        return self._checkpoint()

    def _rows_on_disk(self) -> list[dict[str, Any]]:
        """The rows that the program had printed when it was interrupted; if the file is damaged, those in the checkpoint."""
        try:
            rows = read_rows(self.paths.metrics)
        except StoreError as error:
            print(f"{error}; using the rows in the checkpoint")
            return list((self._checkpoint() or {}).get("rows", ()))
        return [{name: encode(value) for name, value in row.items()} for row in rows]

    def _checkpoint(self) -> dict[str, Any] | None:
        try:
            return checkpoint.unpack(atomic.read_bytes(self.paths.checkpoint))
        except FileNotFoundError:
            return None
        except checkpoint.DamagedError as error:
            print(f"{self.paths.checkpoint}: damaged, {error}: the run restarts from the beginning")
            return None

    def _record_provenance(self, from_scratch: bool) -> None:
        if self.options.origin is not None:
            self.origin = self.options.origin
            return
        module = sys.modules.get(type(self.job.task).__module__)
        source = Path(module.__file__) if module and module.__file__ else None
        program, options, host = self.job.task.code_of(self.job.config), self.options, self.lease.claim.holder.host
        seed, files = self.job.spec.seed, self.paths.files
        provenance.code_ahead(source)
        installed = self.job.task.installed(self.job.config, seed, options.device, files) or environment.own()
        environments.keep(self.paths.environments, installed)
        here = provenance.observe(
            options.device,
            options.threads,
            options.command,
            host,
            module=source,
            program=program,
            environment=installed.environment,
            steps=self.job.steps,
            resources=self.job.resources.requested,
        )
        try:
            first = atomic.read_json(self.paths.provenance, provenance.Provenance)
        except FileNotFoundError:
            self.origin = here
        except StoreError as error:
            print(f"{error}; rewritten")
            self.origin = here
        else:
            if from_scratch:
                # Nothing computed by an earlier start is left, so its code, machine and threads do not matter.
                print(f"restarted from the beginning: nothing is left of the start at {first.started} on {first.host}")
            self.origin = here if from_scratch else provenance.restarted(first, here, len(self.rows), self.resumed)
        use_threads(self.origin.threads)

    def _completed(self, training: Training) -> Result:
        arrays = training.predictions()
        if arrays is not None:
            atomic.write_bytes(self.paths.predictions, _npz(arrays), self.lease, flush_name=False)
        if self.options.keep_weights:
            self._save(training)
        return outcomes.completed(self.rows, self.job)

    def _failure_result(self, error: Exception) -> Result:
        if not isinstance(error, TrainingFailed):  # its message is complete
            traceback.print_exception(error)
        return outcomes.failed(self.rows, failures.classify(error))

    def _publish(self, result: Result) -> Result:
        assert self.origin is not None
        root.confirm(self.paths.root)
        self._write_rows()
        choices = self.training.choices if self.training is not None else None
        # A run that is read again ended when its program did: claims made since then are retrospective.
        origin = self.options.origin or provenance.finished(self.origin, choices)
        atomic.write_json(self.paths.provenance, origin, self.lease, flush_name=False)
        files = (self.paths.spec, self.paths.metrics, self.paths.predictions)
        sums = {path.name: atomic.digest(path) for path in files if atomic.exists(path)}
        ended = self.origin.ended if self.options.origin else provenance.now()
        own = {"ended": ended, "checksums": sums, "provenance_digest": provenance.content_digest(origin)}
        complete = sealed(Result.model_validate({**result.model_dump(by_alias=True), **own}))
        atomic.flush_names(self.paths.folder)
        if not atomic.publish(self.paths.result, atomic.to_json(complete), self.lease):
            raise SupersededError(f"{self.job.run_id}: already has a result")
        print(f"{complete.state}{': ' + complete.error if complete.error else ''}")
        return complete


def _npz(arrays: Mapping[str, Any]) -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()
