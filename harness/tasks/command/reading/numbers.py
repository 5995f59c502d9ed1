"""Numbers in text, read whole or not at all.

A number in a line of output is read as a person would: `3,498.9` is not 3, and what cannot be told apart is an error.
"""

from __future__ import annotations

import re
from math import isinf
from typing import Literal

Decimal = Literal[".", ","]

SIGN = "[-+\N{MINUS SIGN}]?"
SPECIAL = re.compile(rf"{SIGN}(?:nan|inf|infinity)", re.IGNORECASE)
PLAIN = re.compile(rf"{SIGN}(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
# Groups of three digits, which cannot begin with 0.
GROUPED = re.compile(rf"{SIGN}[1-9][0-9]{{0,2}}(?:,[0-9]{{3}})+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?")
NUMERIC = re.compile(r"[\d.,'’_]")  # what numbers are made of, in any notation; \d includes the digits of all scripts
OPENING, CLOSING = "([{<\"'=:", ")]}>\"',;:."
# What makes another number of the one before it: a unit or factor (3.5k), a fraction (9/10), a time, a range, a sum (1+2j), a
# power of ten, thousands after a space that does not break the line (1 234), an Arabic decimal sign, 1.#INF of old compilers.
CONTINUED = re.compile(
    r"[^\W\d_]+|\s?/\s?\d|\s?[x×·*]\s?10|[:^–+-]\.?\d"
    r"|[\u00a0\u2009\u202f]\d{3}(?!\d)|[\u066b\u066c]\d|#(?:IND|INF|QNAN|SNAN)"
)
SWAPPED = str.maketrans(".,", ",.")


class NotANumber(ValueError):
    """The text is not one number; the message says why and what to do."""


def number(text: str, decimal: Decimal | None = None) -> float:
    """The number that the whole `text` is: `-1.5e-3`, `12.3%` (12.3), `nan`, `-inf`, `1,234,567`, `3,498.9`.

    Without `decimal` the decimal sign is a point, and a comma separates thousands only where it cannot be a decimal sign: `3,498`
    may be two numbers. Raises NotANumber.
    """
    text = text.strip()
    bare = (text[:-1].rstrip() if text.endswith("%") else text).replace("\N{MINUS SIGN}", "-")
    if SPECIAL.fullmatch(bare):
        return float(bare)
    written = bare.translate(SWAPPED) if decimal == "," else bare
    if PLAIN.fullmatch(written):
        return _finite(float(written), text)
    grouped = GROUPED.fullmatch(written)
    if grouped and (decimal is not None or written.count(",") > 1 or "." in written):
        return _finite(float(written.replace(",", "")), text)
    if grouped:
        raise NotANumber(f"{_shown(text)} may be {bare.replace(',', '')} or {bare.replace(',', '.')}; {DECIMAL_ADVICE}")
    if decimal is None and readable(bare, ","):
        raise NotANumber(f"{_shown(text)} has a decimal comma; {COMMA_ADVICE}")
    if decimal == "," and readable(bare, "."):
        raise NotANumber(f'{_shown(text)} has a decimal point; remove decimal: ","')
    raise NotANumber(f"{_shown(text)} is not a number")


def _finite(value: float, text: str) -> float:
    if isinf(value):
        raise NotANumber(f"{_shown(text)} is too large for a number of 64 bits")
    return value


WHOLE = "the number must be read whole"
COMMA_ADVICE = 'add decimal: "," to the metric'
DECIMAL_ADVICE = 'add decimal: "." (thousands) or decimal: "," to the metric'


def readable(text: str, decimal: Decimal | None = None) -> bool:
    """Whether the text is one number."""
    try:
        number(text, decimal)
    except NotANumber:
        return False
    return True


def in_line(line: str, start: int, end: int, matched: tuple[int, int], decimal: Decimal | None = None) -> float:
    """The number at `line[start:end]`, found by a match that spans `matched`.

    Punctuation around it is ignored. What stands beside it must not continue it: digits, a fraction, an exponent, a sign, a
    factor such as k; except for characters that are in the match itself and cannot be part of the number. Raises NotANumber.
    """
    start, end = _trimmed(line, start, end)
    found = number(line[start:end], decimal)
    _check_neighbours(line, start, end, matched, decimal)
    return found


def _trimmed(line: str, start: int, end: int) -> tuple[int, int]:
    """The place without spaces and punctuation at its ends, as far as it is not a number with them."""
    while start < end and line[start].isspace():
        start += 1
    while start < end and line[end - 1].isspace():
        end -= 1
    if PLAIN.fullmatch(line[start:end]):  # `5.` is one
        return start, end
    while start < end and line[start] in OPENING:
        start += 1
    while start < end and line[end - 1] in CLOSING:
        end -= 1
    return start, end


def _check_neighbours(line: str, start: int, end: int, matched: tuple[int, int], decimal: Decimal | None) -> None:
    first, last = _extent(line, start, end)
    if (first, last) != (start, end):
        token = line[first:last]
        notations: tuple[Decimal | None, ...] = (None, ".", ",") if decimal is None else (decimal,)
        one = any(readable(token, each) for each in notations) or re.search(r"\d['’_]\d", token)
        # Separate numbers, such as a list: allowed if the match says where each ends.
        separate = (first == start or matched[0] < start) and (last == end or matched[1] > end)
        if one or not separate:
            comma = decimal is None and readable(token, ",") and not readable(token)
            raise NotANumber(f"{_shown(line[start:end])} is a part of {_shown(token)}; {COMMA_ADVICE if comma else WHOLE}")
    before, after = line[:start], line[end:]
    consumed = matched[1] > end
    if re.match(r"[eE][-+]?\d", after) or re.search(r"\d\.?[eE][-+]?$", before):
        raise NotANumber(f"{_shown(line[start:end])} is without its exponent; {WHOLE}")
    if re.search(r"(?:^|[\s=:(\[,|;])[-\N{MINUS SIGN}]$", before):
        raise NotANumber(f"{_shown(line[start:end])} is without its sign; {WHOLE}")
    if not consumed and (ending := CONTINUED.match(after)):
        raise NotANumber(
            f"{_shown(line[start:end])} continues with {_shown(ending[0][:20])}; include that in the text or pattern"
        )


def _extent(line: str, start: int, end: int) -> tuple[int, int]:
    """The longest run of digits and their separators around a number, without separators at its ends."""
    first, last = start, end
    if line[start].isdecimal() or line[start] in ".,":
        while first > 0 and NUMERIC.match(line[first - 1]):
            first -= 1
        while first < start and not line[first].isdecimal() and not (line[first] in ".," and _begins_number(line, first)):
            first += 1
    if line[end - 1].isdecimal() or line[end - 1] in ".,":
        while last < len(line) and NUMERIC.match(line[last]):
            last += 1
        while last > end and not line[last - 1].isdecimal():
            last -= 1
    return first, last


def _begins_number(line: str, place: int) -> bool:
    """Whether the separator there begins a number (`.5`) instead of ending a word (`loss.5`, `...5`)."""
    return line[place + 1 : place + 2].isdecimal() and (
        place == 0 or not (line[place - 1].isalpha() or line[place - 1] in ".,'’_")
    )


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 60 else f"{text[:57]}...")
