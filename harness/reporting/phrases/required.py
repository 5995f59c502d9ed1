"""Whether claims meet `--require`, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.analysis.verdicts import Verdict
from harness.analysis.verdicts.required import Answer, Lack
from harness.reporting.phrases.claims import statement

# After the verdict.
REASONS: Mapping[Lack, str] = {
    "verdict": "",
    "unfinished": ", not decided yet",
    "contradicted": ", but later seeds contradict it",
    "added": ", but added to the file after the first runs",
    "retrospective": ", but its results were known when it was written: not evidence",
    "unknown": ", but whether it was written before its results is unknown",
}


def unmet(found: Answer, verdicts: Sequence[Verdict]) -> str:
    """What each claim that does not meet the requirement is; empty if all meet it.

    `--require supported is not met: claim 1 (b improves on a): inconclusive`.
    """
    if found.met:
        return ""
    parts = [
        f"claim {place} ({statement(verdict.claim)}): {verdict.verdict}{REASONS[lack]}"
        for place, (verdict, lack) in enumerate(zip(verdicts, found.lacks, strict=True), 1)
        if lack is not None
    ]
    if not parts:
        parts = ["nothing was compared" if found.consistent else "the files are not consistent"]
    return f"--require {found.requirement} is not met: {'; '.join(parts)}"
