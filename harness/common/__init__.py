"""What everything else builds on and that knows nothing of experiments: positions in YAML files, validation, signals, options."""
