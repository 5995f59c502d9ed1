"""The options of a worker, one model for `harness worker`, `--worker-option`, a SLURM site's file and child processes.

People write options, a parent process passes one JSON argument; the model validates both.
"""

from __future__ import annotations

import os
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Sequence
from typing import Any, Literal, NoReturn, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from harness.common.durations import PositiveSeconds, Seconds
from harness.common.patience import WORKER_S
from harness.common.validation import shape_of, show, suggestion
from harness.errors import EXIT_RUNS_FAILED, InputError
from harness.store.lease import Timing
from harness.tasks.protocol import Accelerator
from harness.tasks.resources import Resources
from harness.tracking.login import choose, home_folder


class WorkerOptions(BaseModel):
    """The options of a worker; none of them is part of a run id. The field `stop_after` is the option `--stop-after`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    device: Accelerator | None = None  # None: the plan's accelerator
    threads: int | None = Field(None, ge=1)  # None: all processors
    only: tuple[str, ...] = ()  # variants; empty: all
    resources: tuple[Resources, ...] = ()  # only runs that need one of these; empty: all
    retry: tuple[Literal["failed", "diverged"], ...] = ()  # results to train again
    retry_before: str = ""  # ISO 8601, UTC: later results are not retried
    keep: Literal["weights"] | None = None
    idle: Seconds | None = None  # how long to wait for other workers; None: 10 min if more runs may follow, else 0
    stop_after: Seconds | None = None
    track: Literal["auto", "wandb", "none"] = "auto"
    checkpoint_every: Seconds | None = None  # None: depends on what a checkpoint costs
    poll_s: PositiveSeconds = 1.0
    beat_s: PositiveSeconds = Timing.beat_s
    stale_s: PositiveSeconds = Timing.stale_s
    patience_s: Seconds = WORKER_S  # longest wait for a results folder that does not respond or is away, for each operation
    one_stage: bool = False  # do not train the plans that follow
    with_parent: bool = False  # stop when standard input is closed
    runs_failed_code: int = EXIT_RUNS_FAILED  # the exit code for "some run failed"

    @classmethod
    def read(cls, arguments: Sequence[str] = (), **fields: Any) -> WorkerOptions:
        """From `fields`, ignoring None and empty lists, overridden by command-line `arguments`.

        Raises InputError with every problem.
        """
        given = {name: value for name, value in fields.items() if value is not None and value != []}
        try:
            return cls.model_validate({**given, **parse_arguments(arguments)})
        except ValidationError as error:
            raise InputError("\n".join(map(_problem, error.errors(include_url=False)))) from error

    def check(self, labels: Sequence[str] = ()) -> None:
        """Raises InputError if a variant of `only` is not in `labels`, or if `track` is impossible here."""
        check_variants(self.only, labels)
        choose(self.track, os.environ, home_folder())

    def replaced(self, **fields: Any) -> WorkerOptions:
        """A copy with these values."""
        return WorkerOptions.model_validate({**dict(self), **fields})

    def after(self, elapsed_s: float) -> WorkerOptions:
        """A copy for a worker that starts `elapsed_s` later: `stop_after` becomes what is left of it."""
        return self if self.stop_after is None else self.replaced(stop_after=max(0.0, self.stop_after - elapsed_s))

    def arguments(self) -> list[str]:
        """The same options as arguments of `harness worker`."""
        return ["--options-json", self.model_dump_json(exclude_defaults=True)]

    @property
    def timing(self) -> Timing:
        """Heartbeat and expiry of leases."""
        return Timing(self.beat_s, self.stale_s)


def flag(name: str) -> str:
    """Field -> option: `stop_after` -> `--stop-after`."""
    return f"--{name.replace('_', '-')}"


def check_variants(only: Sequence[str], labels: Sequence[str]) -> None:
    """Raises InputError for a variant of `--only` that is not in `labels`."""
    for label in only:
        if label not in labels:
            raise InputError(f"--only: no variant {label!r}; {suggestion(label, labels)}")


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see `harness worker --help`")


def parse_arguments(arguments: Sequence[str]) -> dict[str, Any]:
    """Command-line options -> {field: value}, not validated. Raises InputError for an unknown option."""
    parser = _Parser(add_help=False, allow_abbrev=False, argument_default=SUPPRESS)
    for name, field in WorkerOptions.model_fields.items():
        kind = "store_true" if field.annotation is bool else "append" if get_origin(field.annotation) is tuple else "store"
        parser.add_argument(flag(name), action=kind)
    return vars(parser.parse_args(list(arguments)))


def _problem(details: ErrorDetails) -> str:
    name, shape = str(details["loc"][0]), shape_of(WorkerOptions)
    schema = shape.at([part for part in details["loc"] if isinstance(part, str | int)])
    match details["type"]:
        case "extra_forbidden":
            return f"unknown option {flag(name)}; {suggestion(flag(name), map(flag, WorkerOptions.model_fields))}"
        case "value_error":
            return f"invalid value for {flag(name)}: {details['ctx']['error']}"
        case kind:
            verb = "choose from:" if kind == "literal_error" else "expected"
            allowed = shape.allowed(schema).removesuffix(" or null") if schema else "another value"
            return f"invalid value for {flag(name)}: {show(details['input'])}; {verb} {allowed}"
