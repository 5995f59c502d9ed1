"""The files that come with the package -> their folders: experiments, settings of clusters, examples.

In the repository these are links to `experiments/`, `slurm/sites/` and `examples/`; an installed package has copies.
"""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent.parent / "shipped"
EXPERIMENTS = _FOLDER / "experiments"
SITES = _FOLDER / "sites"
EXAMPLES = _FOLDER / "examples"
