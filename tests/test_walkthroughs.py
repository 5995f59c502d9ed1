"""The pages that scripts/make_pages.py runs: in an empty folder, their commands print what the pages show.

After a wanted change: python scripts/make_pages.py, then look at the difference in docs/.
"""

from __future__ import annotations

import os
import runpy
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "make_pages.py"))
# A library that need not be installed, and where its page begins to need it: of the part before, console blocks are not run.
NEEDED = {"coming-from/hydra.md": ("hydra", "```bash\nharness run momentum 2>"), "coming-from/ray-tune.md": ("ray", "## Words")}


@pytest.mark.parametrize("name", SCRIPT["WITH"])
def test_a_page_shows_what_its_commands_print(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    shutil.copy(ROOT / SCRIPT["WITH"][name], tmp_path)
    page = (ROOT / "docs" / name).read_text()
    library, start = NEEDED.get(name, ("numpy", ""))
    others = find_spec(library) is not None
    if not others:
        page, found, _ = page.partition(start)
        assert found
    assert SCRIPT["run"](page, tmp_path, others=others) == page, f"make it again: .venv/bin/python scripts/make_pages.py {name}"
    assert list((tmp_path / "experiments").iterdir())
