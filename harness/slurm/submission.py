"""results/submissions/NAME/N/: the submitted scripts, job ids and logs of one `harness submit`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.common.patience import repeat
from harness.errors import StoreError
from harness.store import atomic
from harness.store.paths import Paths


class Submission(BaseModel):
    """submission.json: one `harness submit`. Rewritten after every submitted job."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    schema_version: Literal[1] = Field(1, alias="schema")
    number: int  # of the folder
    name: str  # of the report: the plan's, or the search's
    target: str  # the plan's or search's file
    site: str
    workers: int
    code: str  # the folder in results/code
    jobs: Mapping[str, int] = {}  # id of an array or job -> number of workers
    report: str | None = None  # id of the job that writes the report
    cancelled: bool = False  # a later job was rejected, so these were cancelled
    created: str  # ISO 8601, UTC

    @property
    def all_jobs(self) -> tuple[str, ...]:
        """All ids, the report's last."""
        return (*self.jobs, *([self.report] if self.report else []))

    def folder(self, paths: Paths) -> Path:
        """Its folder, which also has the logs."""
        return paths.submissions(self.name) / str(self.number)


def changed(submission: Submission, **fields: Any) -> Submission:
    """A copy with these values."""
    return Submission.model_validate({**dict(submission), **fields})


def new_folder(paths: Paths, name: str) -> Path:
    """Create the folder of a new submission. Raises StoreError."""
    parent = paths.submissions(name)
    atomic.make_folder(parent)
    number = max((int(name) for name in atomic.names(parent) if name.isdigit()), default=0) + 1
    while True:
        folder = parent / str(number)
        try:
            repeat(folder, folder.mkdir)
        except FileExistsError:  # created by another submission meanwhile
            number += 1
        except OSError as error:
            raise atomic.unusable(folder, "be made", error) from error
        else:
            return folder


def save(folder: Path, submission: Submission) -> None:
    """Raises StoreError."""
    atomic.write_json(folder / "submission.json", submission)


def load_all(paths: Paths, name: str) -> tuple[list[Submission], list[StoreError]]:
    """The submissions of a plan or search, oldest first, and the errors of unreadable ones."""
    found: list[Submission] = []
    errors: list[StoreError] = []
    folders = [path for path in atomic.matches(paths.submissions(name), "*") if path.name.isdigit()]
    for folder in sorted(folders, key=lambda path: int(path.name)):
        try:
            found.append(atomic.read_json(folder / "submission.json", Submission))
        except FileNotFoundError:
            continue  # being created
        except StoreError as error:
            errors.append(error)
    return found, errors
