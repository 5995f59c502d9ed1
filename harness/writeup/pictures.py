"""Findings -> the report's figures on disk, each as PNG and SVG."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness import figures, wording
from harness.task import Metric
from harness.writeup.findings import Findings

# What the report shows beside the metric it is about, where the task measures it.
BESIDE = "train_loss"


def write(findings: Findings) -> list[Path]:
    """The learning curves."""
    figure = figures.curves(
        findings.epochs, panels(findings.metrics), tuple(findings.plan.variants), note=wording.rehearsal(findings.plan)
    )
    return figures.save(figure, findings.folder / "figures", "learning_curves")


def panels(metrics: Mapping[str, Metric]) -> dict[str, Metric]:
    """The metrics that learning curves show."""
    names = dict.fromkeys([next(iter(metrics)), BESIDE])
    return {name: metrics[name] for name in names if name in metrics}
