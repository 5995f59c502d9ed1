"""YAML in reports: the registered plan, and the best configuration of a search."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.common.nested import config_difference
from harness.existing.plan import ExistingPlan
from harness.experiment.claims import as_dict
from harness.experiment.model import MAPPING
from harness.experiment.places import is_shipped
from harness.experiment.plan import Plan
from harness.experiment.space import changes
from harness.experiment.study import Study
from harness.reporting.pages.search_data import SearchReportData
from harness.search.trials import Trial

SEEDS = 5  # default without `confirm`


def registered(plan: Plan) -> str:
    """The registered plan: its terms, the baseline's configuration, and the changes of the other variants."""
    import yaml

    base = plan.variants[plan.baseline]
    variants: Mapping[str, Any] = {
        label: {path: new for path, (_, new) in config_difference(base, config).items()}
        for label, config in plan.variants.items()
    }
    terms = {
        "question": plan.question,
        "source": plan.source,
        "task": f"{plan.task} {plan.task_version}".rstrip() if plan.program is None else plan.program.definition,
        "baseline": plan.baseline,
        "looks": list(plan.looks),
        **({"seeds": list(plan.listed_seeds)} if plan.listed_seeds else {}),
        "margin": plan.margin,
        "alpha": plan.alpha,
        "claims": [as_dict(claim) for claim in plan.claims],
        "variants": variants,
        "config": base,
    }
    if isinstance(plan, ExistingPlan):
        terms = {name: value for name, value in terms.items() if name not in ("source", "looks", "config")}
    return yaml.safe_dump(plain(terms), sort_keys=False, allow_unicode=True, width=100, default_flow_style=None)


def best_configuration(report: SearchReportData) -> str:
    """That of the winner, else of the best trial so far; empty without one."""
    best = report.best
    return configuration(report.study, best, report.confirmed.winner is not None) if best else ""


def configuration(study: Study, trial: Trial, confirmed: bool) -> str:
    """An experiment file that trains the trial's configuration."""
    import yaml

    file = Path(study.file).name or f"{study.experiment}.yaml"
    place = f"save it beside {file}"
    if is_shipped(study.file):
        file, place = f"{study.file}.yaml", "save it in experiments/"
    if study.file == MAPPING:
        place = "add it to the mapping of the search, instead of its search"
    wording = "the winner on fresh seeds" if confirmed else "the best in the search, not confirmed"
    lines = [f"# trial {trial.number} of the search {study.name}: {wording}; {place}"]
    if study.rehearsal:
        made = [f"--profile {study.profile}"] if study.profile else []
        made += [f"--set {override}" for override in study.overrides]
        lines.append(f"# found by a rehearsal ({' '.join(made)}), whose base has other values than that file")
    document = {
        "question": f"How good is trial {trial.number} of the search {study.name}?",
        **({} if study.file == MAPPING else {"extends": file}),
        "seeds": study.confirm.seeds if study.confirm else SEEDS,
        "config": changes(study.space, trial.values),
    }
    text = yaml.safe_dump(plain(document), sort_keys=False, allow_unicode=True, width=100, default_flow_style=False)
    return "\n".join([*(" ".join(line.split()) for line in lines), text])


def plain(value: Any) -> Any:
    """Mappings and sequences as dicts and lists, for yaml.safe_dump."""
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value
