"""How long slow simulations are: `HARNESS_LONG=4 scripts/check slow` draws four times as often, before a release."""

from __future__ import annotations

import os

LONG = int(os.environ.get("HARNESS_LONG", "1"))
