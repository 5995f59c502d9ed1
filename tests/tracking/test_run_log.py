"""The log as W&B gets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.tracking import run_log
from harness.tracking.run_log import log_text


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.txt"


def test_secrets_are_masked_by_their_variables_and_by_their_form(log: Path) -> None:
    token = "hf_" + "a1" * 17
    log.write_text(f"my key is open sesame\n{token} https://me:pass@host/x\nwhole\n")
    assert log_text(log, {"DB_KEY": "open sesame"}) == "my key is ***\n*** https://***@host/x\nwhole\n"


def test_of_a_long_log_whole_lines_of_both_ends_are_kept(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_log, "END_BYTES", 25)
    lines = [f"line {number:03d}" for number in range(100)]
    log.write_text("\n".join(lines) + "\n")
    assert log_text(log, {}) == "line 000\nline 001\n[864 bytes left out]\nline 098\nline 099\n"


def test_a_long_progress_bar_is_one_line_of_many_parts(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_log, "END_BYTES", 25)
    log.write_text("".join(f"step {number:03d}\r" for number in range(100)), newline="")
    assert log_text(log, {}) == "step 000\rstep 001\r[864 bytes left out]\nstep 098\rstep 099\r"


def test_a_missing_log_or_wandbs_setting_against_output_sends_none(log: Path) -> None:
    assert log_text(log, {}) is None
    log.write_text("text")
    assert log_text(log, {"WANDB_CONSOLE": "off"}) is None
    assert log_text(log, {"WANDB_CONSOLE": "auto"}) == "text"
