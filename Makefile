# `make help` lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SAFE := $(VENV)/.safe
CATALOGUES := $(wildcard src/agentpg/locale/*/LC_MESSAGES/*.po)

export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Tests start hundreds of processes: each would compile all it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo test check check-types check-others format generate lock bench chaos soak
.PHONY: fuzz audit clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(READY) ## Make .venv with everything, from the locked requirements

demo: $(READY) ## Show real agents at work on a private PostgreSQL, in under a minute
	agentpg demo

test: $(READY) ## Run all tests on private PostgreSQL servers; SELECT=… runs some of them
	pytest -q -n auto --maxprocesses 5 --dist loadgroup $(if $(SELECT),-m '$(SELECT)')

check: $(READY) ## Format, lint, types, import contracts, SQL of the migrations, generated files
	$(MAKE) --no-print-directory --jobs 2 --output-sync --keep-going check-types check-others

check-types: $(READY)
	mypy

# All test processes then find the tests compiled, which each would do by itself.
check-others: $(READY)
	@pytest --collect-only -qqq > /dev/null || pytest --collect-only -qq
	ruff format --check
	ruff check
	lint-imports --no-cache
	squawk --config .squawk.toml src/agentpg/sql/migrations/*.sql
	python tools/generate_client.py --check
	python tools/generate_reference.py --check
	pytest -q tests/test_dependencies.py

format: $(READY) ## Format the code and mend what the linter can
	ruff check --fix
	ruff format

generate: $(READY) ## Write the generated files anew: the sync client and the reference
	python tools/generate_client.py
	python tools/generate_reference.py

bench: $(READY) ## Measure beside the peers, and run the engine under fire; see benchmarks/README.md
	python -m benchmarks --install
	python -m benchmarks
	python -m benchmarks.recovery
	python -m benchmarks.backup
	python -m tests.acceptance.fire --tasks 10000

chaos: $(READY) ## Ten minutes of random faults under load; python -m tests.chaos --help
	python -m tests.chaos --minutes 10

soak: $(READY) ## The same for an hour, then a healthy busy hour: the doctor must find nothing critical
	python -m tests.chaos --minutes 60
	python -m benchmarks.doctor --only busy --busy 60min

fuzz: $(SAFE) ## Ten minutes of inputs for all parsers, guided by coverage; MINUTES=… for others
	python -m tests.fuzz --minutes $(or $(MINUTES),10)

audit: $(SAFE) ## Ask for known holes in what we depend on; needs a network, unlike `make check`
	pip-audit --require-hashes --disable-pip --requirement requirements.txt
	pip-audit --require-hashes --disable-pip --requirement requirements-dev.txt

lock: ## Lock the requirements anew (needs uv)
	uv pip compile -q --generate-hashes --no-emit-index-url --no-header \
	  --python-version 3.11 --extra all pyproject.toml -o requirements.txt
	uv pip compile -q --generate-hashes --no-emit-index-url --no-header \
	  --python-version 3.11 --extra all --group dev pyproject.toml -o requirements-dev.txt
	uv pip compile -q --generate-hashes --no-emit-index-url --no-header \
	  --python-version 3.11 --group pyproject.toml:safety --constraint requirements-dev.txt \
	  -o requirements-safety.txt

clean: ## Remove .venv and all that tools left
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build dist

$(READY): requirements-dev.txt pyproject.toml tools/make_venv $(CATALOGUES)
	tools/make_venv "$(PYTHON)" "$(VENV)"
	touch $@

$(SAFE): $(READY) requirements-safety.txt
	python -m pip install -q --require-hashes --requirement requirements-safety.txt
	touch $@
