"""Findings -> the report's figures on disk, each as PNG and SVG."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness import figures, wording
from harness.task import Metric
from harness.writeup.findings import Findings

# What the report shows beside the metric it is about, where the task measures it.
BESIDE = "train_loss"

Section = Literal["main", "curves", "cost", "network"]


@dataclass(frozen=True)
class Picture:
    """A figure on disk: figures/`name`.png and figures/`name`.svg. Plain text, for every format to escape by its own rules."""

    name: str
    section: Section  # of the report that it belongs to; there is one `main`, and it comes first
    alt: str  # a sentence that tells what is seen
    caption: str


def write(findings: Findings) -> list[Picture]:
    """Draw and write them, in the order of the report. Raises StoreError where they cannot be written."""
    shown = panels(findings.metrics)
    figure = figures.curves(findings.epochs, shown, tuple(findings.plan.variants), note=wording.rehearsal(findings.plan))
    figures.save(figure, folder(findings), "learning_curves")
    words = wording.listed([wording.label(name) for name in shown])
    return [Picture("learning_curves", "curves", f"{words} by epoch", f"{words} by epoch, unsmoothed.")]


def folder(findings: Findings) -> Path:
    """Where the figures lie."""
    return findings.folder / "figures"


def panels(metrics: Mapping[str, Metric]) -> dict[str, Metric]:
    """The metrics that learning curves show."""
    names = dict.fromkeys([next(iter(metrics)), BESIDE])
    return {name: metrics[name] for name in names if name in metrics}
