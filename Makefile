# make course     set up, run every notebook, print the baseline tables
# make test       set up, run the unit tests and check every notebook's stored outputs
# make test-processors   what computes, notebooks too, as on other processors: an hour (ONLY=NAME: one of them)
# make lab        set up, open JupyterLab
# make notebooks  bring the notebooks up to date with notebooks/scripts and run them in place (for maintainers)
# make book       set up, build the notebooks into web pages: docs/_build/html/index.html
# make links REPO=owner/name   point badges and set-up cells to a fork
# make colab      run every lesson with what Google Colab ships: half an hour (PYTHON=python3.13, as Colab has)
# make bench      measure the course's speed on this machine, some minutes: docs/benchmarks.md
# make clean      remove what the other targets made, except .venv and downloads
#
# Variables: PYTHON (the Python to start from), TORCH_INDEX (address of an extra package index to take torch
# from, for instance the CPU builds' on Linux), FORCE=1 (run notebooks again although nothing has changed),
# WORKERS (test processes), ONLY (a setting of make test-processors), LAB_ARGS (options of JupyterLab),
# COLAB_ARGS (options of tools/colab.py).

PYTHON ?= python3
WORKERS ?= 2
REPO ?=
FORCE ?=
ONLY ?=
TORCH_INDEX ?=
LAB_ARGS ?=
COLAB_ARGS ?=

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
PY := $(BIN)/python
INSTALL = $(PY) -m pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -c constraints.txt
STAMP := .venv/.installed
TOOLS := .venv/.installed-tools

.PHONY: course test test-processors lab notebooks book links colab bench lint clean
.DEFAULT_GOAL := course

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 14) else "The course needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is Python %d.%d: try make PYTHON=python3.12" % v)'
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@echo "Installing the course into .venv (a few minutes the first time)"
	@$(INSTALL) -e ".[course]"
	@touch $(STAMP)

$(TOOLS): $(STAMP)
	@echo "Installing what the tests and the book need"
	@$(INSTALL) -e ".[test,docs]"
	@touch $(TOOLS)

course: $(STAMP)
	@$(PY) -m tools.course $(if $(FORCE),--force)

test: $(TOOLS)
	@$(PY) -m pytest --nbval -n $(WORKERS) --dist loadfile -q tests notebooks

test-processors: $(TOOLS)
	@$(PY) -m tools.processors --workers $(WORKERS) $(if $(ONLY),--only $(ONLY))

lab: $(STAMP)
	@$(PY) -m jupyter lab $(LAB_ARGS)

notebooks: $(TOOLS)
	@$(PY) -m tools.notebooks sync
	@$(PY) -m tools.notebooks execute $(if $(FORCE),--force)
	@$(PY) -m tools.readme
	@$(PY) -m tools.notebooks check

book: $(TOOLS)
	@$(PY) -m tools.book

links: $(STAMP)
	@$(PY) -m tools.notebooks links "$(REPO)"

colab:
	@TORCH_INDEX="$(TORCH_INDEX)" $(PYTHON) -m tools.colab $(COLAB_ARGS)

bench: $(STAMP)
	@$(PY) -m tools.bench --write

lint: $(TOOLS)
	@$(PY) -m ruff check . && $(PY) -m ruff format --check .

clean:
	@rm -rf data/cache/executed build dist .pytest_cache .ruff_cache .hypothesis docs/_build
	@find srutils tools tests notebooks -name __pycache__ -type d -prune -exec rm -rf {} +
	@find notebooks -name .ipynb_checkpoints -type d -prune -exec rm -rf {} +
