"""Knobs -> the pydantic model of their values: the configuration of a program."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from harness.tasks.command.model import Knob, Scalar

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,59}")


class Knobs(BaseModel):
    """Values of a program's knobs: strict, as what is written is what the program gets."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=())


def config_model(knobs: Mapping[str, Knob]) -> type[Knobs]:
    """The model of the knobs' values; each has its default's type and limits."""
    fields: dict[str, Any] = {name: (_kind(knob), knob.default) for name, knob in knobs.items()}
    with warnings.catch_warnings():
        # A knob may be called `copy` or `json`: nobody asks the model for its methods of old.
        warnings.filterwarnings("ignore", message="Field name .* shadows an attribute in parent")
        return create_model("Knobs", __base__=Knobs, __doc__=None, **fields)


def wrong_name(name: str) -> str | None:
    """Why a knob cannot have this name; None: it can."""
    if not NAME.fullmatch(name):
        return "is no name for a knob; allowed: letters, digits, _ and -, a letter first; flag: spells the option otherwise"
    if name in RESERVED:
        return "is what the harness itself puts into the command; allowed: another name, with flag: for the option's spelling"
    if name.startswith("model_") and hasattr(BaseModel, name):
        return "is taken; allowed: another name, with flag: for the option's spelling"
    return None


RESERVED = ("seed", "run_dir", "knobs", "python", "device")


def wrong_default(knob: Knob) -> str | None:
    """What is wrong with a knob's limits or its default; None: nothing."""
    number = isinstance(knob.default, int | float) and not isinstance(knob.default, bool)
    if not number and (knob.least is not None or knob.most is not None):
        return f"from and to are for numbers, and the default is {knob.default!r}; allowed: choice"
    if knob.least is not None and knob.most is not None and knob.least > knob.most:
        return f"from {knob.least:g} is above to {knob.most:g}; allowed: the least first"
    if odd := [item for item in knob.choice or () if type(item) is not type(knob.default)]:
        kinds = f"{odd[0]!r} is of another type than the default {knob.default!r}"
        return f"{kinds}; allowed: values of one type (a number with a decimal point, such as 0.0, is no integer)"
    if knob.choice is not None and knob.default not in knob.choice:
        return f"the default {knob.default!r} is none of the choices"
    if knob.least is not None and isinstance(knob.default, int | float) and knob.default < knob.least:
        return f"the default {knob.default!r} is below {knob.least:g}"
    if knob.most is not None and isinstance(knob.default, int | float) and knob.default > knob.most:
        return f"the default {knob.default!r} is above {knob.most:g}"
    return None


def _kind(knob: Knob) -> Any:
    limits = Field(
        ge=knob.least,
        le=knob.most,
    )
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
            raise ValueError(f"{value!r} is no choice; allowed: {', '.join(map(str, choice))}")
        return value

    return check
