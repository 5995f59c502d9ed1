# Two commands do everything on a fresh machine: `make demo` and `make test`.
IN_VENV := .venv/bin/python

.PHONY: setup demo test check clean
.DEFAULT_GOAL := setup

setup:
	@scripts/setup

demo: setup
	@$(IN_VENV) -m harness.run experiments/leakyrelu_vs_relu.yaml --profile smoke
	@echo 'learning curves: results/reports/leakyrelu_vs_relu@smoke/figures/learning_curves.png'

test: setup
	@$(IN_VENV) -m pytest -n auto --maxprocesses 4 --dist worksteal -m 'not alone'
	@$(IN_VENV) -m pytest -m alone

check: setup
	@scripts/check

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
