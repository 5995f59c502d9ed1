"""What was submitted -> results/submissions/NAME/N/: the scripts as sbatch got them, the jobs' ids, their logs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import StoreError
from harness.store import atomic
from harness.store.paths import Paths


class Submission(BaseModel):
    """submission.json: one `harness submit`. Written anew with every job that the cluster takes."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    schema_version: Literal[1] = Field(1, alias="schema")
    number: int  # of the folder
    name: str  # of the report: the plan's, or the search's
    target: str  # what the workers were given
    site: str
    workers: int
    code: str  # the folder in results/code
    jobs: Mapping[str, int] = {}  # id of an array, or of a job -> its workers
    report: str | None = None  # id of the job that writes the report
    cancelled: bool = False  # a later job was refused, so these were taken back
    created: str  # ISO 8601, UTC

    @property
    def all_jobs(self) -> tuple[str, ...]:
        """Every id, the report's last."""
        return (*self.jobs, *([self.report] if self.report else []))

    def folder(self, paths: Paths) -> Path:
        """Where it lies, with the logs of its tasks."""
        return paths.submissions(self.name) / str(self.number)


def changed(submission: Submission, **fields: Any) -> Submission:
    """`submission` with other values."""
    return Submission.model_validate({**dict(submission), **fields})


def new_folder(paths: Paths, name: str) -> Path:
    """A folder of its own for one submission. Raises StoreError."""
    above = paths.submissions(name)
    atomic.make_folder(above)
    number = max((int(path.name) for path in above.iterdir() if path.name.isdigit()), default=0) + 1
    while True:
        try:
            (above / str(number)).mkdir()
        except FileExistsError:  # another submission was quicker
            number += 1
        except OSError as error:
            raise atomic.unusable(above / str(number), "be made", error) from error
        else:
            return above / str(number)


def save(folder: Path, submission: Submission) -> None:
    """Write submission.json. Raises StoreError."""
    atomic.write_json(folder / "submission.json", submission)


def load_all(paths: Paths, name: str) -> tuple[list[Submission], list[StoreError]]:
    """The submissions of a plan or search, the first one first; and what is wrong with those that cannot be read."""
    found: list[Submission] = []
    errors: list[StoreError] = []
    folders = [path for path in paths.submissions(name).glob("*") if path.name.isdigit()]
    for folder in sorted(folders, key=lambda path: int(path.name)):
        try:
            found.append(atomic.read_json(folder / "submission.json", Submission))
        except FileNotFoundError:
            continue  # being made just now
        except StoreError as error:
            errors.append(error)
    return found, errors
