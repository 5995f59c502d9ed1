"""Which files of a results folder are shown, and that links lead nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.serving import files
from harness.serving.requests import Refused

RUN = "0123456789ab"
SHOWN = [
    ("reports", "index.html"),
    ("reports", "toys", "index.html"),
    ("reports", "toys", "figures", "main.svg"),
    ("reports", "toys", "table.tex"),
    ("plans", "toys.json"),
    ("studies", "hunt", "search.json"),
    ("runs", RUN, "log.txt"),
    ("runs", RUN, "result.json"),
    ("runs", RUN, "metrics.jsonl"),
]
HIDDEN = [
    ("runs", RUN, "checkpoint.pt"),
    ("runs", RUN, "predictions.npz"),
    ("runs", RUN, "lease.1"),
    ("runs", RUN, "files", "secret.txt"),
    ("runs", "notarunid123", "log.txt"),
    ("studies", "hunt", "journal.log"),
    ("plans", "replaced", "toys.1.json"),
    ("reports", "toys", "model.pt"),
    ("reports", "toys", "deeper", "index.html"),
    ("reports", "toys"),
    ("cache", "frames", "ended.arrow"),
    ("wandb", "settings"),
    ("code", "checkouts", "x.py"),
    ("secrets.json",),
    ("environments", "list.json"),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder in which every one of these files exists."""
    for parts in (*SHOWN, *HIDDEN):
        path = tmp_path.joinpath("results", *parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_dir():
            path.write_text("content")
    (tmp_path / "secret.html").write_text("secret")
    return tmp_path / "results"


@pytest.mark.parametrize("parts", SHOWN)
def test_what_was_measured_and_reported_is_shown(root: Path, parts: tuple[str, ...]) -> None:
    assert files.read(root, parts).data == b"content"


@pytest.mark.parametrize("parts", HIDDEN)
def test_everything_else_does_not_exist(root: Path, parts: tuple[str, ...]) -> None:
    with pytest.raises(Refused) as refused:
        files.read(root, parts)
    assert refused.value.status == 404


def test_text_of_runs_is_plain_text_whatever_it_contains(root: Path) -> None:
    assert files.read(root, ("runs", RUN, "log.txt")).type == "text/plain; charset=utf-8"


@pytest.mark.parametrize("target", ["../../secret.html", "/etc/passwd"])
def test_a_link_out_of_the_folder_is_not_followed(root: Path, target: str) -> None:
    (root / "reports" / "stolen.html").symlink_to(target)
    with pytest.raises(Refused):
        files.read(root, ("reports", "stolen.html"))


def test_a_folder_that_is_a_link_out_of_the_results_is_not_followed(root: Path) -> None:
    (root / "reports" / "out").symlink_to(root.parent)
    with pytest.raises(Refused):
        files.read(root, ("reports", "out", "secret.html"))


def test_a_link_within_the_folder_is_followed(root: Path) -> None:
    (root / "reports" / "again.html").symlink_to("index.html")
    assert files.read(root, ("reports", "again.html")).data == b"content"


def test_a_results_folder_may_be_a_link_itself(root: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(root)
    assert files.read(tmp_path / "linked", SHOWN[0]).data == b"content"


def test_a_pipe_in_the_place_of_a_file_does_not_hold_the_server(root: Path) -> None:
    os.mkfifo(root / "reports" / "pipe.html")
    with pytest.raises(Refused):
        files.read(root, ("reports", "pipe.html"))


def test_the_tag_changes_with_the_content(root: Path) -> None:
    before = files.read(root, SHOWN[0]).tag
    (root / "reports" / "index.html").write_text("other")
    assert files.read(root, SHOWN[0]).tag != before
