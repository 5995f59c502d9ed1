"""Files and standard input -> columns of numbers, or of strings as written."""

import csv
import gzip
import io
import json
import math
import sys

import pandas as pd
import pytest

from harness.errors import InputError
from harness.existing.read import read

CSV = "model,seed,accuracy\nbase,0,0.9\nnew,0,0.95\nbase,1,0.91\nnew,1,\n"


@pytest.fixture
def given(tmp_path):
    """Reads a text or bytes as a file of this name."""

    def given(content, name="results.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read(str(path))

    return given


@pytest.fixture
def refused(given):
    """The message for a text or bytes that cannot be read, without the folder."""

    def refused(content, name="results.csv"):
        with pytest.raises(InputError) as told:
            given(content, name)
        assert "\n" not in str(told.value)
        return str(told.value).rpartition(f"/{name}: ")[2]

    return refused


def columns(found):
    return {name: [None if pd.isna(cell) else cell for cell in found.frame[name]] for name in found.frame}


EXPECTED = {"model": ["base", "new", "base", "new"], "seed": [0, 0, 1, 1], "accuracy": [0.9, 0.95, 0.91, None]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", CSV),
        ("a.csv", CSV.replace("\n", "\r\n")),
        ("a.csv", CSV.replace("\n", "\r")),
        ("a.csv", CSV.rstrip("\n")),
        ("a.csv", CSV.replace(",", ";")),
        ("a.csv", CSV.replace(",", ", ")),
        ("a.csv", CSV.replace("base", '"base"')),
        ("a.csv", "\n".join(", ".join(f'"{cell}"' for cell in line.split(",")) for line in CSV.splitlines())),
        ("a.csv", CSV.replace("\n", "\n\n")),
        ("a.csv", CSV.replace("\n", ",\n")),
        ("a.tsv", CSV.replace(",", "\t")),
        ("a", CSV.replace(",", "\t")),
        ("a.txt", CSV.replace(",", "|")),
        ("a.csv.gz", gzip.compress(CSV.encode(), mtime=0)),
        ("a.csv", gzip.compress(CSV.encode(), mtime=0)),
        ("a.csv", b"\xef\xbb\xbf" + CSV.encode()),
        ("a.csv", CSV.encode("utf-16")),
        ("a.csv", b"\xfe\xff" + CSV.encode("utf-16-be")),
        ("a.csv", CSV.encode("utf-32")),
        (
            "a.jsonl",
            "\n".join(json.dumps(row | {"accuracy": row["accuracy"] or None}) for row in csv.DictReader(io.StringIO(CSV))),
        ),
        ("a", pd.read_csv(io.StringIO(CSV)).to_json(orient="records", lines=True)),
        ("a.json", pd.read_csv(io.StringIO(CSV)).to_json(orient="records", indent=2)),
        ("a.json.gz", gzip.compress(pd.read_csv(io.StringIO(CSV)).to_json(orient="records").encode(), mtime=0)),
        ("a.parquet", pd.read_csv(io.StringIO(CSV)).to_parquet()),
        ("a", pd.read_csv(io.StringIO(CSV)).to_parquet(index=True)),
    ],
)
def test_the_same_table_in_any_format_is_the_same(given, name, content):
    found = given(content, name)
    assert columns(found) == EXPECTED
    assert found.frame["seed"].dtype == "int64"
    assert found.frame["model"].dtype == object
    assert list(found.empty["accuracy"]) == [False, False, False, True]
    assert set(found.empty) == {"accuracy"}
    assert found.notes == ()


def test_what_pandas_writes_is_read_as_it_was(given):
    frame = pd.DataFrame(
        {"variant": ["a,b", 'say "x"', "two\nlines", "ü"], "seed": [1, 2, 3, 2**62 + 1], "loss": [1e-300, 0.1, math.inf, 3]}
    )
    found = given(frame.to_csv(index=False))
    pd.testing.assert_frame_equal(found.frame, frame, check_dtype=False)
    assert list(found.frame["seed"]) == list(frame["seed"])
    indexed = given(frame.to_csv())
    assert list(indexed.frame) == ["column 1", "variant", "seed", "loss"]


def test_standard_input_is_recognised_by_its_first_characters(monkeypatch):
    for text in (CSV, CSV.replace(",", "\t"), pd.read_csv(io.StringIO(CSV)).to_json(orient="records", lines=True)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        found = read("-")
        assert columns(found) == EXPECTED
        assert found.source == "standard input"


def test_a_place_is_the_line_of_the_file(given):
    text = 'model,note\n\nbase,"two\nlines"\n\n\nnew,x\n'
    assert [given(text).place(row) for row in range(2)] == ["line 3", "line 7"]
    assert [given("a,b\n\n1,2\n\n3,4").place(row) for row in range(2)] == ["line 3", "line 5"]
    assert [given("a,b\r1,2\r3,4").place(row) for row in range(2)] == ["line 2", "line 3"]
    assert [given(CSV).place(row) for row in range(4)] == ["line 2", "line 3", "line 4", "line 5"]
    assert given('{"a": 1}\n\n{"a": 2}\n', "a.jsonl").place(1) == "line 3"
    assert given('[{"a": 1},\n{"a": 2}]\n', "a.json").place(1) == "row 2"
    assert given(pd.DataFrame({"a": [1, 2]}).to_parquet(), "a.parquet").place(1) == "row 2"


def test_values_that_are_not_finite_differ_from_empty_cells(given):
    found = given("a,b\n1,x\nNaN,x\n,x\ninf,x\n-Infinity,x\nnan,x\n")
    assert [str(value) for value in found.frame["a"]] == ["1.0", "nan", "nan", "inf", "-inf", "nan"]
    assert list(found.empty["a"]) == [False, False, True, False, False, False]
    found = given('{"a": 1.5}\n{"a": NaN}\n{"a": null}\n{"b": 1}\n{"a": "NaN"}\n{"a": -Infinity}', "a.jsonl")
    assert [str(value) for value in found.frame["a"]] == ["1.5", "nan", "nan", "nan", "nan", "-inf"]
    assert list(found.empty["a"]) == [False, False, True, True, False, False]


@pytest.mark.parametrize(
    ("cells", "values", "kind"),
    [
        (["1", "+2", "-3e2"], [1.0, 2.0, -300.0], "float64"),
        (["9007199254740993", "1"], [9007199254740993, 1], "int64"),
        (["18446744073709551615", "1"], [18446744073709551615, 1], "uint64"),
        (["9007199254740993", "", "1"], ["9007199254740993", None, "1"], "object"),  # a float would be another seed
        (["9007199254740993", "0.5"], ["9007199254740993", "0.5"], "object"),
        (["18446744073709551616", "1"], [18446744073709551616.0, 1.0], "float64"),  # exact, as a power of two
        (["18446744073709551617", "1"], ["18446744073709551617", "1"], "object"),
        (["007", "010"], [7, 10], "int64"),
        (["007", "7"], ["007", "7"], "object"),  # two names of one number
        (["93.1%", "94"], ["93.1%", "94"], "object"),
        (["1_000", "2"], ["1_000", "2"], "object"),
        (["0,93", "0.94"], ["0,93", "0.94"], "object"),
        (["0x10", "1"], ["0x10", "1"], "object"),
        (["1e5", "1E-5", ".5", "5."], [1e5, 1e-5, 0.5, 5.0], "float64"),
        (["1e999", "1"], [math.inf, 1.0], "float64"),
        (["True", "False"], ["True", "False"], "object"),
        (["2026-01-01", "2026-01-02"], ["2026-01-01", "2026-01-02"], "object"),
        (["٣", "4"], ["٣", "4"], "object"),
        (["None", "0.1"], ["None", "0.1"], "object"),
        (["NA", "x"], ["NA", "x"], "object"),
        (["", ""], [None, None], "object"),
        ([" 1", "2\t"], [1, 2], "int64"),
        ([" x", "y "], ["x", "y"], "object"),
    ],
)
def test_only_what_is_a_number_becomes_one(given, cells, values, kind):
    for name, text in (
        ("a.csv", "other,cell\n" + "".join(f'z,"{cell}"\n' for cell in cells)),
        ("a.txt", "other|cell\n" + "".join(f"z|{cell}\n" for cell in cells)),
    ):
        found = given(text, name).frame["cell"]
        assert [None if pd.isna(value) else value for value in found] == values
        assert found.dtype == kind


def test_words_for_missing_numbers_count_as_empty_and_are_noted(given):
    found = given("a,b\n1,NA\nNA,x\n2,y\n")
    assert columns(found) == {"a": [1, None, 2], "b": ["NA", "x", "y"]}
    assert list(found.empty["a"]) == [False, True, False]
    assert found.notes == ("in column 'a', NA count as empty cells",)


def test_decimal_commas_are_read_where_they_can_be_nothing_else(given):
    found = given("model;acc;n\nx;0,93;1\ny;-1,5e3;2\nz;;3\nw;inf;4\n")
    assert columns(found)["acc"] == [0.93, -1500.0, None, math.inf]
    assert found.notes == ("the comma in numbers such as 0,93 is read as a decimal comma, in: 'acc'",)
    found = given("model;acc;loss\nx;0,93;1,234\ny;0,95;2,345\n")
    assert columns(found)["loss"] == [1.234, 2.345]
    for text in ("m;acc\nx;1,234\ny;2,000\n", "m;acc;b\nx;0,93;0.5\ny;0,94;0.6\n", 'm,acc\nx,"0,93"\n', "m;acc\nx;0,93\ny;0.5\n"):
        found = given(text)
        assert found.frame["acc"].dtype == object
        assert found.notes == ()


def test_nested_objects_become_columns_with_dots(given):
    text = '{"config": {"opt": {"lr": 0.1}, "layers": [1, 2]}, "seed": 1, "ok": true}\n{"seed": 2, "config": null}'
    found = given(text, "a.jsonl")
    assert columns(found) == {
        "config.opt.lr": [0.1, None],
        "config.layers": ["[1, 2]", None],
        "seed": [1, 2],
        "ok": ["true", None],
        "config": [None, None],
    }


def test_parquet_of_any_type_is_read(given):
    import decimal

    frame = pd.DataFrame(
        {
            "kind": pd.Categorical(["a", "b", None]),
            "big": pd.array([2**53 + 1, 2, 3], dtype="int64"),
            "gaps": pd.array([2**53 + 1, None, 3], dtype="Int64"),
            "few": pd.array([1, None, 3], dtype="Int64"),
            "half": pd.array([0.5, math.nan, 2], dtype="float32"),
            "flag": [True, False, None],
            "day": pd.to_datetime(["2026-01-01", "2026-01-02", None]),
            "money": [decimal.Decimal("1.50"), decimal.Decimal("2.25"), None],
            "deep": [{"x": 1, "y": [1]}, {"x": 2, "y": []}, None],
        }
    )
    found = columns(given(frame.to_parquet(), "a.parquet"))
    assert found == {
        "kind": ["a", "b", None],
        "big": [2**53 + 1, 2, 3],
        "gaps": [str(2**53 + 1), None, "3"],
        "few": [1, None, 3],
        "half": [0.5, None, 2],
        "flag": ["true", "false", None],
        "day": ["2026-01-01 00:00:00", "2026-01-02 00:00:00", None],
        "money": [1.5, 2.25, None],
        "deep.x": [1, 2, None],
        "deep.y": ["[1]", "[]", None],
    }


def test_thousands_of_columns_are_read(given):
    names = [f"variant {number}" for number in range(5000)]
    found = given("seed," + ",".join(names) + "\n" + "".join(f"{seed}," + ",".join(["0.5"] * 5000) + "\n" for seed in range(3)))
    assert found.frame.shape == (3, 5001)
    assert found.frame["variant 4999"].dtype == float


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        (" \n\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        ("a,b\n", "has no rows, only the names on line 1"),
        ("\n\na,b", "has no rows, only the names on line 3"),
        ("a,b\n1,2\n3\n", "line 3: 1 cell, but there are 2 names; leave an empty cell for a missing value"),
        ('a,b\n"x\ny",2\n3,4,5\n', "line 4: 3 cells, but there are 2 names; quote a cell that contains the separator"),
        ("a,b,a\n1,2,3\n", "line 1: columns 1 and 3 are both named 'a'; rename one"),
        ("a, a \n1,2\n", "line 1: columns 1 and 2 are both named 'a'; rename one"),
        ("0,0.93\n1,0.94\n", "line 1: has only numbers; the first line must name the columns"),
        ("a\n1\n", "line 1: only one column, 'a'; separate columns by one of: commas, semicolons, tabs, bars"),
        ("a b\n1 2\n", "line 1: only one column, 'a b'; separate columns by one of: commas, semicolons, tabs, bars"),
        ('a,b\n1,"x\n2,y\n', 'line 2: a quote (") is opened and never closed'),
        ('a,b\n1,"x"y\n', 'line 2: a quote (") ends before the end of its cell; double the quotes inside a quoted cell'),
        ("sep=;\na;b\n1;2\n", "line 1: names the separator, as Excel wants it; remove this line"),
        (b"a,b\n1,\xe4\n", "line 2: is not valid UTF-8; save the file as UTF-8"),
        (b"a,b\n1,\0\n", "line 2: contains a NUL byte, so it is not text; save the file as UTF-8"),
        (CSV.encode("utf-16-le"), "line 1: contains a NUL byte, so it is not text; save the file as UTF-8"),
        (CSV.encode("utf-16")[:-1], "line 5: is not valid UTF-16; save the file as UTF-8"),
        (b"PK\x03\x04...", "is an Excel workbook or a zip archive; save the table as CSV"),
        (
            gzip.compress(CSV.encode(), mtime=0)[:-9],
            "its compression (gzip) is damaged: Compressed file ended before the end-of-stream marker was reached",
        ),
    ],
)
def test_a_file_that_is_no_table_is_one_error(refused, content, message):
    assert refused(content) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"a": 1}\n{"a": ',
            "line 2: invalid JSON: Expecting value (column 7); expected one object per line, or an array of objects",
        ),
        ('{\n"a": 1}', "line 1: invalid JSON: "),
        ("[1, 2]", "row 1: 1 is not an object; each row must be one, such as "),
        ('[{"a": 1}, ', "invalid JSON: Expecting value (column 12); "),
        ('{"a": 1, "a": 2}', "line 1: 'a' occurs twice in one object"),
        ('{"a.b": 1, "a": {"b": 2}}', "line 1: 'a.b' occurs twice, as a name with a dot and as an object; rename one"),
        ("[]", "has no rows"),
        ('{"a": "\\ud800"}', "contains half a character, such as \\ud800"),
        ('{"\\ud800": 1}', "contains half a character, such as \\ud800"),
        ("[" * 100_000, "objects are nested too deeply"),
        ('{"a": ' + "1" * 5000 + "}", "line 1: Exceeds the limit"),
        ("text", "line 1: invalid JSON: "),
    ],
)
def test_json_that_is_no_table_is_one_error(refused, content, message):
    assert refused(content, "a.jsonl").startswith(message)


def test_a_torn_parquet_file_is_one_error(refused):
    data = pd.DataFrame({"a": [1, 2]}).to_parquet()
    assert refused(data[:-5], "a.parquet").startswith("cannot be read as Parquet: ")
    assert refused(CSV, "a.parquet") == "not a Parquet file; name it by what it contains, such as .csv"
    assert refused(pd.DataFrame({"a": []}).to_parquet(), "a.parquet") == "has no rows"


def test_a_missing_file_names_similar_ones(tmp_path, given):
    given(CSV, "results.csv")
    with pytest.raises(InputError, match=r"result.csv: no such file; did you mean results.csv\?"):
        read(str(tmp_path / "result.csv"))
    with pytest.raises(InputError, match="nor is there a folder"):
        read(str(tmp_path / "none" / "result.csv"))
    with pytest.raises(InputError, match="is a folder"):
        read(str(tmp_path), "file")
    with pytest.raises(InputError, match="cannot be read"):
        read("a\0b")
    with pytest.raises(InputError, match="no file was named"):
        read("")


def test_unreadable_files_are_one_error(tmp_path, given, monkeypatch):
    given(CSV)

    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.read_bytes", denied)
    with pytest.raises(InputError, match=r"results.csv': cannot be read: Permission denied"):
        read(str(tmp_path / "results.csv"), "file")
