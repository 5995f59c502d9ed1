"""Training one run after the other: what trains next, one attempt at a run, stages, failures."""
