"""What plans and studies share."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from harness.common.undecodable import shown
from harness.errors import InputError
from harness.experiment.model import MAPPING, Experiment
from harness.experiment.scale import Scale, scale
from harness.tasks.command.model import Program
from harness.tasks.protocol import Accelerator

SCHEMA = 1


class PlanBase(BaseModel):
    """The fields that plans and studies share."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    schema_version: int = Field(SCHEMA, alias="schema")
    name: str  # stem, stem@profile, each with +<6 hex> for --set
    experiment: str  # the file's stem
    profile: str | None = None
    evidence: bool = Field(False, exclude_if=lambda value: not value)  # the profile says that its results are
    overrides: tuple[str, ...] = ()  # the --set values in the name
    question: str
    source: str | None = None
    tags: tuple[str, ...] = Field((), exclude_if=lambda value: not value)
    scale: Scale | None = Field(None, exclude_if=lambda value: value is None)
    task: str
    task_version: str
    program: Program | None = None  # if the task is a command
    folder: str | None = None  # of the task's module, if it is beside the YAML
    accelerator: Accelerator
    margin: float | None = None
    alpha: float = 0.05
    file: str = ""  # path of the experiment file, as given; its name, if it comes with the package; or `MAPPING`
    created: str = ""  # ISO 8601, UTC

    @property
    def family(self) -> str:
        """The name that all stages of the experiment share: `stem`, `stem@profile`, each with `+<6 hex>` of the --set values."""
        return self.name

    @property
    def rehearsal(self) -> bool:
        """Made with --set, or with a profile that does not say that it is evidence."""
        return (self.profile is not None and not self.evidence) or bool(self.overrides)


def shared_fields(experiment: Experiment, accelerator: Accelerator, created: str) -> dict[str, Any]:
    """The fields of `PlanBase` for an experiment.

    Raises InputError for a module in a folder whose path is not UTF-8, DataError for a small version without its data.
    """
    folder = experiment.folder
    if folder is not None and shown(folder) != folder:
        raise InputError(f"{experiment.path}: the path of the task's folder is not UTF-8: {folder}; rename the folder")
    same = ("name", "profile", "evidence", "overrides", "question", "source", "tags", "program", "folder", "margin", "alpha")
    return {
        **{field: getattr(experiment, field) for field in same},
        "experiment": experiment.stem,
        "scale": scale(experiment),
        "task": experiment.task_name,
        "task_version": experiment.task.version,
        "accelerator": accelerator,
        "file": MAPPING if experiment.from_mapping else shown(experiment.stem if experiment.shipped else str(experiment.path)),
        "created": created,
    }
