"""Workers in a container on a real SLURM, with a launcher that does what Apptainer does to a command: another PATH, signals forwarded."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from login_node import SITE, login_node

from harness.store.records import Store

pytestmark = [pytest.mark.needs("slurmctld", "/usr/sbin/slurmctld"), pytest.mark.alone, pytest.mark.slow]

EXPERIMENT = """
question: Which toy survives a container?
task: toy_task:TOY
config: {epochs: 4, steps: 20, sleep: 0.04}
variants: {base: {}, better: {effect: 2.0}}
baseline: base
seeds: 2
margin: 0.05
claims: [{improves: better}]
"""
# Like Apptainer it stays the parent of the command, forwards signals to it, and replaces PATH by the image's; images can be folders.
APPTAINER = """#!/usr/bin/env bash
echo "$*" >>"${0%/*}/calls"
[[ $1 == exec ]] || exit 255
shift
while [[ $1 == -* ]]; do if [[ $1 == --bind ]]; then shift; fi; shift; done
image=$1
shift
[[ -d $image ]] || { echo "FATAL: could not open image $image" >&2; exit 255; }
APPTAINER_CONTAINER=$image PATH=$image/bin:/usr/bin:/bin "$@" &
child=$!
for signal in USR1 USR2 TERM INT; do trap "kill -$signal $child" "$signal"; done
wait "$child"
ended=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; ended=$?; done
exit "$ended"
"""


def test_workers_in_a_container_are_warned_requeued_and_write_the_report(tmp_path: Path) -> None:
    image, launcher = tmp_path / "image", tmp_path / "apptainer"
    (image / "bin").mkdir(parents=True)
    (image / "bin/python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    launcher.write_text(APPTAINER)
    for program in (image / "bin/python", launcher):
        program.chmod(0o755)
    lines = [line for line in SITE.splitlines() if not line.startswith("python:")]
    site = "\n".join([*lines, f"container: {launcher} exec --nv --bind $HOME {image}"])
    with login_node(tmp_path, EXPERIMENT, site) as submitter:
        document = submitter.submit(workers=2)
        (job,), report = document["jobs"], document["report"]
        submitter.wait(lambda: submitter.logs().count("worker started") == 2, "not all workers begin")
        submitter.cluster.run("scancel", "--signal=USR1", "--batch", f"{job}_0")
        submitter.wait(lambda: submitter.requeued(job) == 1, "the worker in the container did not stop for its warning")
        submitter.wait(lambda: submitter.tasks(report)[0].state == "COMPLETED", "no report", 150)
        store = Store.open(submitter.results)
        assert len(list(store.paths.runs.glob("*/result.json"))) == 4
        assert {task.state for task in submitter.tasks(job)} == {"COMPLETED"}
        assert json.loads((store.paths.report("toys") / "verdicts.json").read_text())["complete"]
        calls = (tmp_path / "calls").read_text()
        assert calls.count(" -m harness.worker ") == 3  # the second time for the task that was requeued
        assert calls.count(" -m harness.report ") == 1
        assert "python: can't open" not in submitter.logs()
        assert submitter.harness("harness.verify")
