"""The runs of a W&B project, requested in pages through wandb's own Api -> ResultsTable: a row per finished run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from contextlib import suppress
from typing import Any

from harness.common import python_command
from harness.common.optional_packages import require
from harness.common.validation import show
from harness.errors import InputError
from harness.existing.results_table import ResultsTable
from harness.existing.table import columns_of, nothing_left, results_table, seed_among, unfinished, varying
from harness.existing.wandb_project import CONFIG, SUMMARY
from harness.tracking.client import UnreachableError
from harness.tracking.login import home_folder, read_login

LIMIT_S = 40.0  # of a request in any case
FINISHED = "finished"
PROJECT = re.compile(r"(?:https?://[^/]+/)?([^/\s]+)/([^/\s]+?)(?:/(?:workspace|runs|table|overview).*)?/?(?:\?.*)?")


def read_wandb(name: str) -> ResultsTable:
    """`name` is ENTITY/PROJECT, or the project's address. Raises InputError, PackageError."""
    found = PROJECT.fullmatch(name)
    if found is None:
        raise InputError(f"{show(name)} is not a W&B project; write ENTITY/PROJECT, as in its address")
    path = f"{found[1]}/{found[2]}"
    source = f"the W&B project {path}"
    login = read_login(os.environ, home_folder())
    if login.by is None:
        raise InputError(f"{source}: not logged in to {login.host}; run `wandb login`, or set WANDB_API_KEY")
    require(["wandb"], f"reading {source}")
    try:
        rows, left_out = _read_project(path)
    except UnreachableError as error:
        raise InputError(f"{source}: cannot be read from {login.host}: {error}") from error
    notes = unfinished(left_out)
    if not rows:
        raise nothing_left(source, notes)
    columns = columns_of(rows)
    seed = seed_among([*columns], CONFIG)
    metrics = tuple(name for name, column in columns.items() if name.startswith(SUMMARY) and column.values.dtype != object)
    return results_table(
        source,
        columns,
        lambda position: f"run {rows[position]['name']} ({rows[position]['id']})",
        notes,
        variants=varying(columns, CONFIG, seed),
        seed=seed,
        metrics=metrics,
    )


def _read_project(path: str) -> tuple[list[dict[str, Any]], dict[str, list[str]]]:
    """The rows of the finished runs, oldest first, and the names of the others by state. Raises UnreachableError."""
    rows: list[dict[str, Any]] = []
    left_out: dict[str, list[str]] = {}
    command = [*python_command.command("harness.existing.wandb_project"), path, str(LIMIT_S)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            for line in process.stdout or ():
                found = json.loads(line)
                if "error" in found:
                    if found["error"] is not None:
                        raise UnreachableError(found["error"])
                    return rows, left_out
                if found["state"] == FINISHED:
                    rows.append(found["row"])
                else:
                    left_out.setdefault(found["state"], []).append(found["name"])
            raise UnreachableError(f"wandb ended unexpectedly with exit code {process.wait()}")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # also wandb's service, which may wait for an answer
