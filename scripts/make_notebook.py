#!/usr/bin/env python3
"""Run the code of docs/notebook.md and write its output there and into examples/notebook.ipynb: python scripts/make_notebook.py.

A block of Python is a cell; the block of text after it is what it prints. Progress on stderr, which has times, is not kept.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "notebook.md"
NOTEBOOK = ROOT / "examples" / "notebook.ipynb"
CELL = re.compile(r"```python\n(?P<code>.*?)```\n(?:\n```text\n.*?```\n)?", re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)]+)\)")
TEMPORARY = re.compile(r"[^\s\"'<>]*/tmp[a-z0-9_]{8}/results")
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
TIMEOUT_S = 600  # of one cell


def make(page: str, folder: Path) -> tuple[str, Any]:
    """The page and the notebook with the output of `page`'s code, run in `folder`. Raises CellExecutionError."""
    notebook = read(page)
    NotebookClient(notebook, timeout=TIMEOUT_S, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    _named(notebook)
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr"]
    notebook.metadata = nbformat.from_dict(KERNEL)
    nbformat.validate(notebook)
    printed = iter([_printed(cell) for cell in notebook.cells if cell.cell_type == "code"])
    return CELL.sub(lambda block: f"```python\n{block['code']}```\n{next(printed)}", page), notebook


def read(page: str) -> Any:
    """The notebook of a page, without output; links are relative to the folder of the notebook."""
    cells = []
    end = 0
    for block in CELL.finditer(page):
        cells += [_markdown(page[end : block.start()]), nbformat.v4.new_code_cell(block["code"].rstrip())]
        end = block.end()
    cells = [cell for cell in [*cells, _markdown(page[end:])] if cell.source]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    return nbformat.v4.new_notebook(cells=cells, metadata=KERNEL)


def _named(notebook: Any) -> None:
    """Call the temporary results folder `results` in the output: its name is another one each time."""
    for output in (one for cell in notebook.cells for one in cell.get("outputs", ())):
        for kind in [kind for kind in output.get("data", {}) if kind.startswith("text/")]:
            output.data[kind] = TEMPORARY.sub("results", output.data[kind])


def stable(notebook: Any) -> Any:
    """What is the same on every machine: pictures only by their kind."""
    found = nbformat.from_dict(notebook)
    for output in (one for cell in found.cells for one in cell.get("outputs", ())):
        if "data" in output:
            output.data = {kind: None if kind.startswith("image/") else data for kind, data in output.data.items()}
    return found


def _markdown(text: str) -> Any:
    return nbformat.v4.new_markdown_cell(LINK.sub(lambda link: f"](../docs/{link[1]})", text.strip()))


def _printed(cell: Any) -> str:
    text = "".join(one.text for one in cell.outputs if one.output_type == "stream")
    return f"\n```text\n{text}```\n" if text else ""


def main() -> None:
    text, notebook = make(PAGE.read_text(), NOTEBOOK.parent)
    PAGE.write_text(text)
    nbformat.write(notebook, NOTEBOOK)


if __name__ == "__main__":
    sys.exit(main())
