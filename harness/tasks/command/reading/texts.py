"""A printed text with {value} -> the regular expression that finds it."""

from __future__ import annotations

import re

# `{value}` stands for anything that begins like a number, so that what is not one (1_000) is an error instead of no match.
VALUE = r"(?P<value>[-+−]?(?:(?i:nan|inf(?:inity)?)(?![^\W_])|\.?\d[\d.,'’_]*(?:[eE][-+]?\d+)?))"
STEP = r"(?P<step>\d[\d.,'’_]*)"
SPACE = r"[\s|│┃║¦]+"  # also the borders of a table
PARTS = re.compile(r"\{value\}|\{step\}|\s*\.\.\.\s*|\s+")
BEFORE = r"(?<![\w./-])"  # a word begins: `loss` is not found in train_loss, train/loss or train.loss
AFTER = r"(?![^\W_])"
EXAMPLE = "epoch {step}: ... val loss {value}"


def problem(text: str) -> str | None:
    """Why the text cannot be searched for; None if it can."""
    if text.count("{value}") != 1 or text.count("{step}") > 1:
        return f"needs {{value}} once, in place of the number, and {{step}} at most once; such as {EXAMPLE!r}"
    if re.fullmatch(r"(?:\{value\}|\{step\}|\.\.\.|\s)*", text):
        return f"has no words that the program prints; such as {EXAMPLE!r}"
    return None


def expression(text: str) -> str:
    """The regular expression of a text: `{value}`, `{step}`, `...` for anything, white space for any white space and borders."""
    text = text.strip()
    found = [BEFORE * text[:1].isalnum() + _literal(text, 0)]
    for part in PARTS.finditer(text):
        found.append({"{value}": VALUE, "{step}": STEP}.get(part[0], ".*?" if "..." in part[0] else SPACE))
        found.append(BEFORE * ("..." in part[0] and text[part.end() : part.end() + 1].isalnum()) + _literal(text, part.end()))
    return "".join(found) + AFTER * text[-1:].isalnum()


def _literal(text: str, start: int) -> str:
    """The text from there to the next part, escaped."""
    part = PARTS.search(text, start)
    return re.escape(text[start : part.start() if part else len(text)])


def last_part(text: str) -> str:
    """What follows the last `...` before the value: the part that tells the value."""
    head, value, rest = text.partition("{value}")
    return (head.rpartition("...")[2] + value + rest).strip()
