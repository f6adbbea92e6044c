# One command per chore; CI runs the same ones.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-all check format bench eval clean

demo: $(STAMP)
	$(BIN)/chatcli complete "世界上最高的山" --seed 7 --pace 4

test: $(STAMP)
	$(BIN)/python -m pytest -n logical --maxprocesses 4

test-all: $(STAMP)
	$(BIN)/python -m pytest -n logical --maxprocesses 4 -m ""

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)
	$(BIN)/chatcli bench suite

# What a model scores: `make eval MODEL=FOLDER`.
MODEL ?= builtin
QUESTIONS ?= $(wildcard ../shared/eval)
eval: $(STAMP)
	$(BIN)/chatcli train eval -m $(MODEL) $(if $(QUESTIONS),--questions $(QUESTIONS))

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "chatcli needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test,check]'
	touch $@
