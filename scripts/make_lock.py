"""pyproject.toml, constraints.txt -> uv.lock: the tested versions for `uv sync`, and those of what only other Pythons need.

    python scripts/make_lock.py

Run it after a change of the dependencies or of constraints.txt; tests/test_installation.py compares them.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

import uv

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Lock with constraints.txt in a copy, then without it here: uv keeps the versions of a lock that fits."""
    lock = [uv.find_uv_bin(), "lock", "--quiet"]
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder)
        for name in ("README.md", "LICENSE"):
            shutil.copy(ROOT / name, there)
        project = (ROOT / "pyproject.toml").read_text()
        (there / "pyproject.toml").write_text(project.replace("[tool.uv]\n", f"[tool.uv]\nconstraint-dependencies = {pins!r}\n"))
        subprocess.run(lock, cwd=there, check=True)
        shutil.copy(there / "uv.lock", ROOT)
    subprocess.run(lock, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
