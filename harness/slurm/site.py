"""slurm/sites/NAME.yaml -> Site: what one cluster wants to be told, checked to the line and column."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from harness.common.stopping import duration
from harness.common.validation import validate
from harness.common.yaml_nodes import read_file
from harness.errors import InputError, Problem
from harness.execution.options import WorkerOptions
from harness.tasks.protocol import Accelerator

LONGEST_WARNING_S = 65535  # SLURM's own limit on --signal


def _length(text: str) -> str:
    try:
        seconds = duration(text)
    except InputError as error:
        raise ValueError(str(error)) from error
    if seconds < 1:
        raise ValueError(f"{text!r} is too short; allowed: from 1s on")
    return text


def _word(text: str) -> str:
    if not text or any(sign.isspace() or sign in "'\"" for sign in text):
        raise ValueError(f"{text!r} is not one word; allowed: text without spaces and quotes")
    return text


def _option(text: str) -> str:
    if not text.startswith("-") or "\n" in text:
        raise ValueError(f"{text!r} is no option of sbatch; allowed: one option a line, such as --exclusive or --mail-type=END")
    return text


def _path(text: str) -> str:
    if not text.strip() or set(text) & set("\"'`\\\n;&|<>() "):
        raise ValueError(f"{text!r} is no folder; allowed: a path without spaces or quotes; $VARIABLES are those of the node")
    return text


Word = Annotated[str, AfterValidator(_word)]
Length = Annotated[str, AfterValidator(_length)]
SbatchOption = Annotated[str, AfterValidator(_option)]
Folder = Annotated[str, AfterValidator(_path)]


class ReportJob(BaseModel):
    """The job that writes the report once all workers have ended. What is not said here is left to the cluster's defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    partition: Word | None = None
    time: Length = "1h"
    cpus: int = Field(1, ge=1)
    memory: Word | None = None
    sbatch: tuple[SbatchOption, ...] = ()


class Site(BaseModel):
    """One cluster. Lengths are written 4h, 3h50m, 90s; null, or left out: the cluster's own default."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    accelerator: Accelerator  # what a worker trains on; plans are made for it, whatever this machine has
    partition: Word | None = None
    account: Word | None = None
    qos: Word | None = None
    constraint: Word | None = None
    time: Length  # limit of one array task, which goes back into the queue until all runs have ended
    margin: Length = "5m"  # so long before the limit a worker writes its checkpoint and leaves
    gres: Word | None = None  # such as gpu:1; a worker uses one GPU
    cpus: int | None = Field(None, ge=1)  # processors of a worker
    memory: Word | None = None  # such as 16G
    throttle: int | None = Field(None, ge=1)  # at most so many workers at once
    modules: tuple[Word, ...] = ()  # of the environment modules, such as cuda/12.4
    container: str | None = Field(None, pattern=r"^[^\n]+$")  # what stands in front of a command to run it inside
    activate: str | None = None  # shell lines that make `python` the right one; inside the container, where there is one
    python: Word | None = None  # null: the python that submits; `python` after `activate` or in a container
    scratch: Folder | None = None  # a node's own disk, which takes a copy of the decoded images
    idle: Length | None = None  # how long a worker waits for runs that others train
    worker: tuple[str, ...] = ()  # further options of `harness worker`
    sbatch: tuple[SbatchOption, ...] = ()  # further options of sbatch
    report: ReportJob = ReportJob()

    @model_validator(mode="after")
    def _fits(self) -> Site:
        if not self.margin_s * 2 <= self.time_s:
            raise ValueError(f"margin {self.margin} leaves too little of time {self.time}; allowed: at most half of it")
        if self.margin_s > LONGEST_WARNING_S:
            raise ValueError(f"margin {self.margin} is more than SLURM can warn before the end; allowed: up to 18h")
        gpu = self.gres is not None or any("gpu" in option or "gres" in option for option in self.sbatch)
        if self.accelerator == "cuda" and not gpu:
            raise ValueError(
                "accelerator cuda, but no GPU is asked for; allowed: with gres: gpu:1, or with --gpus=1 under sbatch"
            )
        return self

    @property
    def time_s(self) -> float:
        """`time` in seconds, a whole minute: SLURM counts in these."""
        return 60.0 * math.ceil(duration(self.time) / 60)

    @property
    def margin_s(self) -> int:
        """`margin` in seconds."""
        return math.ceil(duration(self.margin))

    @property
    def interpreter(self) -> str | None:
        """The python of the workers; None: the one that submits."""
        inside = self.activate is not None or self.container is not None
        return self.python or ("python" if inside else None)


def read_site(path: Path) -> Site:
    """The site in a YAML file. Raises InputError with every problem, its line, column and what is allowed."""
    read = read_file(path)
    site, problems = validate(Site, read)
    if site is None:
        raise InputError(problems)
    if (arguments := read.get("worker")) is not None:
        try:
            WorkerOptions.read(site.worker)
        except InputError as error:
            raise InputError([Problem(arguments.at, arguments.path, str(error))]) from error
    return site


def clock(seconds: float) -> str:
    """Seconds as SLURM writes lengths: D-HH:MM:SS."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days}-{hours:02}:{minutes:02}:{rest:02}"
