"""A file or standard input -> ResultsTable: CSV, TSV, JSON lines, JSON, Parquet, also compressed by gzip."""

from __future__ import annotations

import codecs
import gzip
import sys
import zlib
from pathlib import Path

from harness.common.validation import suggestion
from harness.errors import InputError
from harness.existing.delimited import read_delimited
from harness.existing.json_rows import read_json
from harness.existing.parquet import read_parquet
from harness.existing.results_table import ResultsTable

STANDARD_INPUT = "-"
JSON = (".json", ".jsonl", ".ndjson", ".jsonlines")
TABS = (".tsv", ".tab")
COMMAS = (".csv",)
PARQUET = (".parquet", ".pq")
MARKS = (  # the longer ones first: one begins with another
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
OTHERS = {  # how files begin that people take for tables
    b"PK\x03\x04": "an Excel workbook or a zip archive; save the table as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save the table as CSV",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; decompress it",
    b"\xfd7zXZ\x00": "compressed by xz; decompress it",
    b"BZh": "compressed by bzip2; decompress it",
    b"SQLite format 3\x00": "an SQLite database; if it is MLflow's, use: --from mlflow",
}


def read_file(name: str) -> ResultsTable:
    """`name` is a path, or `-` for standard input. Raises InputError."""
    source = "standard input" if name == STANDARD_INPUT else name
    data = _standard_input() if name == STANDARD_INPUT else _bytes(Path(name))
    endings = [ending.lower() for ending in Path(name).suffixes]
    if data.startswith(b"\x1f\x8b"):
        data = _decompressed(source, data)
        endings = [ending for ending in endings if ending != ".gz"]
    ending = endings[-1] if endings else ""
    if data.startswith(b"PAR1"):
        return read_parquet(source, data)
    if ending in PARQUET:
        raise InputError(f"{source}: not a Parquet file; name it by what it contains, such as .csv")
    if what := next((what for start, what in OTHERS.items() if data.startswith(start)), None):
        raise InputError(f"{source}: is {what}")
    text = _text(source, data)
    if not text.strip():
        raise InputError(f"{source}: is empty")
    looks_like_json = text.lstrip()[0] in "{[" and ending not in (*TABS, *COMMAS)
    if ending in JSON or looks_like_json:
        return read_json(source, text)
    return read_delimited(source, text, "\t" if ending in TABS else None)


def _bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a folder; give a file, or say what wrote it: --from tensorboard, --from mlflow")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; {_near(path)}") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise InputError(f"{str(path)!r}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _near(path: Path) -> str:
    try:
        names = sorted(file.name for file in path.parent.iterdir() if not file.name.startswith("."))
    except OSError:
        return f"nor is there a folder {path.parent}; for a W&B project, use: --from wandb"
    return suggestion(path.name, names) if names else f"the folder {path.parent} is empty"


def _standard_input() -> bytes:
    if sys.stdin.isatty():
        raise InputError("standard input: is a terminal; send a file to it: harness judge - < results.csv")
    return sys.stdin.buffer.read()


def _decompressed(source: str, data: bytes) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{source}: its compression (gzip) is damaged: {error}") from error


def _text(source: str, data: bytes) -> str:
    encoding = next((encoding for mark, encoding in MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(
            f"{source}: line {line}: is not valid {encoding.removesuffix('-sig').upper()}; save the file as UTF-8"
        ) from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InputError(f"{source}: line {line}: contains a NUL byte, so it is not text; save the file as UTF-8")
    return text
