"""Git repositories with a small training script on several branches, and experiments that compare them."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from harness.experiment import load_experiment
from harness.experiment.plan import Plan, make_plan

# Prints its loss: lower on branches with a larger RATE.
TRAIN = """
import argparse, random
from rate import RATE
parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int)
a, _ = parser.parse_known_args()
draw = random.Random(a.seed)
for step in range(1, 4):
    print(f"step {step}: loss {3.0 - step * RATE + draw.gauss(0, 0.01):.6f}")
"""
COMMAND = "{python} train.py --seed={seed}"
LOSS = {"goal": "minimize", "pattern": r"step (?P<step>\d+): loss (?P<value>\S+)"}
WHO = {f"GIT_{role}_{what}": "tester@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
DATES = {"GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z"}
MAIN = {"train.py": TRAIN, "rate.py": "RATE = 0.1\n", "README.md": "A small training.\n"}


def git(folder: Path, *arguments: str) -> str:
    """What git prints. The configuration of the user does not matter."""
    environment = {**os.environ, **WHO, **DATES, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-c", "protocol.file.allow=always", *arguments]
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


def commit(folder: Path, files: Mapping[str, str], message: str = "change") -> str:
    """Write files and commit them; the commit."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def repository(folder: Path, files: Mapping[str, str] = MAIN, **branches: Mapping[str, str]) -> Path:
    """A repository whose branch main has `files`; each of `branches` changes some of them. main is checked out."""
    shutil.copytree(_made(tuple(files.items()), tuple((name, tuple(own.items())) for name, own in branches.items())), folder)
    git(folder, "update-index", "--refresh")  # its entries are of the files that were copied
    return folder


Files = tuple[tuple[str, str], ...]


@cache
def _made(files: Files, branches: tuple[tuple[str, Files], ...]) -> Path:
    """Such a repository, made once: equal files, names and dates give equal commits."""
    folder = Path(tempfile.mkdtemp(prefix="repository"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, dict(files), "the first version")
    for name, changed in branches:
        git(folder, "checkout", "--quiet", "-b", name, "main")
        commit(folder, dict(changed), f"the version {name}")
    git(folder, "checkout", "--quiet", "main")
    return folder


def experiment(folder: Path, repository: Path, *refs: str, seeds: int = 1, **fields: Any) -> Path:
    """An experiment that compares refs; `fields` are added to `task:`, or to the top level if they belong there."""
    own = ("factors", "variants", "claims", "margin", "config", "baseline", "tune", "design")
    task = {"repository": str(repository), "command": COMMAND, "metrics": {"loss": LOSS}}
    task |= {key: value for key, value in fields.items() if key not in own}
    file = {"question": "Which version is better?", "task": task, "seeds": {"n": seeds, "first": 1}}
    if "factors" not in fields:
        file["variants"] = {ref: {"code": ref} for ref in refs}
    path = folder / "versions.yaml"
    path.write_text(yaml.safe_dump({**file, **{key: fields[key] for key in own if key in fields}}, sort_keys=False))
    return path


def planned(path: Path, *settings: str, seeds: int | None = None) -> Plan:
    """The plan of an experiment file."""
    return make_plan(load_experiment(path, None, settings), seeds=seeds, created="2026-01-01T00:00:00+00:00")
