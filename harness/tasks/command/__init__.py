"""Any program as a task: its definition in the YAML, command line, process, and the rows read from its output."""
