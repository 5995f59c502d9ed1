"""Integrity checks of a results folder (`folder.check_store`) and of one run (`run.check_run`). Read-only."""
