"""Helpers that know nothing of experiments: YAML with positions, validation, signals, command-line options."""
