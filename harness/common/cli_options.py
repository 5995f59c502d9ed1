"""The options that several commands have, with their help: types for the parameters of a typer command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Profile = Annotated[str | None, typer.Option(help="a profile of the file, such as smoke: a rehearsal")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="change the configuration, such as training.epochs=2")
]
Seeds = Annotated[int | None, typer.Option(min=1, help="raise the number of seeds")]
Workers = Annotated[int, typer.Option(min=1, max=256, help="child processes that train")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda")]
Retry = Annotated[list[str] | None, typer.Option(help="failed or diverged: train these again")]
StopAfter = Annotated[str | None, typer.Option(help="checkpoint and exit 75 after so long, such as 3h50m")]
Keep = Annotated[str | None, typer.Option(help="weights: keep the last checkpoint of completed runs")]
Replan = Annotated[bool, typer.Option("--replan", help="archive a plan that has changed and plan anew")]
Track = Annotated[str, typer.Option(help="auto, wandb or none")]
Results = Annotated[Path, typer.Option(help="the results folder")]
AsJson = Annotated[bool, typer.Option("--json", help="print one document for programs")]
WorkerOptions = Annotated[
    list[str] | None, typer.Option("--worker-option", hidden=True, help="passed on to workers, such as --beat-s=5")
]
