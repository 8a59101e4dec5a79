# make course     set up, run every notebook at the quick preset, print the baseline tables
# make test       set up, run the unit tests and check every notebook's stored outputs
# make lab        set up, open JupyterLab
# make notebooks  bring the notebooks up to date with notebooks/scripts and run them in place (for maintainers)
# make links REPO=owner/name   point badges and set-up cells to a fork
# make bench      measure the speed of the simulator, the metrics and a training step on this machine
# make clean      remove what the other targets made, except .venv and downloads
#
# Variables: PYTHON (the Python to start from), TORCH_INDEX (address of an extra package index to take torch
# from, for instance the CPU builds' on Linux), FORCE=1 (run notebooks again although nothing has changed),
# WORKERS (test processes), LAB_ARGS (options of JupyterLab).

PYTHON ?= python3
WORKERS ?= 2
REPO ?=
FORCE ?=
TORCH_INDEX ?=
LAB_ARGS ?=

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
PY := $(BIN)/python
STAMP := .venv/.installed

.PHONY: course test lab notebooks links bench lint clean
.DEFAULT_GOAL := course

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 14) else "The course needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is Python %d.%d: try make PYTHON=python3.12" % v)'
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@echo "Installing the course into .venv (a few minutes the first time)"
	@$(PY) -m pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) \
		-c constraints.txt -e ".[course,test]"
	@touch $(STAMP)

course: $(STAMP)
	@$(PY) -m tools.course $(if $(FORCE),--force)

test: $(STAMP)
	@$(PY) -m pytest --nbval -n $(WORKERS) --dist loadfile -q tests notebooks

lab: $(STAMP)
	@$(PY) -m jupyter lab $(LAB_ARGS)

notebooks: $(STAMP)
	@$(PY) -m tools.notebooks sync
	@$(PY) -m tools.notebooks execute $(if $(FORCE),--force)
	@$(PY) -m tools.readme
	@$(PY) -m tools.notebooks check

links: $(STAMP)
	@$(PY) -m tools.notebooks links "$(REPO)"

bench: $(STAMP)
	@for script in tools/bench_*.py; do $(PY) "$$script" || exit 1; done

lint: $(STAMP)
	@$(PY) -m ruff check . && $(PY) -m ruff format --check .

clean:
	@rm -rf data/cache/executed build dist .pytest_cache .ruff_cache .hypothesis docs/_build
	@find srutils tools tests notebooks -name __pycache__ -type d -prune -exec rm -rf {} +
	@find notebooks -name .ipynb_checkpoints -type d -prune -exec rm -rf {} +
