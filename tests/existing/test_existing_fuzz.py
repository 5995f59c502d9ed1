"""Damaged CSV files: what is read is what Python's csv module reads, or there is one error."""

import csv
import io
import random

import pandas as pd
import pytest

from harness.errors import InputError
from harness.existing.read import read

TEXTS = (
    "model,seed,accuracy\nbase,0,0.9\nnew,0,0.95\nbase,1,0.91\nnew,1,\n",
    'model;"note";x\r\n"a;b";"say ""hi""";0,5\r\nb;"two\r\nlines";1,5\r\n',
    "a\tb\n1\t2\n\n3\t4\n",
    "name|seed|nan\nü|9007199254740993|inf\nß|1|nan\n",
)
PIECES = [
    ",",
    ";",
    "\t",
    "|",
    '"',
    '""',
    "\n",
    "\r",
    "\r\n",
    " ",
    "\0",
    "\ufeff",
    "é",
    "1",
    "-",
    ".",
    "e",
    "inf",
    "nan",
    "\x85",
    "\u2028",
    "{",
    "[",
]


def mutated(generator):
    text = generator.choice(TEXTS)
    for _ in range(generator.randint(1, 6)):
        at, length = generator.randrange(len(text) + 1), generator.choice((0, 0, 1, 1, 2, 9))
        text = text[:at] + generator.choice(("", *PIECES)) + text[at + length :]
    data = text.encode(generator.choice(("utf-8",) * 8 + ("utf-16", "utf-8-sig")))
    if generator.random() < 0.1 and data:
        at = generator.randrange(len(data))
        data = data[:at] + bytes([generator.randrange(256)]) + data[at + 1 :]
    return data


def by_csv(text, separator):
    rows = [
        [cell.strip(" \t\xa0") for cell in row]
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    ]
    return [row for row in rows if any(row) or len(row) > 1]


def same(cell, text):
    if pd.isna(cell):
        return text == "" or text.lower().lstrip("+-") == "nan"
    return cell == text if isinstance(cell, str) else float(text.replace(",", ".")) == cell


@pytest.mark.parametrize("part", range(5))
def test_a_damaged_file_is_read_as_by_csv_or_refused(tmp_path, part):
    generator, path, refused = random.Random(part), tmp_path / "results.csv", 0
    for _ in range(100):
        data = mutated(generator)
        path.write_bytes(data)
        found = read_or_refused(path)
        if isinstance(found, InputError):
            refused += 1
            assert "\n" not in str(found)
            continue
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
        readings = [rows for separator in ",;\t|" if (rows := by_csv(text, separator)) and agrees(found.frame, rows)]
        assert readings, (text, found.frame)
        lines = [found.place(row) for row in range(len(found.frame))]
        assert lines == sorted(lines, key=lambda line: int(line.removeprefix("line ")))
    assert 20 < refused < 95


def read_or_refused(path):
    try:
        return read(str(path), "file")
    except InputError as error:
        return error


def agrees(frame, rows):
    names, *rest = rows
    names = [name or f"column {number}" for number, name in enumerate(names, 1)]
    if len(rest) != len(frame) or not set(frame) <= set(names):
        return False
    return all(same(frame[name].iloc[at], row[names.index(name)]) for name in frame for at, row in enumerate(rest))
