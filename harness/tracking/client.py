"""Calls of wandb, each with a time limit. Used only in the mirror's and the sync process."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from pydantic import BaseModel, ConfigDict

from harness.common.optional_packages import explained
from harness.store.paths import Paths
from harness.tracking.alerts import RECENT, Alert
from harness.tracking.login import home_folder, read_login
from harness.tracking.page import FinalUpdate, Page, without_secrets

LONGEST_REASON = 500  # characters


class Limits(BaseModel):
    """Time limits of the mirror and `harness sync`, in seconds. The mirror gets them as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    poll_s: float = 1.0  # between two polls of the runs' files
    init_s: float = 10.0  # for wandb to open a run
    finish_s: float = 15.0  # for wandb to upload the rest of a run
    ask_s: float = 10.0  # for W&B's API to respond
    grace_s: float = 2.0  # added, so that wandb's own time limits come first
    confirm_after_s: tuple[float, ...] = (0.0, 1.0, 2.0)  # W&B counts rows with a delay
    offline_for_s: float = 600.0  # after a server error, new runs are written to disk
    closing_s: float = 15.0  # for the mirror to finish, before it is killed


POSITIONS = ("epoch", "step", "seconds")  # where and when a row was measured: axes, not panels


class UnreachableError(Exception):
    """A W&B request failed or timed out; files on disk are complete."""


@dataclass(frozen=True)
class Hardware:
    """The process whose GPU load W&B shows as system metrics."""

    pid: int
    gpus: tuple[int, ...] = ()  # empty: all


class OpenRun:
    """A run that is open in wandb."""

    def __init__(self, run: Any, online: bool, limits: Limits) -> None:
        self._run = run
        self._limits = limits
        self.online = online
        self.url: str | None = run.url if online else None
        self.rows_stored = int(run.starting_step)  # each row is one step

    def log(self, row: Mapping[str, Any]) -> None:
        """Log a row as one step, without missing values. Takes about 1 ms, independent of the server."""
        with wandb_errors():
            self._run.log(without_secrets({name: value for name, value in row.items() if value is not None}))

    def finish(self, final: FinalUpdate) -> None:
        """Send the final update and wait until the run is uploaded, or on disk. Raises UnreachableError."""
        with wandb_errors(), time_limit(self._limits.finish_s + self._limits.grace_s):
            self._run.summary.update(dict(final.summary))
            if final.tags:
                self._run.tags = (*(self._run.tags or ()), *final.tags)
            self._run.finish(exit_code=final.exit_code)

    def alert(self, alert: Alert) -> None:
        """Send an alert, at the latest when the run is finished. W&B drops another one of this title for a day."""
        with wandb_errors():
            self._run.alert(alert.title, alert.text, level=alert.level, wait_duration=RECENT)

    def save_text(self, name: str, text: str) -> None:
        """Store a text as a file of the run; it is uploaded at the latest when the run is finished."""
        with wandb_errors():
            folder = Path(self._run.settings.files_dir)
            (folder / name).write_text(text, encoding="utf-8")
            self._run.save(str(folder / name), base_path=str(folder), policy="now", glob=False)

    def show(self, values: Mapping[str, Any]) -> None:
        """Put tables, images or numbers into the summary: a row of the history would count as an epoch."""
        with wandb_errors():
            self._run.summary.update(dict(values))

    def upload(
        self, name: str, kind: str, files: Sequence[Path], metadata: Mapping[str, Any], aliases: Sequence[str] = ()
    ) -> None:
        """Upload files as a version of the artifact `name` and wait for it. Raises UnreachableError.

        W&B makes no new version of equal files, and stores and uploads a file that it has from another artifact once.
        """
        with wandb_errors():
            import wandb

            artifact = wandb.Artifact(name, type=kind, metadata=without_secrets(metadata))
            for file in files:
                if file.is_dir():
                    artifact.add_dir(str(file), policy="immutable", skip_cache=True)
                else:
                    artifact.add_file(str(file), policy="immutable", skip_cache=True)
            self._run.log_artifact(artifact, aliases=["latest", *aliases]).wait(timeout=int(self._limits.finish_s))

    @property
    def folder(self) -> Path:
        """wandb's local folder of the run."""
        return Path(self._run.settings.sync_dir)

    @property
    def path(self) -> str:
        """entity/project/id."""
        return str(self._run.path)


class Client:
    """wandb, with its files in `paths.wandb` and without its output."""

    def __init__(self, paths: Paths, limits: Limits) -> None:
        self.paths, self.limits = paths, limits
        root = paths.root.absolute()
        for name, place in (("WANDB_CACHE_DIR", "cache"), ("WANDB_DATA_DIR", "data")):
            os.environ.setdefault(name, str(root / "cache" / "wandb" / place))
        os.environ |= {"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}
        # WANDB_SWEEP_ID would turn each run into that sweep's trial, WANDB_SERVICE would make us stop another run's service, and
        # an invalid WANDB_MODE would fail even if the mode is given explicitly.
        for name in ("WANDB_SWEEP_ID", "WANDB_SERVICE", "WANDB_MODE"):
            os.environ.pop(name, None)
        os.environ.setdefault("WANDB_PROJECT", read_login(os.environ, home_folder()).project)
        self.root = root

    def open(self, page: Page, online: bool, hardware: Hardware | None = None) -> OpenRun:
        """Open the run, or resume it if W&B has it. Raises UnreachableError, after at most 12 s."""
        with wandb_errors(), time_limit(self.limits.init_s + self.limits.grace_s):
            run = self._open(page, online, hardware)
        opened = OpenRun(run, online, self.limits)
        if not online:
            self._remove_earlier(page.id, opened.folder)
        return opened

    def _open(self, page: Page, online: bool, hardware: Hardware | None) -> Any:
        import wandb

        settings = wandb.Settings(
            mode="online" if online else "offline",
            root_dir=str(self.root),
            run_id=page.id,
            run_name=page.name,
            run_group=page.group or None,
            run_job_type=page.job_type,
            run_tags=page.tags,
            resume="allow" if online else None,  # offline, every folder contains the run from its first row
            reinit="create_new",
            init_timeout=self.limits.init_s,
            finish_timeout=self.limits.finish_s,
            finish_timeout_raises=True,
            # Limits what a kill loses; all rows can be written again from metrics.jsonl.
            x_transaction_log_flush_interval=1.0,
            x_disable_stats=hardware is None,
            x_stats_pid=hardware.pid if hardware else os.getpid(),
            x_stats_gpu_device_ids=list(hardware.gpus) if hardware and hardware.gpus else None,
            # Git remotes, arguments and the environment may contain secrets; provenance.json has what matters.
            x_disable_meta=True,
            x_disable_machine_info=True,
            x_save_requirements=False,
            disable_git=True,
            save_code=False,
            program="harness",
            console="off",
            silent=True,
            symlink=False,
            stop_fn=_ignore_stop,
        )
        run = wandb.init(settings=settings, config=dict(page.config))
        for name in POSITIONS if page.by_epoch else ():
            run.define_metric(name, hidden=True, summary="none" if name == "seconds" else None)  # of the last epoch alone
        if page.by_epoch:
            run.define_metric("*", step_metric="epoch")
        run.summary["state"] = "running"
        run.tags = page.tags  # removes an earlier tag such as interrupted
        return run

    def rows_at(self, path: str) -> int:
        """Number of rows that W&B has of the run at `path`. Raises UnreachableError."""
        with wandb_errors(), time_limit(self.limits.ask_s + self.limits.grace_s):
            import wandb

            return int(wandb.Api(timeout=max(1, int(self.limits.ask_s))).run(path).lastHistoryStep) + 1

    def reset(self) -> None:
        """Stop wandb's service and all open runs: after a failed `init` the run's id would remain in use."""
        with wandb_errors(), time_limit(self.limits.finish_s + self.limits.grace_s):
            import wandb

            wandb.teardown()

    def mark_delivered(self, run_id: str) -> None:
        """Mark the run's offline folders as uploaded for `wandb sync`."""
        for folder in self._offline(run_id):
            for file in folder.glob("*.wandb"):
                file.with_name(f"{file.name}.synced").touch()

    def _offline(self, run_id: str) -> list[Path]:
        return sorted(self.paths.wandb.glob(f"offline-run-*-{run_id[:12]}*"))

    def _remove_earlier(self, run_id: str, kept: Path) -> None:
        # The new folder gets all rows again from metrics.jsonl.
        for folder in self._offline(run_id):
            if folder.resolve() != kept.resolve():
                shutil.rmtree(folder, ignore_errors=True)


def _ignore_stop() -> None:
    """For W&B's stop button, which has no effect."""


@contextmanager
def wandb_errors() -> Iterator[None]:
    """Turn every exception of wandb into an UnreachableError of one line without secrets."""
    try:
        yield
    except UnreachableError:
        raise
    except Exception as error:
        line = " ".join(str(explained(error) or f"{type(error).__name__}: {error}").split())[:LONGEST_REASON]
        raise UnreachableError(str(without_secrets(line))) from None


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Interrupt the main thread after `seconds`: wandb's own time limits do not cover all of its waits."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise UnreachableError(f"no response within {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
