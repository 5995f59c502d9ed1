"""An experiment that comes with the package -> the files of a folder in which to change and run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.common.shipped import SITES
from harness.common.yaml_nodes import read_file
from harness.experiment.places import find_shipped

SITE = "example.yaml"
SCHEMA_LINE = "# yaml-language-server:"  # names a file of the repository

README = """\
# Experiments

To run the experiment `{name}`: {question}

```bash
{lines}
```

On a SLURM cluster, fill in what is marked with `<--` in `slurm/sites/{site}`, then:

```bash
harness submit {name} --site slurm/sites/{site} --dry-run
```

- `experiments/{name}.yaml`: the experiment; change it, or save it under another name
{base}- `slurm/sites/{site}`: the settings of a cluster
- `results/`: made by the first command: plans, runs, and `reports/NAME/index.html`

`harness list` shows the experiments here and those that come with the package, `harness COMMAND --help` every option.
`harness new` writes an experiment for your own training script.
"""
LINES = {
    "{start} --dry-run": "show the plan; starts nothing",
    "{start} --profile smoke": "rehearse in minutes: small networks, few images; not evidence",
    "{start}": "train; stop it whenever you like, the same command resumes",
    "harness status": "progress and verdicts",
    "harness serve": "the reports, in a browser",
}
BASE = "- `experiments/{name}`: what it extends: task, configuration, profiles\n"


@dataclass(frozen=True)
class Starter:
    """The command that starts the experiment, `run` or `sweep`, and the text of each file by its path in the folder."""

    command: str
    files: Mapping[Path, str]


def starter(name: str) -> Starter:
    """The experiment `name`, which comes with the package, the files that it extends, the settings of a cluster, a README."""
    chain = _chain(name)
    root = read_file(chain[0])
    names = {"name": name, "site": SITE, "question": root.entries["question"].node.value}
    base = "".join(BASE.format(name=path.name) for path in chain[1:])
    command = "sweep" if "search" in root.entries else "run"
    lines = {line.format(start=f"harness {command} {name}"): what for line, what in LINES.items()}
    width = max(map(len, lines))
    text = "\n".join(f"{line:<{width}}    # {what}" for line, what in lines.items())
    files = {
        **{Path("experiments", path.name): _without_schema(path.read_text()) for path in chain},
        Path("slurm", "sites", SITE): (SITES / SITE).read_text(),
        Path("README.md"): README.format(**names, lines=text, base=base),
    }
    return Starter(command, files)


def _chain(name: str) -> list[Path]:
    """The file of the experiment, and those that it extends."""
    found: list[Path] = []
    following = find_shipped(f"{name}.yaml")
    while following is not None:
        found.append(following)
        extends = read_file(following).get("extends")
        following = find_shipped(str(extends.value)) if extends is not None else None
    return found


def _without_schema(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(SCHEMA_LINE))
