"""Pydantic models of a version of the code, as plans store it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

CODE = "code"  # the setting whose values are versions
WORKING_TREE = "."  # the ref of the working tree as it is, with untracked files


class FileChange(BaseModel):
    """A file that differs from the version of the baseline. Lines are None for binary files."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    path: str  # relative to the repository
    added: int | None
    removed: int | None
    counts: bool  # whether it is an input of the command, in either version


class CodeVersion(BaseModel):
    """The code of a variant: what its ref meant when the plan was made."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    ref: str  # as in the file: a branch, tag or commit, or `WORKING_TREE`
    commit: str = Field(pattern=r"^[0-9a-f]{40,64}$")  # of a changed working tree: one that the harness made of it
    parent: str | None = None  # of a changed working tree: the commit that it differs from
    subject: str = ""  # the first line of the commit's message
    url: str | None = None  # of the commit's page, without credentials; None: the repository has no such remote
    changes: tuple[FileChange, ...] = ()  # against the version of the baseline
