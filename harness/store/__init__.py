"""The results folder on disk; start with `records.Store`."""
