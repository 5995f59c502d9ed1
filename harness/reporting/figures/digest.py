"""What draws a figure, with its arguments -> a digest of all that decides the picture.

Equal digests mean equal pictures: the digest covers the arguments down to the last digit, the code of the harness, and the
versions of the packages that draw.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache, partial
from importlib import metadata
from inspect import isfunction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from harness.store.holder import Holder

if TYPE_CHECKING:
    import pandas as pd

# What the bytes of a figure depend on: intervals are computed by scipy, and rich measures the words of a legend.
PACKAGES = ("matplotlib", "numpy", "pandas", "scipy", "rich", "pillow", "kiwisolver")
SETTLED_S = 2.0  # a file that was changed so shortly before may have been read before
PLAIN = (str, int, float, bool, bytes, type(None))


class UnknownValueError(TypeError):
    """A value of which it is not known what decides how it is drawn."""


class InputDigests:
    """Digests of drawings. Frames and plans that several of them share are read once; they must not change meanwhile."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, str]] = {}  # id -> the value, which so keeps its id, and its digest

    def of(self, draw: Callable[..., Any]) -> str | None:
        """The digest; None if something decides the picture that cannot be compared, so that it has to be drawn."""
        try:
            return _sha256([*environment(), *self._parts(draw)])
        except (UnknownValueError, metadata.PackageNotFoundError):
            return None

    def _parts(self, value: Any) -> list[str]:
        """The value as strings, which differ for different values. Raises UnknownValueError."""
        if isinstance(value, PLAIN):
            return [f"{type(value).__name__} {value!r}"]
        if isinstance(value, partial):
            return [f"call {len(value.args)}", *self._parts(value.func), *self._each(value.args), *self._parts(value.keywords)]
        if isfunction(value) and value.__closure__ is None and _is_own(value):
            return [f"function {value.__module__}.{value.__qualname__}"]
        if isinstance(value, Mapping):
            return [f"mapping {len(value)}", *self._each(value), *self._each(value.values())]
        if isinstance(value, tuple | list):
            return [f"{type(value).__qualname__} {len(value)}", *self._each(value)]
        if is_dataclass(value) and _is_own(type(value)):  # the code of others, such as a task, is in no digest
            own = (getattr(value, field.name) for field in fields(value))
            return [f"dataclass {type(value).__qualname__}", *self._each(own)]
        return [self._large(value)]

    def _each(self, values: Any) -> list[str]:
        return [part for value in values for part in self._parts(value)]

    def _large(self, value: Any) -> str:
        if id(value) not in self._known:
            self._known[id(value)] = (value, _digest_of_large(value))
        return self._known[id(value)][1]


def _is_own(value: Any) -> bool:
    """Whether the code of a class or function belongs to the harness."""
    return str(value.__module__).startswith("harness.")


def _digest_of_large(value: Any) -> str:
    if isinstance(value, BaseModel):
        # As Python values: JSON has one word for what is missing, infinite and not a number.
        return _sha256([type(value).__qualname__, repr(value.model_dump())])
    if type(value).__name__ == "DataFrame":
        return _frame_digest(value)
    raise UnknownValueError(type(value).__qualname__)


def _frame_digest(frame: pd.DataFrame) -> str:
    from pandas.util import hash_pandas_object

    order = {name: list(kind.categories) for name, kind in frame.dtypes.items() if kind == "category"}
    head = [repr([(str(name), str(kind)) for name, kind in frame.dtypes.items()]), repr(order)]
    return _sha256(head, hash_pandas_object(frame).to_numpy().tobytes())


@cache
def environment() -> tuple[str, ...]:
    """The code of the harness and the versions of the packages that draw. Raises PackageNotFoundError."""
    return (code_digest(), *(f"{name} {metadata.version(name)}" for name in PACKAGES))


@cache
def code_digest() -> str:
    """Of every Python file of the harness: labels, numbers and colours come from many of its parts.

    Raises UnknownValueError if one has changed since this process, which runs the code as it was, has started.
    """
    package = Path(__file__).parents[2]
    files = sorted(package.rglob("*.py"))
    if max(path.stat().st_ctime for path in files) > _started() - SETTLED_S:
        raise UnknownValueError(str(package))
    return _sha256([str(path.relative_to(package)) for path in files], *(path.read_bytes() for path in files))


def _started() -> float:
    """When this process was started: seconds since the epoch."""
    ticks = int(Holder.here().process_start)  # since the machine was started
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")


def _sha256(texts: Sequence[str], *data: bytes) -> str:
    """Of the texts and data with their lengths."""
    found = hashlib.sha256()
    for part in (*(text.encode(errors="surrogatepass") for text in texts), *data):
        found.update(b"%d:" % len(part))
        found.update(part)
    return found.hexdigest()
