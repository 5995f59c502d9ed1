"""Findings -> verdicts.json: what was claimed and what came of it, for other programs."""

from __future__ import annotations

from typing import Any

from harness.analysis.verdicts.document import judged
from harness.reporting.pages.report_data import Findings
from harness.store.atomic import to_json


def render(findings: Findings) -> str:
    """The file's text; the same for the same findings."""
    return to_json(contents(findings)).decode()


def contents(findings: Findings) -> dict[str, Any]:
    """JSON values: the plan, its looks, and under `verdicts` one object a claim (`harness.analysis.verdicts.document`)."""
    plan = findings.plan
    return {
        "schema": 1,
        "name": plan.name,
        "question": plan.question,
        "rehearsal": plan.rehearsal,
        "complete": findings.complete,
        "alpha": plan.alpha,
        "levels": [{"seeds": seeds, "level": level} for seeds, level in findings.levels.items()],
        "claims_digest": plan.claims_digest,
        **judged(findings.judgement, findings.metrics),
    }
