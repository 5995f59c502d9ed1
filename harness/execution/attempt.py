"""One run -> one ending: trains it from the start or from its checkpoint, and writes its folder.

Everything is written under the run's lease. The rows travel inside the checkpoint too: metrics.jsonl is cut back to it by being
written again, and a damaged one is mended by going on. The result comes last, by link(2): it is there once or not.
"""

from __future__ import annotations

import io
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from harness.errors import DeviceError, HarnessError, Interrupted, StoreError
from harness.execution import failures
from harness.execution.process import printing_to, use_threads
from harness.experiment.run_id import Spec
from harness.store import atomic, checkpoint, provenance
from harness.store.lease import Lease, SupersededError
from harness.store.paths import RunPaths
from harness.store.records import Result, encode, read_rows, write_rows
from harness.store.run_summary import numbers, summary
from harness.tasks.protocol import Task, Training, TrainingFailed, with_optional_members

FIRST_CHECKPOINT_S = 60.0
CHECKPOINT_SHARE = 0.005  # of the time goes into checkpoints once the first has shown what one costs
WRITING_SHARE = 0.25  # of the time, at most, goes into writing rows: each time all of them are written

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """What to train: a task with its full configuration, and the spec that made the run's id."""

    run_id: str
    task: Task
    config: BaseModel
    spec: Spec


@dataclass(frozen=True)
class AttemptOptions:
    """With what to train a run. `should_stop` is asked after every step; `checkpoint_every_s` None adapts to what one costs."""

    device: str = "cpu"
    threads: int | None = None  # None: the libraries' own choice
    command: Sequence[str] = ()
    keep_weights: bool = False
    checkpoint_every_s: float | None = None
    should_stop: Callable[[], bool] = lambda: False
    enough: Callable[[Sequence[Row]], bool] = lambda _: False  # asked after every epoch, with all rows: leave it there?


def attempt(job: Job, paths: RunPaths, lease: Lease, options: AttemptOptions) -> Result:
    """Train the run to its end, on the lease held. What is printed meanwhile, by C libraries too, goes to the run's log.txt.

    A failure is a Result as well. Raises Interrupted (stopped on request, checkpoint written), SupersededError (another worker
    has the run), StoreError (a file cannot be written: nothing was lost), and the DataError, DeviceError or InputError of a task
    that cannot start: then nothing is wrong with the run, and no result is written.
    """
    with printing_to(paths.log):
        return _Attempt(job, paths, lease, options).run()


class _Attempt:
    """The state of one attempt: rows so far, and when the next checkpoint is due."""

    def __init__(self, job: Job, paths: RunPaths, lease: Lease, options: AttemptOptions) -> None:
        self.job, self.paths, self.lease, self.options = job, paths, lease, options
        self.rows: list[dict[str, Any]] = []
        self.origin: provenance.Provenance | None = None
        self.training: Training | None = None
        self.interval_s = FIRST_CHECKPOINT_S if options.checkpoint_every_s is None else options.checkpoint_every_s
        self.saved_at = time.monotonic()
        # A task with files of its own goes on from them, whatever our checkpoint says: then no row must be missing from that.
        self.keeps_files = job.task.keeps_files
        self.first_interval_s = 0.0 if self.keeps_files else FIRST_CHECKPOINT_S
        if self.keeps_files and options.checkpoint_every_s is None:
            self.interval_s = 0.0
        self.rows_saved = 0
        self.rows_written = 0
        self.write_again_at = 0.0  # on the monotonic clock
        self.resumed = False  # by the task, from its own files

    def run(self) -> Result:
        holder = self.lease.claim.holder
        print(f"--- {provenance.now()} lease {self.lease.number}, {holder.host}, process {holder.pid}")
        atomic.write_json(self.paths.spec, self.job.spec, self.lease)
        saved = self._saved()
        self.rows = saved["rows"] if saved else []
        if self.rows or self.paths.metrics.exists():
            # Before anything can end the run: rows after the checkpoint, or torn ones, are no part of a result.
            write_rows(self.paths.metrics, self.rows, self.lease)
        self._describe_origin(afresh=saved is None and not self.lease.too_many_deaths)
        if self.lease.too_many_deaths:
            return self._end(self._failed(failures.KILLED))
        try:
            training = self.training = self._started(saved)
        except (HarnessError, SupersededError):
            raise
        except Exception as error:
            return self._end(self._caught(error))
        assert self.origin is not None
        atomic.write_json(self.paths.provenance, self.origin, self.lease)
        result = self._end(self._trained(training))
        if result.state == "completed" and not self.options.keep_weights:
            atomic.remove(self.paths.checkpoint)
        if self.keeps_files and self.paths.files.is_dir() and not any(self.paths.files.iterdir()):
            atomic.remove_folder(self.paths.files)
        return result

    def _started(self, saved: Mapping[str, Any] | None) -> Training:
        if self.keeps_files:
            atomic.make_folder(self.paths.files)
        job = self.job
        started = job.task.start_in(job.config, job.spec.seed, self.options.device, self.paths.files)
        training: Training = with_optional_members(started, Training)
        if saved is not None:
            try:
                training.load_state_dict({"rows": self.rows} if self.keeps_files else saved["training"])
            except DeviceError as error:
                begin = f"or remove {self.paths.checkpoint} to begin the run again"
                raise DeviceError(f"{self.job.run_id}: {error}; {begin}") from error
            print(f"going on after {len(self.rows)} epochs")
        self.saved_at = time.monotonic()
        self.rows_saved = self.rows_written = len(self.rows)
        return training

    def _trained(self, training: Training) -> Result:
        try:
            while not training.finished:
                row = training.advance(self._should_pause)
                if row is not None and (off := self._added(row)):
                    return self._diverged(off)
                if self.lease.lost:
                    self.lease.check()
                if training.finished:
                    break
                enough = row is not None and self.options.enough(self.rows)
                stop = self.options.should_stop() or enough
                if stop and (off := self._heard_out(training)):
                    return self._diverged(off)
                if stop or self._checkpoint_is_due():
                    self._save(training)
                if enough:
                    raise Interrupted(f"{self.job.run_id}: left after epoch {len(self.rows)}; a plan that asks for it goes on")
                if stop:
                    raise Interrupted(
                        f"{self.job.run_id}: stopped on request in epoch {len(self.rows) + 1}; start again to go on"
                    )
            return self._completed(training)
        except (StoreError, Interrupted, SupersededError):
            raise
        except Exception as error:
            return self._caught(error)
        finally:
            training.close()

    def _added(self, row: Row) -> str | None:
        """Keep a row; says which of the task's metrics is not finite."""
        kept = {name: encode(value) for name, value in row.items()}
        self.rows.append(kept)
        self._write_rows_when_due()
        off = [name for name in self.job.task.metrics if kept.get(name) in ("nan", "inf", "-inf")]
        return f"{off[0]} is {kept[off[0]]} at epoch {len(self.rows)}" if off else None

    def _heard_out(self, training: Training) -> str | None:
        """End a program that is to stop, and keep the rows that it tells until then: its files know of them. As `_added`."""
        if self.keeps_files and self.job.task.resumes:
            self._write_rows()  # those that are known: it may take longer to end than we are given
            for row in training.last_words():
                if off := self._added(row):
                    return off
        return None

    def _write_rows_when_due(self) -> None:
        if time.monotonic() >= self.write_again_at:
            self._write_rows()

    def _write_rows(self) -> None:
        if self.rows_written == len(self.rows):
            return
        began = time.monotonic()
        write_rows(self.paths.metrics, self.rows, self.lease)
        self.rows_written = len(self.rows)
        self.write_again_at = time.monotonic() + (time.monotonic() - began) / WRITING_SHARE

    def _should_pause(self) -> bool:
        self._write_rows_when_due()
        return self.options.should_stop() or self.lease.lost or self._checkpoint_is_due()

    def _checkpoint_is_due(self) -> bool:
        if self.keeps_files and (not self.job.task.resumes or len(self.rows) == self.rows_saved):
            return False
        return time.monotonic() - self.saved_at >= self.interval_s

    def _save(self, training: Training) -> None:
        began = time.monotonic()
        self.lease.check()
        self._write_rows()  # never fewer than the checkpoint holds
        if not self.job.task.resumes:
            return  # it would start afresh all the same
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
        """What the program had told when it was interrupted; of a damaged file, what the checkpoint holds."""
        try:
            rows = read_rows(self.paths.metrics)
        except StoreError as error:
            print(f"{error}; what the checkpoint holds is used")
            return list((self._checkpoint() or {}).get("rows", ()))
        return [{name: encode(value) for name, value in row.items()} for row in rows]

    def _checkpoint(self) -> dict[str, Any] | None:
        try:
            return checkpoint.unpack(self.paths.checkpoint.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise atomic.unusable(self.paths.checkpoint, "be read", error) from error
        except checkpoint.DamagedError as error:
            print(f"{self.paths.checkpoint}: damaged, {error}: the run starts again from the beginning")
            return None

    def _describe_origin(self, afresh: bool) -> None:
        module = sys.modules.get(type(self.job.task).__module__)
        source = Path(module.__file__) if module and module.__file__ else None
        program, options, host = self.job.task.code_folder, self.options, self.lease.claim.holder.host
        here = provenance.observe(options.device, options.threads, options.command, host, module=source, program=program)
        try:
            first = atomic.read_json(self.paths.provenance, provenance.Provenance)
        except FileNotFoundError:
            self.origin = here
        except StoreError as error:
            print(f"{error}; written again")
            self.origin = here
        else:
            if afresh:
                # What an earlier start computed is lost, and with it that start's code, machine and threads are no origin.
                print(f"nothing to go on from: of the start at {first.started} on {first.host} nothing is left")
            self.origin = here if afresh else provenance.restarted(first, here, len(self.rows), self.resumed)
        use_threads(self.origin.threads)

    def _completed(self, training: Training) -> Result:
        arrays = training.predictions()
        if arrays is not None:
            atomic.write_bytes(self.paths.predictions, _npz(arrays), self.lease)
        if self.options.keep_weights:
            self._save(training)
        facts = self.job.task.describe(self.job.config)
        whole = summary(self.rows, next(iter(self.job.task.metrics)))
        return Result.model_validate({"state": "completed", **self._last_row(), **facts, **whole})

    def _diverged(self, why: str) -> Result:
        whole = summary(self.rows, next(iter(self.job.task.metrics)))
        return Result.model_validate({"state": "diverged", "error": why, **self._last_row(), **whole})

    def _failed(self, failure: failures.Failure) -> Result:
        fields = {"reason": failure.reason, "error": failure.error, "traceback_digest": failure.digest}
        seconds = sum(numbers(self.rows, "seconds"))
        return Result.model_validate({"state": "failed", **fields, "epoch": len(self.rows), "train_seconds": seconds})

    def _caught(self, error: Exception) -> Result:
        if not isinstance(error, TrainingFailed):  # whose message says it all
            traceback.print_exception(error)
        return self._failed(failures.classify(error))

    def _end(self, result: Result) -> Result:
        assert self.origin is not None
        self._write_rows()
        choices = self.training.choices if self.training is not None else None
        atomic.write_json(self.paths.provenance, provenance.finished(self.origin, choices), self.lease)
        files = (self.paths.spec, self.paths.metrics, self.paths.predictions)
        sums = {path.name: atomic.digest(path) for path in files if path.exists()}
        whole = Result.model_validate({**result.model_dump(by_alias=True), "ended": provenance.now(), "checksums": sums})
        if not atomic.publish(self.paths.result, atomic.to_json(whole), self.lease):
            raise SupersededError(f"{self.job.run_id}: already has a result")
        print(f"{whole.state}{': ' + whole.error if whole.error else ''}")
        return whole

    def _last_row(self) -> dict[str, Any]:
        return {name: value for name, value in (self.rows[-1] if self.rows else {}).items() if name != "seconds"}


def _npz(arrays: Mapping[str, Any]) -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()
