"""The pydantic model of the values of a program's knobs: its configuration."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from harness.tasks.command.model import Knob, Scalar

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,59}")


class Knobs(BaseModel):
    """Values of a program's knobs; strict, because the program gets what is written."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=())


def config_model(knobs: Mapping[str, Knob]) -> type[Knobs]:
    """The model of the knobs' values; each has its default's type and limits."""
    fields: dict[str, Any] = {name: (_kind(knob), knob.default) for name, knob in knobs.items()}
    with warnings.catch_warnings():
        # A knob may be called `copy` or `json`: these deprecated methods of the model are not used.
        warnings.filterwarnings("ignore", message="Field name .* shadows an attribute in parent")
        return create_model("Knobs", __base__=Knobs, __doc__=None, **fields)


def wrong_name(name: str) -> str | None:
    """Why the name of a knob is invalid; None if it is valid."""
    if not NAME.fullmatch(name):
        return "is not a valid name; use letters, digits, _ and -, a letter first, and flag: for another spelling of the option"
    if name in RESERVED:
        return "is reserved for the harness; use another name, and flag: for the spelling of the option"
    if name.startswith("model_") and hasattr(BaseModel, name):
        return "is reserved by pydantic; use another name, and flag: for the spelling of the option"
    return None


RESERVED = ("seed", "run_dir", "knobs", "python", "device")


def wrong_default(knob: Knob) -> str | None:
    """The problem of a knob's limits or default; None if they are valid."""
    number = isinstance(knob.default, int | float) and not isinstance(knob.default, bool)
    if not number and (knob.least is not None or knob.most is not None):
        return f"from and to need a numeric default, not {knob.default!r}; use choice"
    if knob.least is not None and knob.most is not None and knob.least > knob.most:
        return f"from {knob.least:g} is above to {knob.most:g}; put the smaller value first"
    if odd := [item for item in knob.choice or () if type(item) is not type(knob.default)]:
        kinds = f"{odd[0]!r} has another type than the default {knob.default!r}"
        return f"{kinds}; use values of one type (0.0 is a float, 0 an integer)"
    if knob.choice is not None and knob.default not in knob.choice:
        return f"the default {knob.default!r} is not among the choices"
    if knob.least is not None and isinstance(knob.default, int | float) and knob.default < knob.least:
        return f"the default {knob.default!r} is below {knob.least:g}"
    if knob.most is not None and isinstance(knob.default, int | float) and knob.default > knob.most:
        return f"the default {knob.default!r} is above {knob.most:g}"
    return None


def _kind(knob: Knob) -> Any:
    limits = Field(ge=knob.least, le=knob.most)
    kind: Any = Annotated[type(knob.default), limits] if (knob.least, knob.most) != (None, None) else type(knob.default)
    if isinstance(knob.default, str):
        kind = Annotated[kind, AfterValidator(_one_argument)]
    return kind if knob.choice is None else Annotated[kind, AfterValidator(_one_of(knob.choice))]


def _one_argument(value: str) -> str:
    if "\0" in value:
        raise ValueError("a NUL character cannot be part of an argument")
    return value


def _one_of(choice: tuple[Scalar, ...]) -> Callable[[Scalar], Scalar]:
    def check(value: Scalar) -> Scalar:
        if value not in choice:
            raise ValueError(f"invalid value {value!r}; choose from: {', '.join(map(str, choice))}")
        return value

    return check
