# The verbs of this project. Each works on a fresh machine with python3.11+, make and gcc.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
PYTEST := $(BIN)/python -m pytest
WORKERS ?= 6

# Every test starts processes: those read compiled modules.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo test test-all quick lint check bench sandbox wheel clean
.DEFAULT_GOAL := check

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Trochil needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-compile --constraint constraints.txt --editable '.[dev]'
	-$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib
	$(BIN)/python -c 'from orderbook.warm import warm; warm()'
	touch $@

demo: setup
	$(BIN)/trochil demo $(ARGS)

sandbox: setup
	$(BIN)/trochil sandbox $(ARGS)

# What a change must pass. Most tests wait for something: several run at once. The oracle wants the machine for itself;
# those on Ray share one cluster after it.
test: setup
	HYPOTHESIS_PROFILE=ci $(PYTEST) -n $(WORKERS) --dist worksteal -m "not ray and not slow and not oracle" $(ARGS)
	HYPOTHESIS_PROFILE=ci $(PYTEST) -m "oracle and not slow" tests/oracle
	HYPOTHESIS_PROFILE=ci $(PYTEST) -m "ray and not slow" $(ARGS)

# For the inner loop: no Ray, no sandbox process.
quick: setup
	HYPOTHESIS_PROFILE=dev $(PYTEST) -n $(WORKERS) --dist worksteal -m "not ray and not slow and not sandbox" tests/orderbook tests/exchanges tests/actors tests/goldens $(ARGS)

# Everything, with many examples; takes long.
test-all: setup
	HYPOTHESIS_PROFILE=nightly $(PYTEST) -n $(WORKERS) --dist worksteal -m "not ray and not oracle" $(ARGS)
	HYPOTHESIS_PROFILE=nightly $(PYTEST) -m "oracle" tests/oracle
	HYPOTHESIS_PROFILE=nightly $(PYTEST) -m "ray" $(ARGS)

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

bench: setup
	for bench in benchmarks/bench_*.py; do echo "== $$bench"; $(BIN)/python $$bench || exit 1; done

# A wheel in dist/, which needs no checkout. What an earlier build left in build/ would be in it.
wheel: setup
	rm -rf build
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
