# Two commands do everything on a fresh machine: `make demo` and `make test`.
IN_VENV := .venv/bin/python

.PHONY: setup demo docs style test slow check clean
.DEFAULT_GOAL := setup

setup:
	@scripts/setup

demo: setup
	@$(IN_VENV) -m harness demo

# The documentation as a site: build/docs/index.html. A dead link is an error.
docs: setup
	@scripts/check docs

# The tests that take up to a few seconds each, alone or together.
test: setup
	@scripts/check tests

# All that has to pass: style and types, the site, the tests of `make test`, and the long ones.
check: style docs test slow

style: setup
	@scripts/check format
	@scripts/check lint
	@scripts/check types

slow: setup
	@scripts/check slow

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
