"""Which environment a program runs in: asks its interpreter, in its folder and with its variables, once a process."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.tasks import probe
from harness.tasks.command.container import ENGINES, container
from harness.tasks.command.interpreter import Start, start_of
from harness.tasks.environment import Environment, Observed, content, of_facts

LIMIT_S = 30.0  # for the answer of an interpreter
# Variables that differ between the runs of a worker, and change nothing that is installed: the run, where W&B writes, threads.
OF_A_RUN = re.compile(r"HARNESS_\w+|WANDB_DIR|(OMP|MKL)_NUM_THREADS|GOMP_SPINCOUNT")

# By words, folder and variables: the answer, and when the folders that it found packages in had last changed.
_answers: dict[tuple[Any, ...], tuple[Observed, Mapping[str, int]]] = {}


def observed(words: Sequence[str], directory: Path, variables: Mapping[str, str]) -> Observed:
    """The environment of the program that `words` start in `directory`. Never raises: what is not known is said to be unknown."""
    if Path(words[0]).name in ENGINES:
        return Observed(container(words, directory))
    start = start_of(words, directory, variables.get("PATH", os.defpath))
    if start.python is not None:
        return _ask(start.python, directory, variables)
    found = _without_python(start)
    if not start.shell:
        return Observed(found)
    # A script may start any interpreter; the first on PATH is a hint, by which mixtures are found.
    hint = _ask(("python",), directory, variables)
    known = {"python": hint.environment.python, "packages": hint.environment.packages, "installed": hint.environment.installed}
    folders = hint.environment.folders
    return Observed(Environment.model_validate({**dict(found), **known, "folders": folders, "assumed": True}), hint.packages)


def _without_python(start: Start) -> Environment:
    path = None if start.executable is None else Path(start.executable)
    return Environment(
        of="program",
        called=start.executable,
        interpreter=None if path is None else str(path.resolve()),
        executable=None if path is None else content(path),
        unknown=start.why,
    )


def _ask(python: tuple[str, ...], directory: Path, variables: Mapping[str, str]) -> Observed:
    """Ask again only if an installation has changed a folder of packages since."""
    own = tuple(sorted((name, value) for name, value in variables.items() if not OF_A_RUN.fullmatch(name)))
    key = (python, str(directory), own)
    if key in _answers:
        answer, changed = _answers[key]
        if changed == _changed(changed):
            return answer
    try:
        facts = _facts(python, directory, variables)
        _answers[key] = (of_facts(facts, "program"), _changed(facts["installed_in"]))
    except (OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError) as error:
        late = isinstance(error, subprocess.TimeoutExpired)
        why = f"did not answer within {LIMIT_S:g} s" if late else "did not answer"
        unknown = Environment(of="program", called=python[0], unknown=f"{python[0]} {why} when asked")
        _answers[key] = (Observed(unknown), {})
    return _answers[key][0]


def _facts(python: tuple[str, ...], directory: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """The answer. Raises OSError, SubprocessError; ValueError if there is none."""
    source = Path(probe.__file__).read_text()
    process = subprocess.run(
        [*python, "-c", source],
        cwd=directory,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=LIMIT_S,
        start_new_session=True,  # Ctrl-C ends the worker's runs, not this question
        check=True,
    )
    lines = [line for line in process.stdout.decode(errors="replace").splitlines() if line.startswith(probe.MARK)]
    facts: dict[str, Any] = json.loads("".join(lines[-1:]).removeprefix(probe.MARK))
    return facts


def _changed(folders: Iterable[str]) -> dict[str, int]:
    """When each folder last changed [ns]; 0 if it is gone."""
    found = dict.fromkeys(folders, 0)
    for folder in found:
        with suppress(OSError):
            found[folder] = Path(folder).stat().st_mtime_ns
    return found
