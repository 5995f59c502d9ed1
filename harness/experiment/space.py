"""The parameters of a search, as stored in a study: values <-> configurations. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.common.nested import flatten
from harness.common.yaml_nodes import Entry, from_plain
from harness.errors import InputError, Position
from harness.experiment.claims import level_label
from harness.experiment.compose import ConfigTree

Value = int | float | str
Values = Mapping[str, Value]
Condition = Mapping[str, tuple[str, ...]]  # earlier choice -> its options for which a parameter is active


class _Parameter(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    when: Condition = {}

    def is_active(self, values: Values) -> bool:
        """Whether the parameter is active, given `values` of the earlier ones."""
        return all(values.get(name) in options for name, options in self.when.items())


class Range(_Parameter):
    """Numbers from `low` to `high`, both included; `log`: logarithmic; `step`: between values."""

    kind: Literal["range"] = "range"
    path: str
    low: float
    high: float
    log: bool = False
    integer: bool = False
    step: float | None = None

    def changes(self, value: Value) -> dict[str, Any]:
        """Dotted path -> value, for `value` of this parameter."""
        return {self.path: int(value) if self.integer else float(value)}

    def value_in(self, config: Mapping[str, Any]) -> Value | None:
        """The parameter's value in `config` (dotted path -> value); None if it is outside the range."""
        value = config.get(self.path)
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return None
        if self.integer and value != int(value):
            return None
        if self.step is not None and abs((steps := (value - self.low) / self.step) - round(steps)) > 1e-9:
            return None
        return int(value) if self.integer else float(value)


class Categorical(_Parameter):
    """One of several options, each a label and the configuration keys that it sets."""

    kind: Literal["choice"] = "choice"
    options: Mapping[str, Mapping[str, Any]]

    def changes(self, value: Value) -> dict[str, Any]:
        """As `Range.changes`."""
        return dict(self.options[str(value)])

    def value_in(self, config: Mapping[str, Any]) -> Value | None:
        """As `Range.value_in`; of several matching options, the one with the most keys."""
        flat = {label: flatten(changes) for label, changes in self.options.items()}
        fitting = [label for label, own in flat.items() if all(path in config and config[path] == own[path] for path in own)]
        return max(fitting, key=lambda label: len(flat[label]), default=None)


Parameter = Annotated[Range | Categorical, Field(discriminator="kind")]


def active(parameters: Iterable[Range | Categorical], values: Values) -> list[Range | Categorical]:
    """The parameters that are active for `values`, in order."""
    return [parameter for parameter in parameters if parameter.is_active(values)]


def changes(parameters: Sequence[Range | Categorical], values: Values) -> dict[str, Any]:
    """Dotted path -> value. Every active parameter has a value."""
    found: dict[str, Any] = {}
    for parameter in active(parameters, values):
        found |= parameter.changes(values[parameter.name])
    return found


def configure(model: type[BaseModel], base: Mapping[str, Any], changed: Mapping[str, Any]) -> BaseModel:
    """The configuration `base` with dotted paths `changed`. Raises InputError if that is invalid."""
    at = Position("search")
    tree = ConfigTree(model)
    laid = tree.assign(from_plain(base, at), [(path, Entry(at, from_plain(value, at, path))) for path, value in changed.items()])
    config, problems = tree.validated(laid)
    if config is None:
        raise InputError("; ".join(f"{problem.path}: {problem.message}" for problem in problems))
    return config


def values_of(parameters: Iterable[Range | Categorical], config: Mapping[str, Any]) -> dict[str, Value] | None:
    """The parameters' values that give `config` (dotted path -> value); None if it is outside the space."""
    values: dict[str, Value] = {}
    for parameter in parameters:
        if parameter.is_active(values):
            value = parameter.value_in(config)
            if value is None:
                return None
            values[parameter.name] = value
    return values


def shown(value: Any) -> str:
    """A parameter's value as text, with four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else level_label(value)
