"""docs/notebook.md and examples/notebook.ipynb: their code runs from top to bottom in a kernel and prints what they show.

After a wanted change: python scripts/make_notebook.py, then look at the difference in docs/notebook.md.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
ADVICE = "make both again: .venv/bin/python scripts/make_notebook.py"


@pytest.fixture
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "make_notebook.py"))


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # those of the kernel's client
def test_page_and_notebook_show_what_their_code_prints(
    script: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TMPDIR", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    text = script["PAGE"].read_text()
    again, notebook = script["make"](text, tmp_path)
    assert again == text, ADVICE
    on_disk = nbformat.read(script["NOTEBOOK"], as_version=4)
    assert script["stable"](notebook) == script["stable"](on_disk), ADVICE
    assert [path.name for path in tmp_path.iterdir() if not path.name.isupper()] == []


def test_the_notebook_has_the_cells_of_the_page_with_their_output(script: dict[str, Any]) -> None:
    on_disk, expected = nbformat.read(script["NOTEBOOK"], as_version=4), script["read"](script["PAGE"].read_text())
    assert [(cell.cell_type, cell.source) for cell in on_disk.cells] == [(cell.cell_type, cell.source) for cell in expected.cells]
    code = [cell for cell in on_disk.cells if cell.cell_type == "code"]
    assert len(code) > 5
    assert [cell.execution_count for cell in code] == [*range(1, len(code) + 1)]
    assert all(cell.outputs for cell in code)
    pictures = [output for cell in code for output in cell.outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 1
    links = [link for cell in on_disk.cells for link in script["LINK"].findall(cell.source) if cell.cell_type == "markdown"]
    assert links
    assert all((script["NOTEBOOK"].parent / link).exists() for link in links)
