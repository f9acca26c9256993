# Everything a person does here is a target with a help text. PYTHON names the interpreter to install with, PORT and
# DATA_DIR where the platform listens and keeps its state, ARGS is passed on to the command.

PORT ?= 8080
DATA_DIR ?= var
PYTHON ?=
ARGS ?=

BIN := .venv/bin
MEMBERS := $(patsubst %/pyproject.toml,%,$(wildcard libs/*/pyproject.toml services/*/pyproject.toml \
             gateway/pyproject.toml deploy/standalone/pyproject.toml))
PINS := deploy/setup constraints.txt $(MEMBERS:=/pyproject.toml)

.PHONY: help setup setup-dev setup-demo run demo test chaos check docs format clean

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

setup: .venv/.installed ## install Stave and what it needs into .venv (again only when a dependency changed)
setup-dev: .venv/.installed-dev
setup-demo: .venv/.installed-demo

run: setup ## run the whole platform in one process at http://127.0.0.1:8080
	@exec $(BIN)/stave run --port $(PORT) --data-dir $(DATA_DIR) $(ARGS)

demo: setup-demo ## the closed loop on real data, from import to signed webhook, with a report
	@exec $(BIN)/stave demo --port $(PORT) $(ARGS)

test: setup-dev setup-demo ## every test, on a real PostgreSQL
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

chaos: setup-dev ## the crash experiments at full length
	$(BIN)/python -m pytest -m chaos tests/e2e $(ARGS)

check: setup-dev ## format, lint, types, imports
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup-dev ## format the code and fix what can be fixed
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

docs: setup-dev ## write the pages that are generated from code
	$(BIN)/python -m contracts.document > docs/events.md
	$(BIN)/python -m tests.support.settings_page

clean: ## remove what was installed and cached; your data (var) stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.installed: $(PINS)
	@PYTHON="$(PYTHON)" sh deploy/setup run $(MEMBERS)
	@touch $@

.venv/.installed-dev: .venv/.installed pyproject.toml
	@PYTHON="$(PYTHON)" sh deploy/setup dev
	@touch $@

.venv/.installed-demo: .venv/.installed
	@PYTHON="$(PYTHON)" sh deploy/setup demo
	@touch $@
