"""The pages that scripts/make_pages.py runs: in an empty folder, their commands print what the pages show.

After a wanted change: python scripts/make_pages.py, then look at the difference in docs/.
"""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "make_pages.py"))
# A library that need not be installed, and where its page begins to need it: of the part before, console blocks are not run.
NEEDED = {"coming-from/hydra.md": ("hydra", "```bash\nharness run momentum 2>"), "coming-from/ray-tune.md": ("ray", "## Words")}
SMALL = """```python
# sub/hello.py
print("hello")
```

```bash
python3 sub/hello.py; pwd; echo took 0:07
```

```text
{}```

```console
$ echo one
$ echo two
two
```
"""


@pytest.fixture(autouse=True)
def _programs_of_this_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPT["WITH"])
def test_a_page_shows_what_its_commands_print(name: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / SCRIPT["WITH"][name], tmp_path)
    page = (ROOT / "docs" / name).read_text()
    library, start = NEEDED.get(name, ("", ""))
    others = not library or find_spec(library) is not None
    if not others:
        page, found, _ = page.partition(start)
        assert found
    assert SCRIPT["run"](page, tmp_path, others=others) == page, f"make it again: .venv/bin/python scripts/make_pages.py {name}"
    assert list((tmp_path / "experiments").iterdir())


def test_what_commands_print_is_written_into_the_page(tmp_path: Path) -> None:
    made = SCRIPT["run"](SMALL.format(""), tmp_path)
    assert made == SMALL.format(f"hello\n{tmp_path}\ntook 0:07\n").replace("$ echo one\n", "$ echo one\none\n")
    assert SCRIPT["run"](SMALL.format(""), tmp_path, others=False) == made.replace("$ echo one\none\n", "$ echo one\n")


def test_a_page_keeps_its_times(tmp_path: Path) -> None:
    page = SMALL.format(f"hello\n{tmp_path}\ntook 0:01\n")
    assert "took 0:01" in SCRIPT["run"](page, tmp_path)
    assert "took 0:07" in SCRIPT["run"](page.replace("hello\n/", "goodbye\n/"), tmp_path)


def test_a_command_that_fails_without_shown_output_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        SCRIPT["run"]("```bash\nexit 3\n```\n", tmp_path)
