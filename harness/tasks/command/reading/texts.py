"""A printed text with {value} -> the regular expression that finds it."""

from __future__ import annotations

import re

# `{value}` stands for anything that begins like a number, so that what is not one (1_000) is an error instead of no match.
VALUE = r"(?P<value>[-+−]?(?:(?i:nan|inf(?:inity)?)(?![^\W_])|\.?\d[\d.,'’_]*(?:[eE][-+]?\d+)?))"
STEP = r"(?P<step>\d[\d.,'’_]*)"
NUMBERS = {"{value}": VALUE, "{step}": STEP}
BORDERS = "|│┃║¦"  # of tables
PERCENT = r"(?:\s?%)?"  # `({value})` is found in (98%)
SPACE = rf"[\s{BORDERS}]"
PARTS = re.compile(rf"(\{{value\}}|\{{step\}}|\s*\.\.\.\s*|{SPACE}+)")
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
    """The regular expression of a text: `{value}`, `{step}`, `...` for anything, white space for any white space and borders.

    Columns are padded to the width of their numbers, so beside punctuation a number may have white space or none.
    """
    parts = [part for part in PARTS.split(text.strip(f" \t{BORDERS}")) if part]
    found = []
    for place, part in enumerate(parts):
        before, after = parts[place - 1] if place else "", parts[place + 1] if place + 1 < len(parts) else ""
        if part in NUMBERS:
            percent = PERCENT if part == "{value}" and after and "%" not in after[:1] else ""
            found.append(NUMBERS[part] + percent)
        elif "..." in part:
            found.append(".*?")
        elif part.strip(f" \t{BORDERS}") == "":
            padded = (after in NUMBERS and not before[-1:].isalnum()) or (before in NUMBERS and not after[:1].isalnum())
            found.append(SPACE + ("*" if padded else "+"))
        else:
            start = BEFORE if part[0].isalnum() and (place == 0 or "..." in before) else ""
            end = AFTER if part[-1].isalnum() and place + 1 == len(parts) else ""
            left = f"{SPACE}*" if before in NUMBERS and not part[0].isalnum() else ""
            right = f"{SPACE}*" if after in NUMBERS and not part[-1].isalnum() else ""
            found.append(f"{left}{start}{re.escape(part)}{end}{right}")
    return "".join(found)


def last_part(text: str) -> str:
    """What follows the last `...` before the value: the part that identifies the value."""
    head, value, rest = text.partition("{value}")
    return (head.rpartition("...")[2] + value + rest).strip()
