# Two commands on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Outside data are found here or where the user says; tests that need them skip elsewhere.
ifneq ($(wildcard ../shared/data),)
GLASSGPU_DATA ?= $(abspath ../shared/data)
export GLASSGPU_DATA
endif

.PHONY: demo test validate lint docs clean check-system

demo: $(VENV)/.run
	$(BIN)/glassgpu demo --out demo

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest --numprocesses 2

# One to two hours on 2 cores: canonical distributions, drift, other people's runs. Keeps its figures.
validate: $(VENV)/.dev
	GLASSGPU_RESULTS=benchmarks/results/validate.json $(BIN)/python -m pytest -m validate -s

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The site, in docs/_build/html/index.html; every notebook is run for it.
docs: $(VENV)/.dev
	$(BIN)/python -m sphinx -W --keep-going -b html -D nb_execution_mode=force docs docs/_build/html

clean:
	rm -rf $(VENV) demo out docs/_build docs/notebooks .pytest_cache .mypy_cache .ruff_cache

check-system:
	@command -v $(PYTHON) >/dev/null || { echo "Python is missing: sudo apt install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; this is $$($(PYTHON) --version). Name another: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "venv is missing: sudo apt install python3-venv"; exit 1; }
	@command -v "$${GLASSGPU_CXX:-g++}" >/dev/null || command -v clang++ >/dev/null || command -v c++ >/dev/null || { echo "A C++ compiler is missing: sudo apt install g++"; exit 1; }

$(VENV)/.run: pyproject.toml constraints.txt | check-system
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev,ci,cluster,peers,docs,notebooks]"
	touch $@
