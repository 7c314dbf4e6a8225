# Two commands matter: `make run` serves the shop, `make test` checks everything. Both need Python 3.11 or
# later and make, and make their own .venv from the lock files; nothing is installed outside this folder.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= $(firstword $(shell command -v python3.11 python3 python))
VENV := .venv
BIN := $(VENV)/bin
# Wheels, but for the one package that publishes none; what is built here is built with the pinned build tool.
# Into .venv, wherever pip is told to install by default; its mirrors are the user's own.
PIP_INSTALL := env -u PIP_TARGET -u PIP_PREFIX -u PIP_ROOT PIP_USER=0 \
	$(BIN)/python -m pip --disable-pip-version-check -qq install --no-build-isolation
FROM_LOCK := $(PIP_INSTALL) --require-hashes --only-binary :all: --no-binary aiohttp-apispec
# The lock must not depend on how pip happens to be set up on the machine that makes it.
COMPILE := env -u PIP_INDEX_URL -u PIP_EXTRA_INDEX_URL -u PIP_FIND_LINKS PIP_CONFIG_FILE=/dev/null \
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options --newline lf

ARGS ?=
SEEDS ?= 2000
START ?= 0

.PHONY: help run test format load scenario bench simulate mutants torture scale screenshots lock clean

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

run: $(VENV)/.runtime ## install what is needed into .venv and serve; options: make run ARGS="--port 9000"
	@exec $(BIN)/charge-shop serve $(ARGS)

test: $(VENV)/.dev ## check everything: format, lint, types, import contracts, tests; one file: make test ARGS=tests/actors
	@set -e; step() { echo "== $$*"; "$$@"; }; \
	step $(BIN)/ruff format --check --quiet . ; \
	step $(BIN)/ruff check --quiet . ; \
	step $(BIN)/mypy ; \
	step $(BIN)/lint-imports --no-logo ; \
	step $(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 $(ARGS)

format: $(VENV)/.dev ## rewrite the code in the project's format and mend what lint can mend
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format .

load: $(VENV)/.dev ## put load on a service, check every answer, write a report: make load ARGS="--rate 1000 --duration 60"
	@exec $(BIN)/python -m loadtest $(ARGS)

scenario: $(VENV)/.dev ## play the sale of 21,000 charges over HTTP and check every answer against the journal
	@exec $(BIN)/python -m loadtest.scenario $(ARGS)

bench: $(VENV)/.dev ## measure the service against a bare handler, row locks and COPY (ten minutes): make bench ARGS=--quick
	@exec $(BIN)/python -m loadtest.bench $(ARGS)

simulate: $(VENV)/.dev ## run the core in simulated time with faults, and check every answer: make simulate SEEDS=100000 START=0
	@exec nice $(BIN)/python -m tests.simulation --seeds $(SEEDS) --start $(START)

mutants: $(VENV)/.dev ## plant every known bug in the core and show that the simulation finds it
	@exec nice $(BIN)/python -m tests.simulation --mutants --seeds 30000

torture: $(VENV)/.dev ## cut, kill, stop, starve, flood, soak and fuzz real processes, and check every answer (hours)
	@exec $(BIN)/python -m tests.torture $(ARGS)

scale: $(VENV)/.dev ## fill a journal with 1,000,000 sellers and 10,000,000 entries, and measure on it (half an hour, 10 GB)
	@exec $(BIN)/python -m tests.scale $(ARGS)

screenshots: $(VENV)/.dev ## take the pictures of the console that the README shows
	@exec $(BIN)/python -m tests.console.screenshots docs/screenshots

lock: $(VENV)/.dev ## pin the newest allowed version of every dependency, with hashes
	$(COMPILE) --upgrade --only-build-deps --build-deps-for=editable --output-file requirements-build.lock pyproject.toml
	$(COMPILE) --upgrade --output-file requirements.lock pyproject.toml
	$(COMPILE) --upgrade --extra dev --constraint requirements-build.lock --constraint requirements.lock \
		--output-file requirements-dev.lock pyproject.toml
	rm -rf build

clean: ## remove .venv and what the tools cached (never the data)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis *.egg-info build dist

# --- the virtual environment: made once, and again when what it is made from changes ---------------------------

$(VENV)/.made:
	@$(if $(PYTHON),,$(error Python 3.11 or later is needed, and no python3 was found))\
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python 3.11 or later is needed, {sys.executable} is {sys.version.split()[0]}: make PYTHON=...")'
	@echo "making $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

# The build tool first, pinned like everything else: nothing below fetches another one.
$(VENV)/.runtime: $(VENV)/.made requirements-build.lock requirements.lock pyproject.toml
	@echo "installing what requirements.lock pins into $(VENV)"
	@$(FROM_LOCK) -r requirements-build.lock
	@$(FROM_LOCK) -r requirements.lock
	@$(PIP_INSTALL) --no-deps --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@echo "installing what requirements-dev.lock pins into $(VENV)"
	@$(FROM_LOCK) -r requirements-dev.lock
	@touch $@
