"""The reader: YAML 1.2 scalars, positions, and no input that does anything but a value or an InputError."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.common.yaml_nodes import MAX_BYTES, Node, from_plain, plain, read_bytes, read_file, read_text, read_value
from harness.errors import InputError, Position

SCALARS = {
    "1e-3": 0.001,
    "1E5": 100000.0,
    "010": 10,
    "0o17": 15,
    "0x1F": 31,
    "-5": -5,
    ".5": 0.5,
    "3.": 3.0,
    "null": None,
    "~": None,
    "": None,
    "true": True,
    "False": False,
    "off": "off",
    "yes": "yes",
    "on": "on",
    "1_000": "1_000",
    "1:30": "1:30",
    "2026-01-01": "2026-01-01",
    "'1'": "1",
    '"off"': "off",
    "=": "=",
}


@pytest.mark.parametrize(("text", "value"), SCALARS.items())
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    read = plain(read_text(f"a: {text}", "x.yaml"))["a"]
    assert (read, type(read)) == (value, type(value))


def test_every_value_knows_its_place() -> None:
    node = read_text("a: 1\nb:\n  - x\n  - {c.d: [2]}\n", "x.yaml")
    second = node.entries["b"].node.value[1]
    entry = second.entries["c.d"]
    assert entry.key_at == Position("x.yaml", 4, 6)
    assert entry.node.value[0].at == Position("x.yaml", 4, 12)
    assert entry.node.value[0].path == "b[1].c.d[0]"


def problems(text: str | bytes) -> list[str]:
    content = text.encode() if isinstance(text, str) else text
    with pytest.raises(InputError) as caught:
        read_bytes(content, "x.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_repeated_keys_are_all_reported_with_the_first_ones_line() -> None:
    assert problems("a: 1\na: 2\nb: {c: 1, c: 2}\n") == [
        "x.yaml:2:1: a: repeated key, first at line 1; use each key once",
        "x.yaml:3:11: b.c: repeated key, first at line 3; use each key once",
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: !!python/object:os.system x", "tag 'tag:yaml.org,2002:python/object:os.system' is not supported"),
        ("a: !!str 1", "is not supported"),
        ("a: &x {b: 1}\nc: {<<: *x}", "merge keys are not supported"),
        ("a: 1\n---\nb: 2", "a second document"),
        ("? [a]\n: 1", "invalid key; expected text"),
        ("a: *b", "alias *b has no anchor above it"),
        ("a: &a [*a]", "alias *a has no anchor above it"),
        ("a: [1", "not valid YAML"),
        ("a: 1e999", "1e999 is too large"),
        ("a: 99999999999999999999", "is too large"),
        ("a: " + "9" * 5000, "is too large"),
        ('a: "\\ud800"', "half a surrogate pair"),
        ('a: "\\UFFFFFFFF"', "not valid YAML"),
        ("%YAML 1." + "9" * 5000 + "\n---\na: 1", "not valid YAML"),
        ("[" * 200 + "]" * 200, "nested deeper than"),
        ("a:\x07", "character U+0007 is not allowed"),
        ("'': 1", "invalid key"),
    ],
)
def test_what_yaml_allows_and_an_experiment_does_not_is_refused(text: str, what: str) -> None:
    assert what in problems(text)[0]


def test_an_alias_repeats_its_value_and_a_bomb_of_them_is_refused() -> None:
    assert plain(read_text("a: &x [1, 2]\nb: *x", "x.yaml")) == {"a": (1, 2), "b": (1, 2)}
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
    )
    assert "aliases expanded" in problems(bomb)[0]


def test_bytes_that_are_no_text_and_files_that_are_too_large_are_refused() -> None:
    assert problems(b"a: 1\nb: \xff") == ["x.yaml:2:4: byte 0xff is not UTF-8; save the file as UTF-8"]
    assert "larger than" in problems(b"a" * (10 * 1024 * 1024))[0]
    assert plain(read_bytes(b"\xef\xbb\xbfa: 1", "x.yaml")) == {"a": 1}


def test_a_file_that_is_missing_a_folder_or_huge_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(InputError, match="file not found"):
            read_file(path)
    large = tmp_path / "large.yaml"
    large.write_bytes(b"- x\n" * MAX_BYTES)
    with pytest.raises(InputError, match=r"large\.yaml: larger than 256 KiB"):
        read_file(large)


def test_a_setting_is_read_as_yaml_and_named_by_its_flag() -> None:
    node = read_value("[1, 2e-1]", "--set a.b=[1, 2e-1]", "a.b")
    assert plain(node) == (1, 0.2)
    assert str(node.value[1].at) == "--set a.b=[1, 2e-1]"
    assert node.value[1].path == "a.b[1]"


def test_plain_values_come_back_from_their_nodes() -> None:
    value = {"a": (1, {"b": None}), "c": True}
    assert plain(from_plain(value, Position("defaults"))) == value


def value_or_error(content: bytes) -> Node | InputError:
    try:
        return read_bytes(content, "x.yaml")
    except InputError as error:
        return error


@settings(max_examples=400)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_give_a_value_or_our_error(content: bytes) -> None:
    found = value_or_error(content)
    assert isinstance(found, Node) or found.problems


SNIPPETS = st.sampled_from(
    [
        "a",
        "b: ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "&x ",
        "*x",
        "!t ",
        "? ",
        ": ",
        "'",
        '"',
        ">",
        "|\n",
        "#",
        "%",
        "---",
        "...",
        "\\u12",
        "\\x",
        "1e9",
        ".inf",
        "<<",
        "~",
        "\n",
        "\n  ",
        "\t",
        "\ufeff",
    ]
)


@settings(max_examples=600)
@given(st.lists(SNIPPETS, max_size=40).map("".join))
def test_any_mixture_of_yaml_gives_a_value_or_our_error(text: str) -> None:
    found = value_or_error(text.encode())
    assert isinstance(found, Node) or found.problems


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(min_size=1, max_size=5).filter(lambda key: key != "<<"), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=200)
@given(JSON_VALUES)
def test_json_is_read_as_what_it_says(value: object) -> None:
    text = json.dumps(value)
    assert json.loads(json.dumps(plain(read_text(text, "x.yaml")))) == json.loads(text)
