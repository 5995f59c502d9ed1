"""Plans whose variants are versions of the code, made by hand, for tests of what is shown of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.experiment.plan import Plan
from harness.store.atomic import write_json
from harness.store.provenance import Code, Provenance
from harness.store.records import Store
from harness.tasks.command.code.version import CodeVersion, FileChange

MAIN, MUON, OTHER = "3f2a1bc" + "0" * 33, "9d8e7f6" + "1" * 33, "abcdef0" + "2" * 33
SITE = "https://github.com/o/r/commit/"


def change(path: str = "train.py", added: int | None = 12, removed: int | None = 3, *, counts: bool = True) -> FileChange:
    return FileChange(path=path, added=added, removed=removed, counts=counts)


def version(ref: str, commit: str, changes: Sequence[FileChange] = (), **fields: Any) -> CodeVersion:
    """A version whose commit has a page on the web."""
    return CodeVersion(**{"ref": ref, "commit": commit, "url": SITE + commit, "changes": tuple(changes), **fields})


MAIN_VERSION = version("main", MAIN, subject="Warm up for 200 steps")
MUON_VERSION = version(
    "feature/muon", MUON, [change(), change("notes.md", 200, 0, counts=False)], subject="Muon for the hidden layers"
)


def versioned(plan: Plan, *versions: CodeVersion) -> Plan:
    """The plan with a version for each of its variants; more variants share the last."""
    labels = list(plan.variants)
    own = [*versions, *versions[-1:] * (len(labels) - len(versions))]
    return Plan.model_validate({**dict(plan), "code": dict(zip(labels, own, strict=True))})


def trained_by(store: Store, plan: Plan, commits: Mapping[str, str], **program: Any) -> None:
    """Each run with a provenance was trained by its variant's commit."""
    for run in plan.runs:
        path = store.paths.run(run.id).provenance
        if path.is_file():
            origin = Provenance.model_validate_json(path.read_bytes())
            commit = commits[run.variant]
            code = Code(**{"commit": commit, "dirty": False, "digest": commit[:8] * 8, **program})
            write_json(path, Provenance.model_validate({**dict(origin), "program": code}))
