#!/usr/bin/env python3
"""Generate docs/cli.md from the commands: .venv/bin/python scripts/make_cli_docs.py."""

from __future__ import annotations

import importlib
import textwrap
from pathlib import Path

from harness.__main__ import COMMANDS
from harness.terminal.command_line import SETTINGS, command, grouped

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"
START = """\
# The command line

<!-- Generated from the commands: .venv/bin/python scripts/make_cli_docs.py -->

`harness COMMAND --help` (or `-h`) prints what this page says of a command. `harness --version` prints the version;
`python -m harness.COMMAND` is the same as `harness COMMAND`. A TIME is `90s`, `10m`, `3h50m`, `1d`, a number of
seconds, or one of SLURM's forms, such as `1-12:30:00`.

`ablation-harness` is the same command, for environments in which another package has installed a command `harness` of its own.

`harness --install-completion` sets up completion for the current shell (bash, zsh, fish or PowerShell; restart it
afterwards). Completed are commands, options, choices, experiments (those that `harness list` shows) with their profiles and
variants, and the plans and searches in the results folder.

| command | what it does |
| --- | --- |
"""


def page() -> str:
    """The text of the page."""
    rows = [f"| [`harness {name}`](#harness-{name}) | {what} |\n" for name, what in COMMANDS.items()]
    return START + "".join(rows) + "".join(map(chapter, COMMANDS))


def chapter(name: str) -> str:
    """The section of a command."""
    made = command(getattr(importlib.import_module(f"harness.{name}"), name))
    context = made.make_context(f"harness {name}", [], resilient_parsing=True, **SETTINGS)
    usage = " ".join(context.get_usage().split()).removeprefix("Usage: ")
    text = f"\n## harness {name}\n\n{textwrap.fill(made.help or '', 118)}\n\n```text\n{usage}\n```\n"
    for group, records in grouped(made.get_params(context)).items():
        text += f"\n| {group.lower()} | |\n| --- | --- |\n"
        text += "".join(f"| `{names.replace('|', chr(92) + '|')}` | {cell(what)} |\n" for names, what in records)
    for section in (made.epilog or "").split("\n\n"):
        title, _, lines = section.partition("\n")
        if title == "Examples:":
            text += f"\n```bash\n{textwrap.dedent(lines)}\n```\n"
        elif title == "Exit codes:":
            text += f"\nExit codes: {exit_codes(lines)}.\n"
        else:
            text += f"\n{textwrap.fill(' '.join(section.split()), 118)}\n"
    return text


def exit_codes(lines: str) -> str:
    """Each code with its meaning; a line that does not begin with a code continues the one above."""
    codes: list[str] = []
    for line in lines.splitlines():
        first, _, rest = line.strip().partition(" ")
        if first.isdecimal():
            codes.append(f"**{first}** {rest.strip()}")
        else:
            codes[-1] += f" {line.strip()}"
    return "; ".join(codes)


def cell(text: str) -> str:
    """A description as a cell of a Markdown table."""
    return text.replace("|", r"\|").replace("{", "`{").replace("}", "}`")


if __name__ == "__main__":
    PAGE.write_text(page())
