"""Lengths of time: every way to write one, against SLURM's own reader where it is installed, and what is refused."""

from __future__ import annotations

import ctypes
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, ValidationError

from harness.common.durations import LONGEST_S, Duration, PositiveDuration, Seconds, duration, is_plain, shown, spelled
from harness.common.validation import validate
from harness.common.yaml_nodes import read_text
from harness.errors import InputError

SLURM = sorted(Path("/usr/lib").glob("*/slurm*/libslurmfull.so"))
COUNT = st.integers(0, 10_000)
SIXTY = st.integers(0, 59)
SLURM_TEXTS = st.one_of(
    st.builds("{}:{}".format, COUNT, SIXTY),
    st.builds("{}:{:02}:{:02}".format, COUNT, SIXTY, SIXTY),
    st.builds("{}-{}".format, COUNT, COUNT),
    st.builds("{}-{}:{:02}".format, COUNT, COUNT, SIXTY),
    st.builds("{}-{:02}:{}:{}".format, COUNT, COUNT, SIXTY, SIXTY),
)


class Fields(BaseModel):
    """A field of each kind."""

    model_config = ConfigDict(strict=True, extra="forbid")
    kept: Duration | None = None
    positive: PositiveDuration | None = None
    seconds: Seconds | None = None


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("3h50m", 13800),
        ("1d", 86400),
        ("1d2h3m4.5s", 93784.5),
        ("0s", 0),
        ("75", 75),
        ("0.5", 0.5),
        ("1e3", 1000),
        ("1.5h", 5400),
        (".5h", 1800),
        (" 1h  30m ", 5400),
        ("4 H", 14400),
        ("10M", 600),
        ("1 day", 86400),
        ("2 hours 5 min", 7500),
        ("90:00", 5400),
        ("4:00", 240),
        ("04:00:00", 14400),
        ("1-12", 129600),
        ("1-12:30", 131400),
        ("1-12:30:15", 131415),
        ("0-48:00:00", 172800),
        (5400, 5400),
        (0.5, 0.5),
        (0, 0),
    ],
)
def test_durations_are_read_in_seconds(written: float | str, seconds: float) -> None:
    assert duration(written) == seconds


WRONG = [
    "",
    "soon",
    "-5",
    "-5m",
    "+5",
    "m",
    "1w",
    "nan",
    "inf",
    "50m3h",
    "3m3m",
    "1:75",
    "1:00:60",
    "1-2:60",
    "1-",
    "-1:00",
    "1:2:3:4",
]


@pytest.mark.parametrize(
    "written", [*WRONG, "1_000", "٣", "1:30h", "0x10", "1-2-3", True, None, -1, -0.5, math.nan, [1], {"h": 1}]
)
def test_what_is_no_duration_is_refused_with_what_is_allowed(written: object) -> None:
    with pytest.raises(InputError, match=r"invalid duration .*; expected 90s, 10m, 3h50m, 1d, 1-12:30:00 or a number of seconds"):
        duration(written)


@pytest.mark.parametrize("written", ["100001d", "1e400", "9" * 400 + "h", math.inf, 10**400, 1e300, "100000-00:00:01"])
def test_a_duration_beyond_what_clocks_take_is_refused(written: float | str) -> None:
    with pytest.raises(InputError, match=r"invalid duration .*; must be at most 100000d"):
        duration(written)


def test_a_long_text_of_spaces_or_digits_is_refused_at_once() -> None:
    for text in ("1" + " " * 100_000 + "x", "1" * 100_000 + "x", "1d " * 50_000):
        with pytest.raises(InputError, match="invalid duration"):
            duration(text)


@given(st.text(alphabet="0123456789.:- dhmsDHMSae", max_size=12) | SLURM_TEXTS | st.floats() | st.integers())
def test_whatever_is_accepted_is_a_finite_number_of_seconds(written: float | str) -> None:
    try:
        seconds = duration(written)
    except InputError:
        return
    assert 0 <= seconds <= LONGEST_S
    assert duration(str(seconds)) == seconds
    assert abs(duration(spelled(seconds)) - seconds) <= 0.0005 + 1e-9 * seconds
    assert shown(written)


@pytest.mark.skipif(not SLURM, reason="SLURM's library is not installed")
@given(SLURM_TEXTS)
def test_its_forms_mean_what_slurm_reads(written: str) -> None:
    try:
        seconds = duration(written)
    except InputError:
        seconds = math.inf
    if seconds < 2**31:  # SLURM counts in 32 bits
        assert seconds == ctypes.CDLL(str(SLURM[0])).slurm_time_str2secs(written.encode())


@pytest.mark.parametrize(
    ("written", "text", "plain"),
    [
        ("4h", "4h", False),
        ("2 hours", "2 hours", False),
        (1440, "24m (1440 seconds)", True),
        ("1440", "24m (1440 seconds)", True),
        (5.5, "5.5s", True),
        ("1:30:00", "1h30m (1:30:00)", False),
        ("4:00", "4m (4:00)", False),
    ],
)
def test_messages_show_what_a_number_became(written: float | str, text: str, plain: bool) -> None:
    assert (shown(written), is_plain(written)) == (text, plain)


@pytest.mark.parametrize(
    "text", ["5400", "5400.0", "1:30:00", "01:30:00", "'1:30:00'", "90:00", "1h30m", "1.5h", "0-1:30", "5.4e3"]
)
def test_a_file_may_write_a_length_of_time_in_any_form_with_or_without_quotes(text: str) -> None:
    for field in Fields.model_fields:
        found, problems = validate(Fields, read_text(f"{field}: {text}", "e.yaml"))
        assert not problems
        value = getattr(found, field)
        assert duration(value) == 5400
        assert isinstance(value, float) or (field != "seconds" and value == text.strip("'"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kept: true", "e.yaml:1:7: kept: invalid duration true; expected 90s"),
        ("kept: off", "e.yaml:1:7: kept: invalid duration 'off'; expected 90s"),
        ("kept: .nan", "e.yaml:1:7: kept: invalid duration nan; expected 90s"),
        ("kept: .inf", "e.yaml:1:7: kept: invalid duration inf; must be at most 100000d"),
        ("kept: -5", "e.yaml:1:7: kept: invalid duration -5; expected 90s"),
        ("kept: [5]", "e.yaml:1:7: kept: invalid duration [5]; expected 90s"),
        ("positive: 0", "e.yaml:1:11: positive: invalid duration 0; must be above 0"),
        ("positive: 0s", "e.yaml:1:11: positive: invalid duration '0s'; must be above 0"),
        ("seconds: 2020-01-01", "e.yaml:1:10: seconds: invalid duration '2020-01-01'; expected 90s"),
    ],
)
def test_a_wrong_length_of_time_in_a_file_is_one_problem_with_its_place(text: str, message: str) -> None:
    found, problems = validate(Fields, read_text(text, "e.yaml"))
    assert found is None
    (problem,) = problems
    assert str(problem).startswith(message)


def test_the_schema_of_a_file_allows_numbers_and_text_and_a_model_survives_json() -> None:
    schema: dict[str, Any] = Fields.model_json_schema()["properties"]["positive"]
    assert [option["type"] for option in schema["anyOf"]] == ["string", "number", "null"]
    fields = Fields(kept="1:30:00", positive=60, seconds=5)
    assert Fields.model_validate(json.loads(fields.model_dump_json())) == fields
    with pytest.raises(ValidationError, match="invalid duration"):
        Fields(kept="soon")
