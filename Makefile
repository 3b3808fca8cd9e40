# Two commands do all the set-up on a machine with python3 (3.11 or newer), make and a package registry:
#   make demo    trains a small Mask R-CNN on synthetic scenes and looks at real photographs with it
#   make test    the test suite
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/installed
BIN := $(VENV)/bin

.PHONY: demo test lint install docs clean

demo: install
	$(BIN)/ocellus demo

test: install
	$(BIN)/python -m pytest -n 2 tests

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,explain]'
	touch $(STAMP)

docs: install
	$(BIN)/python docs/build_reference.py
	$(BIN)/python docs/build_findings.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build dist
