# Everything a developer runs. `make` alone lists the targets; each that needs the virtual environment brings it up to date first.
SHELL := /bin/bash

PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV ?= uv
BIN := .venv/bin
READY := .venv/.ready
TEST_WORKERS ?= 4
PORT ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup compiled demo demo-reset test check format rehearse screenshots bench bench-solver bench-pledges bench-limits simulate bench-march soak soak-money lock

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: compiled ## Create or update .venv from the hashed lock, and compile what the solver runs compiled

compiled: $(READY)
	@$(BIN)/python -m solver.warm

$(READY): requirements-dev.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and no python3 was found" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; $(PYTHON) is older. Name another one: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
		|| { echo "This Python cannot make virtual environments. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing what requirements-dev.lock names ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation --editable .
	@touch $@

demo: compiled ## Run the whole service locally with a demo world (PORT=8000 sets the port)
	@$(BIN)/busload demo $(if $(PORT),--port $(PORT)) $(ARGS)

demo-reset: compiled ## The same, starting over with fresh data
	@$(BIN)/busload demo --reset $(if $(PORT),--port $(PORT)) $(ARGS)

test: compiled ## Run every test (ARGS="tests/core -k name" narrows it)
	@$(BIN)/pytest -n $(TEST_WORKERS) --dist loadfile $(ARGS)

check: $(READY) ## Check format, lint, types, import contracts, templates, security and dependencies; runs no tests
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@report=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$report"; exit 1; }
	@$(BIN)/djlint app --lint --quiet
	@$(BIN)/bandit --quiet --recursive --configfile pyproject.toml app solver tools migrations
	@$(BIN)/python -m tools.audit_dependencies

format: $(READY) ## Format Python and fix what the linter can fix by itself
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --fix --quiet . || true

rehearse: compiled ## Play a whole event through a private stack (ARGS="--riders 600 --seed 1")
	@$(BIN)/busload rehearse $(ARGS)

bench: bench-solver bench-pledges bench-limits ## Every benchmark there is

bench-solver: compiled ## Measure the solver beside OR-Tools and PyVRP (ARGS="--all", ARGS="--rows S,T --seeds 1,2")
	@$(BIN)/python -c 'import pyvrp' 2>/dev/null \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-bench.lock
	@$(BIN)/python -m tests.bench.bench_solver $(ARGS)

soak: compiled ## Play events while everything breaks, each fault 100 times (ARGS="--each 10" shortens)
	@$(BIN)/python -m tests.soak.soak_faults $(ARGS)

soak-money: compiled ## Charge and refund thousands while workers are killed and Stripe misbehaves (ARGS="--charges 300 --seconds-between-kills 8")
	@$(BIN)/python -m tests.soak.soak_money $(ARGS)

bench-march: compiled ## Sell, charge and dispatch a whole march: 48,000 pledges over 200 origins (ARGS="--scale M" is a small one)
	@$(BIN)/python -m tests.bench.march $(ARGS)

simulate: compiled ## Play seeds of the simulation of the whole service (ARGS="--seed 123", ARGS="--seeds 1-1000", ARGS="--mutations")
	@$(BIN)/python -m tests.simulation $(ARGS)

bench-pledges: $(READY) ## Measure pledges on one hot trip beside an empty route and a one-statement rival (ARGS="--steady-seconds 20")
	@$(BIN)/python -m tests.bench.pledges $(ARGS)

bench-limits: compiled ## Step every kind of load up until its budget breaks: what goes first (ARGS="--quick", ARGS="--only widget,mails")
	@$(BIN)/python -m tests.bench.limits $(ARGS)

screenshots: compiled ## Take the pictures in docs/images anew from the demo world (needs a Chromium)
	@$(BIN)/python -m tests.browser.journey.tour

LOCK := pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet
lock: ## Pin dependencies anew after a change in pyproject.toml (needs uv; ARGS=--upgrade takes newer ones)
	@command -v $(UV) >/dev/null || { echo "uv is needed for this target only: https://docs.astral.sh/uv/" >&2; exit 1; }
	$(UV) $(LOCK) $(ARGS) --extra stage --extra dev --extra bench -o requirements-bench.lock
	$(UV) $(LOCK) --extra stage --extra dev -c requirements-bench.lock -o requirements-dev.lock
	$(UV) $(LOCK) -c requirements-bench.lock -o requirements.lock
