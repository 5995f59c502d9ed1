"""Whether a results folder is whole: `folder.check_store` looks at all of it, `run.check_run` at one run. Reads only."""
