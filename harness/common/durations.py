"""A length of time as people and SLURM write it -> seconds, and back.

A plain number is seconds everywhere. Text is a plain number, has units (`90s`, `3h50m`, `1.5 h`, `2 hours`), or has a form of
SLURM: `MM:SS`, `HH:MM:SS`, `D-HH`, `D-HH:MM`, `D-HH:MM:SS`. Lower and upper case mean the same.
"""

from __future__ import annotations

import re
from numbers import Real
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from harness.common.validation import show
from harness.errors import InputError

LONGEST_S = 100_000 * 86_400  # 274 years: just below what waiting for a thread or a process can take
EXAMPLES = ("90s", "10m", "3h50m", "1d", "1-12:30:00")
EXPECTED = f"{', '.join(EXAMPLES)} or a number of seconds"

_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)"
_UNITS = {"d|days?": 86400, "h|hrs?|hours?": 3600, "m|mins?|minutes?": 60, "s|secs?|seconds?": 1}  # how it is written -> seconds
_PLAIN = re.compile(rf"{_NUMBER}(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_WITH_UNITS = re.compile(" ?".join(rf"(?:{_NUMBER} ?(?:{unit}))?" for unit in _UNITS), re.ASCII | re.IGNORECASE)
_SLURM = re.compile(r"(?:(\d+)-)?(\d+(?::[0-5]?\d){0,2})", re.ASCII)


def duration(value: object) -> float:
    """Text or a number -> seconds, from 0 to LONGEST_S. Raises InputError."""
    seconds = _text(_tidy(value)) if isinstance(value, str) else _number(value)
    if seconds is None or not seconds >= 0:
        raise InputError(f"invalid duration {show(value)}; expected {EXPECTED}")
    if seconds > LONGEST_S:
        raise InputError(f"invalid duration {show(value)}; must be at most {spelled(LONGEST_S)}")
    return seconds


def spelled(seconds: float) -> str:
    """Seconds -> text such as `3h50m`, to the millisecond; `duration` reads it as the same length."""
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    parts = []
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        count, whole = divmod(whole, length)
        parts += [f"{count}{unit}"] if count else []
    if whole or thousandths or not parts:
        parts.append(f"{whole + thousandths / 1000:g}s")
    return "".join(parts)


def shown(written: float | str) -> str:
    """A length of time for messages: with units, and as it is written where that has none, such as `24m (1440 seconds)`."""
    if isinstance(written, str) and _WITH_UNITS.fullmatch(_tidy(written)):
        return written
    seconds = duration(written)
    if is_plain(written):
        return spelled(seconds) + (f" ({seconds:.12g} seconds)" if seconds >= 60 else "")
    return f"{spelled(seconds)} ({written})"


def is_plain(written: float | str) -> bool:
    """Whether a length of time is written as a number of seconds, without a unit."""
    return not isinstance(written, str) or bool(_PLAIN.fullmatch(_tidy(written)))


def _tidy(text: str) -> str:
    """Without spaces at the ends, single ones between words."""
    return " ".join(text.split())


def _text(text: str) -> float | None:
    """The seconds in tidy text; None: it is not a length of time."""
    if _PLAIN.fullmatch(text):
        return float(text)
    if (found := _WITH_UNITS.fullmatch(text)) and any(found.groups()):
        return sum(float(count or 0) * length for count, length in zip(found.groups(), _UNITS.values(), strict=True))
    if found := _SLURM.fullmatch(text):
        days, fields = found[1], [float(field) for field in found[2].split(":")]
        if days is None:  # [HH:]MM:SS
            fields = [0.0] * (3 - len(fields)) + fields
        return sum(count * length for count, length in zip([float(days or 0), *fields], _UNITS.values(), strict=False))
    return None


def _number(value: Any) -> float | None:
    """A number, cut where it is far out of range, as large integers overflow a float; None for anything else."""
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    return float(max(-1, min(value, 2 * LONGEST_S))) if is_number else None


def _seconds(value: object) -> float:
    try:
        return duration(value)
    except InputError as error:
        raise ValueError(str(error)) from error


def _seconds_above_zero(value: object) -> float:
    if (seconds := _seconds(value)) == 0:
        raise ValueError(f"invalid duration {show(value)}; must be above 0")
    return seconds


def _as_written(value: object) -> float | str:
    seconds = _seconds(value)
    return value if isinstance(value, str) else seconds


def _as_written_above_zero(value: object) -> float | str:
    seconds = _seconds_above_zero(value)
    return value if isinstance(value, str) else seconds


def _schema(**bound: int) -> WithJsonSchema:
    """Of a duration as it is written, with the least number of seconds."""
    seconds: dict[str, Any] = {"type": "number", **bound, "description": "seconds"}
    return WithJsonSchema({"anyOf": [{"type": "string", "examples": list(EXAMPLES)}, seconds]})


# Fields of pydantic models: a float, whichever way it is written; or kept as it is written.
Seconds = Annotated[float, BeforeValidator(_seconds)]
PositiveSeconds = Annotated[float, BeforeValidator(_seconds_above_zero)]
Duration = Annotated[float | str, BeforeValidator(_as_written), _schema(minimum=0)]
PositiveDuration = Annotated[float | str, BeforeValidator(_as_written_above_zero), _schema(exclusiveMinimum=0)]
