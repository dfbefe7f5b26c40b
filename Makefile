# The commands of the README. Each target installs what it needs into .venv and the cache.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
CLUSTER := $(BIN)/python -m tests.cluster
# Tests and demo use the cluster of this folder, never the user's own.
export KUBECONFIG := $(CURDIR)/.cluster/kubeconfig

.PHONY: help check-machine install cluster-up cluster-down demo test verify unit integration charts e2e hostile \
	bench-imports bench-plan bench-admission bench-latency bench-throughput bench-large bench-parked generate format clean

help: ## Show the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

check-machine: # before the installation
	@scripts/check-python "$(PYTHON)"
	@$(PYTHON) -m tests.cluster check

install: $(STAMP) ## Install podhatch and its tools into .venv

$(STAMP): requirements/dev.txt pyproject.toml
	@scripts/create-venv "$(PYTHON)" "$(VENV)"
	@touch $@

cluster-up: check-machine install ## Start a real cluster with podhatch
	@$(CLUSTER) up

cluster-down: install ## Stop the cluster
	@$(CLUSTER) down

demo: check-machine install ## Start a cluster and run some workflows
	@$(CLUSTER) up
	@$(BIN)/python -m tests.demo

test: check-machine install ## Run every check and test; a running cluster keeps running
	@$(BIN)/python -m tests

verify: install ## Check style, types, layers, locks and generated files
	@$(BIN)/python -m tests verify

unit: install ## Run the tests that need no cluster
	@$(BIN)/python -m tests unit

integration: install ## Run the tests against the API server
	@$(BIN)/python -m tests integration

hostile: install ## Apply 10,000 hostile objects while an operator runs
	@$(CLUSTER) up
	@PODHATCH_HOSTILE_OBJECTS=10000 $(BIN)/python -m pytest -q tests/integration/test_hostile.py

charts: install ## Check the chart
	@$(BIN)/python -m tests charts

e2e: install ## Run the end-to-end tests, with the chart on a real node
	@$(BIN)/python -m tests e2e

bench-imports: install ## Time `import podhatch` and its slowest modules
	@$(BIN)/python -m tests.bench.imports

bench-plan: install ## Time the plan of a large run, and measure its status
	@$(BIN)/python -m tests.bench.plan

bench-admission: install ## Time who gets a free slot or units of a limit, with 10,000 runs queued
	@$(BIN)/python -m tests.bench.admission

bench-latency: install ## Compare the latency of runs and plain Jobs on a real node
	@$(CLUSTER) up
	@$(BIN)/python -m tests.bench.latency

bench-throughput: install ## Compare 300 runs and 300 plain Jobs on fake nodes
	@$(CLUSTER) up --controller-manager tuned
	@trap '$(CLUSTER) kwok --nodes 0' EXIT; $(CLUSTER) kwok --nodes 10; \
	$(BIN)/python -m tests.bench.throughput

bench-large: install ## Compare what a task costs the operator in small and large runs
	@$(CLUSTER) up --controller-manager tuned
	@trap '$(CLUSTER) kwok --nodes 0' EXIT; $(CLUSTER) kwok --nodes 10; \
	$(BIN)/python -m tests.bench.large

bench-parked: install ## Measure what 1,000 parked durable tasks cost the operator
	@$(CLUSTER) up
	@$(BIN)/python -m tests.bench.parked

generate: install ## Generate the CRDs from the models
	@$(BIN)/python -m podhatch.api.crds

format: install ## Format the code
	@$(BIN)/ruff format -q . && $(BIN)/ruff check --fix -q .

clean: ## Remove generated files
	@rm -rf $(VENV) .bench .pytest_cache .ruff_cache .hypothesis .coverage*
