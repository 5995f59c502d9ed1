"""Followers of files, for tests: made from metrics as the YAML has them, with a clock that does not slow them down."""

from harness.tasks.command.files import followers as module
from harness.tasks.command.measure import Measure


def follower(run_dir, *, resumes=False, **metrics):
    """The only follower of metrics that are given as mappings without their goal."""
    made = {name: Measure(goal="minimize", **fields) for name, fields in metrics.items()}
    (found,) = module.followers(made, run_dir, resumes=resumes)
    if hasattr(found, "_pace"):
        found._pace = Unhurried()
    if scan := getattr(found, "_scan", None) or getattr(getattr(found, "_place", None), "_scan", None):
        scan._clock, scan._next = Unhurried(), 0.0
    return found


class Unhurried:
    """A pace that never waits, and a clock that passes a minute between any two looks at it."""

    ready = True

    def __init__(self):
        self.now = 0.0

    def work(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def __call__(self):
        self.now += 60.0
        return self.now


def plain(readings):
    """Readings -> tuples of the step and the values."""
    return [(reading.step, dict(reading.values)) for reading in readings]


def everything(found):
    """What a follower reads of complete files."""
    return plain([*found.poll(), *found.end()])
