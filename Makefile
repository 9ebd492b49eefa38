# `make demo` and `make test` are all a newcomer needs; both set up .venv when it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
RUN := runs/quickstart
# One thread each: two of them run side by side, and who is done helps the other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help install demo test all-tests test-fast lint format clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: $(READY)  ## Set up .venv with the package and its development tools

# What is imported is compiled then, and kept, even where the environment asks that nothing be:
# else each process would compile torch and Lightning anew. Most of 15,000 files are never imported.
unexport PYTHONDONTWRITEBYTECODE

$(READY): setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --no-compile --editable '.[dev]'
	touch $(READY)

demo: $(READY)  ## Train on the built-in data, then write runs/quickstart/report.html
	$(BIN)/uat-fit --config quickstart.yaml
	$(BIN)/uat report --model $(RUN)/model --out $(RUN)/report.html

test: $(READY)  ## Style and types, and beside them all tests
	$(MAKE) --jobs=2 lint all-tests

all-tests: $(READY)  ## All tests
	$(PYTEST)

test-fast: $(READY)  ## The tests that take seconds
	$(PYTEST) -m "not slow"

lint: $(READY)  ## Style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)  ## Rewrite the sources in the house's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove what was built (not what was trained)
	rm -rf $(VENV) build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache
