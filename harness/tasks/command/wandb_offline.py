"""The environment of a program that logs by W&B -> the one in which it logs to the folder of its run, without a network."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

WANDB_FOLDER = "wandb"  # in $WANDB_DIR; it exists before the first checkpoint
OF_OTHER_RUNS = ("WANDB_RUN_ID", "WANDB_RESUME", "WANDB_RUN_GROUP", "WANDB_SWEEP_ID", "WANDB_SERVICE", "WANDB_DISABLED")


def wandb_offline(environment: Mapping[str, str], folder: Path, given: Collection[str]) -> dict[str, str]:
    """The environment in which W&B writes to the run's folder and sends nothing, except for the variables that are `given`.

    Variables that would join the program's run to another one are removed.
    """
    kept = {name: value for name, value in environment.items() if name in given or name not in OF_OTHER_RUNS}
    ours = {"WANDB_MODE": "offline", "WANDB_DIR": str(folder)}
    return kept | {name: value for name, value in ours.items() if name not in given}
