# `make demo` and `make test` do all their set-up on a bare Debian with Python 3.11 or newer: a
# .venv in this folder, torch, the package. A second run installs nothing.
#
#   make demo     render a pair, encode, decode, compare with JPEG, WebP and AVIF
#   make test     lint, then the tests
#   make lint     formatting, style, types
#   make figures  write the numbers of README and docs from results/
#   make results DATA=FOLDER   measure anew what depends on the weights, then make figures
#   make ablation DATA=FOLDER  train and measure what each part of the codec is worth: hours
#   make clean    remove .venv and caches
#
# Another Python:      make demo PYTHON=/usr/local/bin/python3.12
# torch without CUDA:  make demo TORCH='torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu'

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := demo
.PHONY: demo test lint figures results ablation need-data clean

TORCH ?= torch==2.13.0
PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
VENV := .venv
RUNS ?= runs
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check

demo: $(VENV)/.ready-demo
	@$(VENV)/bin/crossband demo $(ARGS)

test: lint $(VENV)/.ready-browser
	@OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n 2 $(ARGS)

lint: $(VENV)/.ready-test
	@$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

figures: $(VENV)/.ready-test
	@$(VENV)/bin/python scripts/figures.py

results: need-data $(VENV)/.ready-test
	@$(VENV)/bin/python scripts/results.py --data '$(DATA)' $(ARGS)

ablation: need-data $(VENV)/.ready-test
	@measure() { $(VENV)/bin/python scripts/ablation.py "$$1" --data '$(DATA)' --runs '$(RUNS)' -o "results/ablation-$$2.jsonl"; }
	measure alignment alignment
	measure residual alignment
	measure start start
	$(VENV)/bin/python scripts/figures.py

need-data:
	@if [[ -z '$(DATA)' ]]; then
	    echo 'DATA is not set; name the folder of the data sets, as in make results DATA=../data' >&2
	    exit 2
	fi

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/.ready-demo: $(VENV)/.ready-torch pyproject.toml
	@$(PIP) install -e .
	touch $@

$(VENV)/.ready-test: $(VENV)/.ready-torch pyproject.toml
	@$(PIP) install -e '.[test]'
	touch $@ $(VENV)/.ready-demo

# A browser opens the benchmark's report; where none can be had, the tests that need one say so.
$(VENV)/.ready-browser: $(VENV)/.ready-venv
	@if ! command -v chromium chromium-browser google-chrome >/dev/null; then
	    if [[ $$(id -u) == 0 ]] && command -v apt-get >/dev/null; then
	        { timeout 60 apt-get update && DEBIAN_FRONTEND=noninteractive timeout 240 apt-get install -y --no-install-recommends chromium; } ||
	            echo 'chromium could not be installed; tests of the report in a browser are skipped' >&2
	    else
	        echo 'there is no chromium here; tests of the report in a browser are skipped: sudo apt-get install chromium' >&2
	    fi
	fi
	touch $@

# torch first and alone, so that nothing else has a say in which build of it comes.
$(VENV)/.ready-torch: $(VENV)/.ready-venv
	@$(PIP) install $(TORCH)
	touch $@

$(VENV)/.ready-venv:
	@if ! command -v '$(PYTHON)' >/dev/null; then
	    echo 'There is no $(PYTHON) here; Python 3.11 or newer is needed: apt-get install python3 python3-venv, or make PYTHON=/path/to/python3.11' >&2
	    exit 1
	fi
	if ! '$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
	    echo "$(PYTHON) is $$('$(PYTHON)' --version 2>&1); Python 3.11 or newer is needed: install it, or make PYTHON=/path/to/python3.11" >&2
	    exit 1
	fi
	if ! '$(PYTHON)' -c 'import ensurepip, venv' 2>/dev/null; then
	    package=$$('$(PYTHON)' -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
	    if [[ $$(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
	        echo "$(PYTHON) cannot make a virtual environment; the package $$package is missing: sudo apt-get install $$package, then make again" >&2
	        exit 1
	    fi
	    apt-get update
	    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$$package"
	fi
	# One that is there and works is kept; half of one (Ctrl-C) is made again.
	if ! $(VENV)/bin/python -m pip --version >/dev/null 2>&1; then
	    '$(PYTHON)' -m venv --clear $(VENV)
	fi
	touch $@
