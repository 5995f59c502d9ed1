"""Tables of a plan's versions of the code, and of the files that they change."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.experiment.plan import Plan
from harness.reporting import phrases
from harness.reporting.phrases import versions as wording
from harness.reporting.tables.model import REPORTS, Cell, Column, DisplayTable, Format, Link
from harness.store.provenance import Provenance
from harness.tasks.command.code.version import CodeVersion, FileChange

# An address without user, query and fragment, of characters that need no escaping in any format.
PAGE = re.compile(r"https://[a-zA-Z0-9.-]+(?::\d+)?/[a-zA-Z0-9._~%+=/-]+")
PAPER: tuple[Format, ...] = (*REPORTS, "latex")
LONG: tuple[Format, ...] = (*REPORTS, "terminal")
FILES = 20  # of a version in reports
LABELS = 4  # variants that a row names


@dataclass(frozen=True)
class Version:
    """A version with the variants that use it, in the plan's order."""

    variants: tuple[str, ...]
    code: CodeVersion
    is_baseline: bool  # of the plan

    @property
    def files(self) -> DisplayTable:
        """The files that differ from the baseline's version: inputs first, of these those with most lines."""
        changes = sorted(self.code.changes, key=lambda change: (not change.counts, -_lines(change), change.path))[:FILES]
        unused = [Cell("" if change.counts else "not an input") for change in changes]
        columns = [
            Column("file", holds="code", cells=[Cell(wording.shown_path(change.path)) for change in changes]),
            Column("lines", cells=[Cell(wording.lines(change)) for change in changes]),
            Column("remark", cells=unused, optional=True),
        ]
        return DisplayTable(columns, f"Files that {wording.name(self.code)} changes", _more(self.code.changes))


def _lines(change: FileChange) -> int:
    """The changed lines; -1 for binary files."""
    return -1 if change.added is None or change.removed is None else change.added + change.removed


def _more(changes: tuple[FileChange, ...]) -> str:
    """`and 31 more`; empty if all files are in the table."""
    return f"and {len(changes) - FILES:,d} more" if len(changes) > FILES else ""


def versions(plan: Plan) -> list[Version]:
    """The versions of a plan, the baseline's first, then in the order of the variants; none if the code does not vary."""
    found: dict[tuple[str, str], list[str]] = {}
    for label, code in plan.code.items():
        found.setdefault((code.ref, code.commit), []).append(label)
    all_of = [Version(tuple(labels), plan.code[labels[0]], plan.baseline in labels) for labels in found.values()]
    return sorted(all_of, key=lambda version: not version.is_baseline)


def version_table(plan: Plan) -> DisplayTable | None:
    """A row per version: its variants, ref, commit, and how much it differs from the baseline's; None without versions."""
    found = versions(plan)
    if not found:
        return None
    compared = not all(version.is_baseline for version in found)
    marks = [("baseline",) if version.is_baseline and compared else () for version in found]
    refs = [wording.shown_path(version.code.ref, wording.REF) for version in found]
    labels = [_variants(version.variants) for version in found]
    commits = [Cell(wording.short_commit(version.code.commit), links=(commit_link(version.code),)) for version in found]
    columns = [
        Column("variant", holds="labels", cells=_marked(labels, marks), formats=PAPER),
        Column("code", holds="labels", cells=_marked(refs, marks), formats=("terminal",)),
        Column("ref", holds="code", cells=[Cell(ref) for ref in refs] if refs != labels else [Cell()] * len(refs), formats=PAPER),
        Column("commit", holds="code", cells=commits),
        Column("changes", cells=[_size(version) for version in found]),
        Column("in inputs", cells=[_size(version, inputs=True) for version in found], formats=REPORTS),
        Column("subject", holds="remarks", cells=[Cell(wording.subject(version.code)) for version in found], formats=LONG),
    ]
    note = f"Changes are against the version of {plan.baseline}; inputs are the files whose content is part of the run ids"
    return DisplayTable(
        [replace(column, optional=True) for column in columns],
        "Versions of the code",
        note if compared else "All variants use the same version",
    )


def _marked(texts: Sequence[str], marks: Sequence[tuple[str, ...]]) -> list[Cell]:
    return [Cell(text, notes=mark) for text, mark in zip(texts, marks, strict=True)]


def _size(version: Version, *, inputs: bool = False) -> Cell:
    """How much its files, or only the inputs, differ from the baseline's; empty for the baseline."""
    if version.is_baseline:
        return Cell()
    size = wording.Size.of(change for change in version.code.changes if change.counts or not inputs)
    return Cell(size.words, value=size.added + size.removed)


def _variants(labels: tuple[str, ...]) -> str:
    more = len(labels) - LABELS
    return ", ".join(labels) if more < 1 else f"{', '.join(labels[:LABELS])} and {more:,d} more"


def commit_link(version: CodeVersion) -> Link:
    """The abbreviated commit, linked to its page if it has one."""
    # A changed working tree is on no site.
    page = version.url if version.parent is None and version.url and PAGE.fullmatch(version.url) else ""
    return Link(wording.short_commit(version.commit), page, code=True)


def other_commits(plan: Plan, origins: Mapping[str, Provenance]) -> str:
    """A note on runs that other commits trained, with equal inputs: their ids say so. Empty without such runs.

    Runs are shared by plans, so an earlier commit may have trained them; nothing is wrong with that.
    """
    found: dict[str, Counter[str]] = {}
    for run in plan.runs:
        version, origin = plan.code.get(run.variant), origins.get(run.id)
        if version is None or origin is None:
            continue
        commits = {start.program.commit for start in origin.starts if start.program}
        others = sorted(commit for commit in commits if commit and commit != version.commit)
        found.setdefault(run.variant, Counter()).update(map(wording.short_commit, others))
    parts = [
        f"{phrases.plural(count, 'run')} of {variant} by {commit}"
        for variant, counts in found.items()
        for commit, count in counts.most_common()
    ]
    if not parts:
        return ""
    listed = ", ".join([*parts[:LABELS], *([f"{len(parts) - LABELS:,d} more"] if len(parts) > LABELS else [])])
    return f"Trained by other commits with the same inputs: {listed}."


def version_values(plan: Plan) -> dict[str, Any]:
    """The version of each variant as JSON values; the plan's file lists the changed files."""
    return {label: _values(code) for label, code in plan.code.items()}


def _values(code: CodeVersion) -> dict[str, Any]:
    size, inputs = wording.Size.of(code.changes), wording.Size.of(change for change in code.changes if change.counts)
    return {
        **code.model_dump(mode="json", exclude={"changes"}),
        "files": size.files,
        "added": size.added,
        "removed": size.removed,
        "inputs": inputs.files,
        "inputs_added": inputs.added,
        "inputs_removed": inputs.removed,
    }
