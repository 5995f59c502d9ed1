"""Any program as a task: what the YAML says of it, its command line, its process, and the rows read from its output."""
