"""Configuration and device -> whether a run that was killed inside epochs has the bits of one that was not."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from evidence.process import end_with_parent, kill_tree
from evidence.settings import harness
from harness.store import checkpoint

POLL_S = 0.05
KILLS = 2  # one in each epoch
EPOCHS = 2
NAME = "resume"


def compare(request: Mapping[str, Any], _: object = None) -> dict[str, Any]:
    """Train a run, kill all processes of `harness run` inside both epochs, resume it, and have `verify --retrain` repeat it.

    `request`: `data`, `model` and `training` of a configuration, `device`, `folder` (emptied first), `checkpoint_every`.
    Returns `killed_at` (epochs and steps of the checkpoints that were there), `resumed_after` (rows of each restart), `same`,
    and what `verify` says of the repetition. Raises RuntimeError if a command fails, or no kill was inside an epoch.
    """
    import torch  # noqa: F401 - now, as reading a checkpoint would otherwise take seconds in which the run trains on

    folder = Path(request["folder"])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    training = {"epochs": EPOCHS, "deterministic": True, **request["training"]}
    config = {"data": request["data"], "model": request["model"], "training": training}
    experiment = {"question": "Does a killed run have the bits of an undisturbed one?", "config": config}
    file = folder / f"{NAME}.yaml"
    file.write_text(json.dumps({**experiment, "variants": {"base": {}}, "baseline": "base", "seeds": 1}))  # YAML, too
    results = folder / "results"
    command = harness("run", str(file), "--results", str(results), "--device", request["device"], "--track", "none")
    command.append(f"--worker-option=--checkpoint-every={request['checkpoint_every']}")
    killed_at = []
    for epoch in range(KILLS):
        place = _killed(command, results, epoch)
        if place is None:
            break
        killed_at.append(place)
    if not killed_at:
        raise RuntimeError("the run ended before it could be killed inside an epoch")
    subprocess.run(command, check=True)
    run_id = _run_id(results)
    origin = json.loads((results / "runs" / run_id / "provenance.json").read_text())
    verify = harness("verify", run_id, "--retrain", "--json", "--results", str(results))
    answered = subprocess.run(verify, stdout=subprocess.PIPE, text=True, check=False)
    (repeated,) = json.loads(answered.stdout)["repeated"]
    return {
        "killed_at": killed_at,
        "resumed_after": [restart["epoch"] for restart in origin["restarts"]],
        "choices": origin["choices"],
        "same": repeated["same"],
        "must_match": repeated["must_match"],
        "repetition": repeated,
    }


def problems(found: Mapping[str, Any]) -> list[str]:
    """What is wrong with the figures of `compare`, in words."""
    if found["same"]:
        return []
    largest = ", ".join(f"{name} by {gap:.3g}" for name, gap in found["repetition"]["largest"].items())
    return [f"the killed run has other bits from epoch {found['repetition']['first_epoch']} on: {largest or 'see the log'}"]


def _killed(command: list[str], results: Path, epoch: int) -> tuple[int, int] | None:
    """Start the command, and kill it and its workers once a new checkpoint is inside `epoch` (from 0) or a later one.

    Returns epochs and steps of the checkpoint on disk after the kill; None if the command has ended before.
    """
    seen = _stamp(results)  # what was left by the start before
    process = subprocess.Popen(command, preexec_fn=end_with_parent)  # noqa: PLW1509 - this process has no threads
    try:
        while process.poll() is None:
            if (stamp := _stamp(results)) == seen:
                time.sleep(POLL_S)
                continue
            seen, place = stamp, _place(results)
            if place is not None and place[0] >= epoch and place[1] > 0:
                kill_tree(process.pid)
                process.wait()
                left = _place(results)
                return left if left is not None and left[1] > 0 else _killed(command, results, epoch)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: ended with code {process.returncode}")
    return None


def _stamp(results: Path) -> list[int]:
    """The times of the checkpoints, so that only a new one is read."""
    found = []
    for path in (results / "runs").glob("*/checkpoint.pt"):
        with suppress(FileNotFoundError):
            found.append(path.stat().st_mtime_ns)
    return found


def _place(results: Path) -> tuple[int, int] | None:
    """Epochs and steps in the checkpoint; None: there is none."""
    for path in (results / "runs").glob("*/checkpoint.pt"):
        try:
            training = checkpoint.unpack(path.read_bytes())["training"]
        except FileNotFoundError:  # removed as the run has completed
            return None
        return training["epoch"], training["inside"]["step"] if training["inside"] else 0
    return None


def _run_id(results: Path) -> str:
    (folder,) = (results / "runs").iterdir()
    return folder.name
