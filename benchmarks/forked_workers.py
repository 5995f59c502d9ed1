"""Workers of one plan, forked from a process that has imported everything: a hundred of them start within seconds.

python benchmarks/forked_workers.py WORKERS PLAN [OPTION...]
"""

from __future__ import annotations

import os
import sys

import gated_toy  # noqa: F401 - what the workers need is imported once
import pandas as pd  # noqa: F401

from harness.worker import main

if __name__ == "__main__":
    children = []
    for _ in range(int(sys.argv[1])):
        child = os.fork()
        if child == 0:
            os._exit(main(sys.argv[2:]))
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
