# `make run`: the example jobs, on SQLite, with a local agent. `make test`: the tests. Each makes its own venv.

PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= jobs.example.yaml

.PHONY: run test check bench acceptance dashboards screenshots clean

run: $(VENV)/.run
	$(BIN)/cronprobe up $(JOBS)

test: $(VENV)/.dev
	$(BIN)/pytest tests -n 2 --dist loadfile -m "not acceptance"

acceptance: $(VENV)/.dev
	$(BIN)/pytest tests/acceptance -s -m acceptance

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev
	$(BIN)/python -m bench

# What the status page looks like; needs Debian's chromium.
screenshots: $(VENV)/.dev
	$(BIN)/python -m tests.pages.screenshots

dashboards: $(VENV)/.dev
	$(BIN)/python -m grafana

clean:
	rm -rf $(VENV)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@
