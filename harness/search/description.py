"""What a search is about -> the names and attributes of Optuna's study, for people who look at the storage with other tools."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from harness.experiment.plan import CONFIRMATION, stage_name
from harness.experiment.study import Study

if TYPE_CHECKING:
    import optuna


def describe(stored: optuna.Study, study: Study) -> None:
    """Name the objectives of the study in the storage and set its user attributes, where they differ.

    Searches of earlier versions get them when they continue. The harness reads none of them.
    """
    names = list(study.objectives)
    if stored.metric_names != names:
        stored.set_metric_names(names)
    known = stored.user_attrs
    for name, value in attributes(study).items():
        if known.get(name) != value:
            stored.set_user_attr(name, value)


def attributes(study: Study) -> dict[str, str]:
    """Attribute -> text."""
    plans = [stage_name(study.name, stage) for stage in CONFIRMATION] if study.confirm is not None else []
    found = {
        "question": study.question,
        "source": study.source or "",
        "objectives": ", ".join(f"{goal} {metric}" for metric, goal in study.objectives.items()),
        "report": f"reports/{study.name}/index.html in the results folder",  # whose path differs between machines
        "confirmation": ", ".join(plans),
        "rehearsal": "made with a profile or --set: not evidence" if study.rehearsal else "",
        "harness": version("ablation-harness"),
    }
    return {name: text for name, text in found.items() if text}
