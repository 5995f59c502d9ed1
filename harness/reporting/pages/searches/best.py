"""A study, one of its trials -> the configuration as YAML, ready to be pasted beside the search's file."""

from __future__ import annotations

from pathlib import Path

from harness.experiment.space import changes
from harness.experiment.study import Study
from harness.reporting.pages.page import plain
from harness.search.trials import Trial

SEEDS = 5  # where the search says nothing of seeds


def configuration(study: Study, trial: Trial, confirmed: bool) -> str:
    """An experiment of its own that trains what the trial did; other files may extend it in their turn."""
    import yaml

    file = Path(study.file).name or f"{study.experiment}.yaml"
    said = "the winner on fresh seeds" if confirmed else "the best in the search, not confirmed"
    lines = [f"# trial {trial.number} of the search {study.name}: {said}; to stand beside {file}"]
    if study.rehearsal:
        made = [f"--profile {study.profile}"] if study.profile else []
        made += [f"--set {override}" for override in study.overrides]
        lines.append(f"# found by a rehearsal ({' '.join(made)}), whose base has other values than that file")
    document = {
        "question": f"How good is trial {trial.number} of the search {study.name}?",
        "extends": file,
        "seeds": study.confirm.seeds if study.confirm else SEEDS,
        "config": changes(study.space, trial.values),
    }
    text = yaml.safe_dump(plain(document), sort_keys=False, allow_unicode=True, width=100, default_flow_style=False)
    return "\n".join([*(" ".join(line.split()) for line in lines), text])
