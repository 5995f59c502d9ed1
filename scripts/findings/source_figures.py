"""Evidence -> the four figures of the source from our runs: architecture, accuracy, loss and learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.errors import InputError
from harness.experiment.plan import task_of
from harness.reporting import figures, phrases
from harness.reporting.figures.single import single_variant
from harness.reporting.pages.pictures import subject_of
from harness.reporting.pages.report_data import ReportData
from harness.tasks.cifar_resnet.config import Config
from harness.tasks.cifar_resnet.outline import outline, totals
from harness.tasks.protocol import parse_config

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLASSES = 10
BY_EPOCH: Mapping[str, str] = {"accuracy": "test_accuracy", "loss": "test_loss", "learning_rate": "learning_rate"}
NAMES = ("network", *BY_EPOCH)


def figures_of(report: ReportData) -> dict[str, Figure]:
    """Name -> figure. Raises InputError if the network is not that of the runs."""
    subject = subject_of(report, report.metric)
    by_epoch = {name: single_variant(subject, report.epochs, metric) for name, metric in BY_EPOCH.items()}
    return {"network": _network(report), **by_epoch}


def _network(report: ReportData) -> Figure:
    (config,) = report.plan.variants.values()
    settings = parse_config(task_of(report.plan), config)
    assert isinstance(settings, Config)
    parts = outline(settings.model, CLASSES, settings.data.image_size)
    trained = {record.metrics["parameters"] for record in report.records.values() if "parameters" in record.metrics}
    if trained - {totals(parts)[0]}:
        raise InputError(f"{report.plan.name}: its runs have {sorted(trained)} parameters, the network {totals(parts)[0]}")
    return figures.network(parts, phrases.rehearsal(report.plan))
