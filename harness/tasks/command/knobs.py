"""The pydantic model of the values of a program's knobs: its configuration.

It is flat: the name of a knob, with its dots and slashes, is the name of a field. So `model=resnet` and `model.lr=0.1` can be
settings of one program.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from harness.common.choices import Style
from harness.errors import InputError
from harness.tasks.command import template
from harness.tasks.command.code.refs import check_ref
from harness.tasks.command.code.version import CODE, WORKING_TREE
from harness.tasks.command.model import Knob, Scalar, Value
from harness.tasks.command.styles import printed
from harness.tasks.protocol import Location
from harness.tasks.resources import IN_COMMANDS, Request, Resources, field_of

NAME = re.compile(rf"(?=.{{1,100}}\Z){template.NAME}", re.ASCII)


class Knobs(BaseModel):
    """Values of a program's knobs; strict, because the program gets what is written."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=())


def config_model(
    knobs: Mapping[str, Knob], style: Style = "argparse", repository: str | None = None, requests: Sequence[str] = ()
) -> type[Knobs]:
    """The model of the knobs' values; each has its default's type and limits. With a `repository`, `code` is a setting, too.

    `requests`: the resources whose values the command line contains; None is a value that is not requested yet.
    """
    fields: dict[str, Any] = {name: (_kind(knob, style), knob.default) for name, knob in knobs.items()}
    for name in requests:
        limits = Resources.model_fields[name]
        fields[field_of(name)] = (Annotated[limits.annotation, *limits.metadata, Request()], IN_COMMANDS[name])
    if repository is not None:
        fields[CODE] = (Annotated[str, Location(), AfterValidator(_version_of(repository))], WORKING_TREE)
    with warnings.catch_warnings():
        # A knob may be called `copy` or `json`: these deprecated methods of the model are not used.
        warnings.filterwarnings("ignore", message="Field name .* shadows an attribute in parent")
        return create_model("Knobs", __base__=Knobs, __doc__=None, **fields)


def wrong_name(name: str) -> str | None:
    """Why the name of a knob is invalid; None if it is valid."""
    if not NAME.fullmatch(name):
        plain = name.lstrip("+")
        advice = f"use {plain}: {{default: …, flag: {name}}}" if plain != name and NAME.fullmatch(plain) else OTHER_SPELLING
        return f"is not a valid name; {advice}"
    if name in RESERVED:
        return "is reserved for the harness; use another name, and flag: for the spelling of the option"
    if name.startswith("model_") and hasattr(BaseModel, name):
        return "is reserved by pydantic; use another name, and flag: for the spelling of the option"
    return None


OTHER_SPELLING = (
    "use letters, digits, _ and -, a letter first, parts divided by . or /, and flag: for another spelling of the option"
)
RESERVED = ("seed", "run_dir", "knobs", "python", "device")


def wrong_default(knob: Knob) -> str | None:
    """The problem of a knob's limits or default; None if they are valid."""
    default = knob.default
    if isinstance(default, tuple) and len({type(item) for item in default}) > 1:
        return f"the list {printed(default)} has values of several types; {ONE_TYPE}"
    number = isinstance(default, int | float) and not isinstance(default, bool)
    if not number and (knob.least is not None or knob.most is not None):
        return f"from and to need a numeric default, not {default!r}; use choice"
    if knob.least is not None and knob.most is not None and knob.least > knob.most:
        return f"from {knob.least:g} is above to {knob.most:g}; put the smaller value first"
    if odd := [item for item in knob.choice or () if not _alike(item, default)]:
        return f"{_shown(odd[0])} has another type than the default {_shown(default)}; {ONE_TYPE}"
    if knob.choice is not None and default not in knob.choice:
        return f"the default {_shown(default)} is not among the choices"
    if knob.least is not None and isinstance(default, int | float) and default < knob.least:
        return f"the default {default!r} is below {knob.least:g}"
    if knob.most is not None and isinstance(default, int | float) and default > knob.most:
        return f"the default {default!r} is above {knob.most:g}"
    return None


ONE_TYPE = "use values of one type (0.0 is a float, 0 an integer)"


def has_null(knob: Knob) -> bool:
    """Whether null is its default or a choice."""
    return knob.default is None or None in (knob.choice or ())


def _alike(one: Value, other: Value) -> bool:
    """Whether two values have one type; null goes with every type, an empty list with every list."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len({type(item) for item in (*one, *other)}) < 2
    return one is None or other is None or type(one) is type(other)


def _shown(value: Value) -> str:
    return printed(value) if isinstance(value, tuple) else "null" if value is None else repr(value)


def _version_of(repository: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        try:
            check_ref(repository, value)
        except InputError as error:
            raise ValueError(str(error)) from error
        return value

    return check


def _kind(knob: Knob, style: Style) -> Any:
    kind = _type(knob.default)
    if (knob.least, knob.most) != (None, None):
        kind = Annotated[kind, Field(ge=knob.least, le=knob.most)]
    if isinstance(knob.default, str | tuple | None):
        kind = Annotated[kind, AfterValidator(_one_argument)]
    if isinstance(knob.default, tuple | None) and style == "argparse":
        kind = Annotated[kind, AfterValidator(_no_options)]
    if has_null(knob):
        kind = kind | None
    return kind if knob.choice is None else Annotated[kind, AfterValidator(_one_of(knob.choice))]


def _type(default: Value) -> Any:
    """The type of a value; of null and of an empty list, which do not say their type, the most general one."""
    if isinstance(default, tuple):
        item: Any = type(default[0]) if default else Scalar
        return tuple[item, ...]
    return Scalar | tuple[Scalar, ...] if default is None else type(default)


def _one_argument(value: Value) -> Value:
    if any("\0" in item for item in _items(value) if isinstance(item, str)):
        raise ValueError("a NUL character cannot be part of an argument")
    return value


def _no_options(value: Value) -> Value:
    if odd := [item for item in _items(value) if isinstance(item, str) and item.startswith("-")]:
        raise ValueError(f"the program would read {odd[0]!r} as an option; use text without a leading -")
    return value


def _items(value: Value) -> tuple[Value, ...]:
    return value if isinstance(value, tuple) else (value,)


def _one_of(choice: tuple[Value, ...]) -> Callable[[Value], Value]:
    def check(value: Value) -> Value:
        if value not in choice:
            shown = ", ".join("null" if item is None else printed(item) for item in choice)
            raise ValueError(f"invalid value {_shown(value)}; choose from: {shown}")
        return value

    return check
