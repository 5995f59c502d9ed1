"""A results folder that is a link to nothing or to itself, or lies below one: every command says so and makes nothing."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

import pytest

EXPERIMENT = "question: How far?\ntask: toy_task:TOY\nseeds: 1\n"
SEARCH = f"{EXPERIMENT}margin: 1\nsearch: {{space: {{noise: {{range: [1, 2]}}}}, trials: 1}}\n".replace("seeds: 1\n", "", 1)
COMMANDS: dict[str, Sequence[str]] = {
    "run": ["toys.yaml"],
    "sweep": ["search.yaml"],
    "status": [],
    "report": ["toys"],
    "verify": [],
    "clean": [],
    "sync": ["toys"],
    "reread": ["toys.yaml"],
    "worker": [],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("target", "below", "words"),
    [
        ("nowhere", "", "is a link to nowhere, which does not exist"),
        ("nowhere", "deep/results", "is a link to nowhere, which does not exist"),
        ("link", "", "is a link to link, which leads back to itself"),
    ],
    ids=["to nothing", "a parent", "to itself"],
)
def test_every_command_names_the_link(  # noqa: PLR0917 - parametrized
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    target: str,
    below: str,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("toys.yaml").write_text(EXPERIMENT)
    Path("search.yaml").write_text(SEARCH)
    Path("link").symlink_to(target)
    before = sorted(tmp_path.iterdir())
    results = Path("link", below)
    place = [str(results / "plans/toys.json")] if command == "worker" else ["--results", str(results)]
    main = importlib.import_module(f"harness.{command}").main
    assert main([*COMMANDS[command], *place]) == 2
    said = capsys.readouterr().err
    assert f"link: {words}" in said
    assert "Traceback" not in said
    assert sorted(tmp_path.iterdir()) == before
