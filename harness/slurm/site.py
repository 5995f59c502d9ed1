"""A file, or a name in slurm/sites/ or of a file that comes with the package -> Site: the settings of one cluster."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from harness.common.durations import Duration, duration, is_plain, shown, spelled
from harness.common.shipped import SITES
from harness.common.validation import show, suggestion, validate
from harness.common.yaml_nodes import read_file
from harness.errors import InputError, Problem
from harness.execution.options import WorkerOptions
from harness.tasks.protocol import Accelerator

LONGEST_WARNING_S = 65535  # SLURM's limit of --signal
LONGEST_TIME_S = 24_855 * 86_400  # SLURM reads --time as 32-bit seconds: a longer one becomes another
LIKELY_MINUTES = 60  # a plain number below this was probably meant as minutes, which it is for sbatch


def _time_limit(written: float | str) -> float | str:
    seconds = duration(written)
    if not 1 <= seconds <= LONGEST_TIME_S:
        raise ValueError(f"invalid duration {show(written)}; must be from 1s to {spelled(LONGEST_TIME_S)}")
    if seconds < LIKELY_MINUTES and is_plain(written):
        short, long = spelled(seconds), spelled(60 * seconds)
        raise ValueError(
            f"{short} is probably too short: plain numbers are seconds here; write {long}, or {short} if it is meant"
        )
    return written


def _at_least_a_second(written: float | str) -> float | str:
    if duration(written) < 1:
        raise ValueError(f"invalid duration {show(written)}; must be at least 1s")
    return written


def _argument(value: object) -> object:
    return f"{value}" if isinstance(value, int | float) and not isinstance(value, bool) else value


def _word(text: str) -> str:
    if not text or any(sign.isspace() or sign in "'\"" for sign in text):
        raise ValueError(f"{text!r} contains spaces or quotes, or is empty; allowed: one word without quotes")
    return text


def _option(text: str) -> str:
    if not text.startswith("-") or "\n" in text:
        raise ValueError(
            f"{text!r} does not start with - or has several lines; allowed: one option per entry, such as --exclusive"
        )
    return text


def _path(text: str) -> str:
    if not text.strip() or set(text) & set("\"'`\\\n;&|<>() "):
        raise ValueError(
            f"{text!r} is not a valid folder; allowed: a path without spaces, quotes or operators; $VARIABLES are the node's"
        )
    return text


Argument = Annotated[str, BeforeValidator(_argument)]  # a number stands for its text: [--threads, 4]
Word = Annotated[str, AfterValidator(_word)]
TimeLimit = Annotated[Duration, AfterValidator(_time_limit)]
Margin = Annotated[Duration, AfterValidator(_at_least_a_second)]
SbatchOption = Annotated[str, AfterValidator(_option)]
Folder = Annotated[str, AfterValidator(_path)]


class ReportJob(BaseModel):
    """The job that writes the report after all workers. Omitted fields: the cluster's defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    partition: Word | None = None
    time: TimeLimit = "1h"
    cpus: int = Field(1, ge=1)
    memory: Word | None = None
    sbatch: tuple[SbatchOption, ...] = ()


class Site(BaseModel):
    """One cluster. Durations: 4h, 3h50m, 90s, 1-12:00:00, a number of seconds; null or omitted: the cluster's default."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    accelerator: Accelerator  # of the workers; this machine need not have it
    partition: Word | None = None
    account: Word | None = None
    qos: Word | None = None
    constraint: Word | None = None
    time: TimeLimit  # limit of one array task; it is requeued until all runs have finished
    margin: Margin = "5m"  # time before the limit at which a worker writes its checkpoint and stops
    # Of a worker, unless the `resources` of the experiment request others:
    gres: Word | None = None  # such as gpu:1
    cpus: int | None = Field(None, ge=1)  # processors
    memory: Word | None = None  # such as 16G
    throttle: int | None = Field(None, ge=1)  # largest number of workers at once
    modules: tuple[Word, ...] = ()  # environment modules, such as cuda/12.4
    container: str | None = Field(None, pattern=r"^[^\n]+$")  # prefix that runs a command in the container
    activate: str | None = None  # shell lines that select the right `python`; run inside the container, if any
    python: Word | None = None  # null: the submitting python, or `python` with `activate` or `container`
    scratch: Folder | None = None  # on the node's local disk, for a copy of the decoded images
    idle: Duration | None = None  # how long a worker waits for other workers
    worker: tuple[Argument, ...] = ()  # further options of `harness worker`
    sbatch: tuple[SbatchOption, ...] = ()  # further options of sbatch
    report: ReportJob = ReportJob()

    @model_validator(mode="after")
    def _fits(self) -> Site:
        margin = shown(self.margin)
        if not self.margin_s * 2 <= self.time_s:
            raise ValueError(f"margin {margin} is too long for time {shown(self.time)}; must be at most half of it")
        if self.margin_s > LONGEST_WARNING_S:
            raise ValueError(f"margin {margin} is longer than SLURM's limit for --signal; must be at most 18h")
        gpu = self.gres is not None or any(re.search("gpu|gres|^-G", option) for option in self.sbatch)
        if self.accelerator == "cuda" and not gpu:
            raise ValueError("accelerator: cuda, but no GPU is requested; add gres: gpu:1, or --gpus=1 under sbatch")
        return self

    @property
    def time_s(self) -> float:
        """`time` in seconds, rounded up to minutes as SLURM does."""
        return whole_minutes(self.time)

    @property
    def margin_s(self) -> int:
        """`margin` in seconds."""
        return math.ceil(duration(self.margin))

    @property
    def interpreter(self) -> str | None:
        """The python of the workers; None: the submitting one."""
        inside = self.activate is not None or self.container is not None
        return self.python or ("python" if inside else None)


FOLDER = Path("slurm", "sites")


def find_site(given: str) -> Path:
    """The file `given`, or the one of that name in slurm/sites/ or among those that come with the package.

    Raises InputError with the choices.
    """
    path = Path(given)
    if path.suffix in (".yaml", ".yml") or path.name != given or path.is_file():
        return path
    places = (FOLDER, SITES)
    found = next((file for place in places if (file := place / f"{given}.yaml").is_file()), None)
    if found is None:
        names = sorted({file.stem for place in places for file in place.glob("*.yaml")})
        raise InputError(
            f"invalid value for --site: {given!r}; expected the path of a file or a name; {suggestion(given, names)}"
        )
    return found


def read_site(path: Path) -> Site:
    """Raises InputError with every problem, its line and column."""
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


def whole_minutes(time: float | str) -> float:
    """A time limit in seconds, rounded up to minutes as SLURM does."""
    return 60.0 * math.ceil(duration(time) / 60)


def clock(seconds: float) -> str:
    """Seconds -> SLURM's D-HH:MM:SS."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days}-{hours:02}:{minutes:02}:{rest:02}"
