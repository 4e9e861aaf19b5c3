# Everything runs from .venv; each target sets it up when needed.
PYTHON ?= python3.11
BIN := .venv/bin
# Two processes, torch with one thread in each; a file stays in one, so that its fixtures are made once.
SHARED := -n 2 --dist loadfile --no-loadscope-reorder
# Slow tests take far longer than their fixtures: who is done takes over some of a file.
STOLEN := -n 2 --dist worksteal

.PHONY: setup demo test test-slow lint clean

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: setup
	$(BIN)/atrous demo --out demo

test: setup
	$(BIN)/python -m pytest -q $(SHARED) -m "not slow"

test-slow: setup
	$(BIN)/python -m pytest -q $(STOLEN) -m slow

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf .venv demo
