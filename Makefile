# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Every target sets up what it needs by itself. What each one does and installs stands in README.md.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:

# Extra words for ansible-playbook: make train ARGS='-e train_max_hours=1'
ARGS ?=
# The provider whose stand-in serves: make train PROVIDER=vastai
PROVIDER ?= runpod
# The Python the virtual environment is made from; empty means: look for one that fits.
PYTHON ?=
export ARGS PROVIDER PYTHON

PARTS := lint unit sandbox-test integration matrix molecule sanity conformance

.PHONY: help setup train test $(PARTS) benchmark env-template down clean

help: ## say what there is
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what `make train` needs, and nothing else
	@scripts/setup.sh train

train: ## train examples/digits on a pod of the sandbox; PROVIDER=vastai for one of Vast.ai, ARGS='…' goes to ansible-playbook
	@scripts/train.sh

test: ## run every test and every check
	@scripts/test.sh all

lint: ## run the checks that need no pod
	@scripts/test.sh lint

unit: ## run the unit tests and the tests of the house rules
	@scripts/test.sh unit

sandbox-test: ## test the sandbox
	@scripts/test.sh sandbox-test

integration: ## run whole cycles against the sandbox
	@scripts/test.sh integration

matrix: ## run whole cycles with every signal and fault, of which `make test` runs a sample
	@scripts/test.sh matrix

molecule: ## run the roles alone against SSH hosts
	@scripts/test.sh molecule

sanity: ## run ansible-test sanity and units on every supported ansible-core
	@scripts/test.sh sanity

conformance: ## hold the sandbox and the drivers against the providers' own descriptions, and the vendors' tools against the sandbox
	@scripts/test.sh conformance

benchmark: ## measure the inventory of 10,000 pods, the time to a ready pod, and a market of bad hosts (BENCHMARK=… for one)
	@scripts/benchmark.sh $(BENCHMARK)

env-template: ## print a documented .env file with every setting
	@cat examples/env.template

down: ## stop the sandbox of this clone with all its pods
	@scripts/down.sh

clean: ## stop the sandbox, then remove all that was installed or built here (runs/ stays)
	@scripts/down.sh
	@rm -rf .venv .venv-core219 .venv-core221 .venv-runpod-sdk .venv-vastai-cli .cache .sandbox .ansible build sandbox/*.egg-info .pytest_cache .mypy_cache .ruff_cache \
		examples/digits/data examples/digits/.mypy_cache examples/digits/.ruff_cache changelogs/.plugin-cache.yaml
	@find plugins sandbox tests scripts examples -name __pycache__ -prune -exec rm -rf {} +
