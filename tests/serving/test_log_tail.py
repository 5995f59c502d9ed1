"""The end of a log as plain text."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.serving.log_tail import LONGEST_LINE, READ_BYTES, log_tail, plain


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("epoch 1 loss 0.5", "epoch 1 loss 0.5"),
        ("\x1b[31mred\x1b[0m \x1b[1;4mbold\x1b[m", "red bold"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b[2J\x1b[Hhidden", "hidden"),
        ("a\x00b\x08c\x7fd\x9be", "abcde"),
        ("tab\tkept", "tab\tkept"),
        ("10 %\r50 %\r100 %", "100 %"),
        ("100 %\r", "100 %"),
        ("user\u202egnp.exe", "usergnp.exe"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("müde 日本", "müde 日本"),
        ("\x1b", ""),
    ],
)
def test_a_line_is_what_a_terminal_would_show_at_its_end(line: str, shown: str) -> None:
    assert plain(line) == shown


def test_a_long_line_is_cut_with_a_mark() -> None:
    assert plain("x" * 5000) == "x" * LONGEST_LINE + " …"


def test_the_last_lines_of_a_log_are_shown(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("".join(f"line {number}\n" for number in range(1000)))
    assert log_tail(log).splitlines() == [f"line {number}" for number in range(800, 1000)]


def test_of_a_huge_log_only_the_end_is_read_and_no_part_of_a_line_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("x" * READ_BYTES + "\n" + "whole line\n" * 3)
    assert log_tail(log).splitlines() == ["whole line"] * 3


def test_without_a_log_there_is_no_text(tmp_path: Path) -> None:
    assert log_tail(tmp_path / "log.txt") == ""


def test_bytes_that_are_no_text_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_bytes(b"caf\xe9 \xff\n")
    assert log_tail(tmp_path / "log.txt") == "caf\ufffd \ufffd"
