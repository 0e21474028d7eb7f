# One verb for each thing a developer or an operator does. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV  := .venv
BIN   := $(VENV)/bin
PIP   := $(BIN)/python -m pip --disable-pip-version-check --quiet

# The first interpreter that is new enough; a pyenv shim that points nowhere is passed over.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' 2>/dev/null && { echo $$p; break; }; done)

.PHONY: help
help: ## list the verbs
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | sort | awk -F'|' '{printf "  make %-15s %s\n", $$1, $$2}'

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "panic needs Python 3.11 to 3.14; name one with: make setup PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: .locks/run.txt .locks/build.txt pyproject.toml | $(VENV)/bin/python
	@echo "installing panic and what it runs on (pinned, hashes checked)"
	@$(PIP) install --require-hashes --no-deps -r .locks/run.txt
	@$(PIP) install --require-hashes --no-deps -r .locks/build.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: .locks/dev.txt | $(VENV)/.run
	@echo "installing what the tests and checks need (pinned, hashes checked)"
	@$(PIP) install --require-hashes --no-deps -r .locks/dev.txt
	@touch $@

$(VENV)/.page: .locks/package.json .locks/package-lock.json | $(VENV)/bin/python
	@echo "installing what checks the page's scripts (pinned, hashes checked)"
	@mkdir -p $(VENV)/page && cp .locks/package*.json $(VENV)/page && npm ci --prefix $(VENV)/page --ignore-scripts --silent --fetch-retries=0 --fetch-timeout=20000
	@touch $@

.PHONY: setup
setup: $(VENV)/.run ## prepare .venv with .venv/bin/panic

.PHONY: drill
drill: setup ## the whole main job against the embedded simulator
	@$(BIN)/panic drill --format table

.PHONY: demo
demo: setup ## the control room around the simulator, in your browser: practise
	@$(BIN)/panic drill --room

.PHONY: test
test: setup $(VENV)/.dev ## run the tests
	@$(BIN)/python -m pytest

.PHONY: browser
browser: ## install a browser for the tests of the control room, where there is none (Debian, as root)
	@for b in chromium chromium-browser google-chrome-stable google-chrome chrome; do \
	  command -v $$b >/dev/null && exit 0; done; \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null

.PHONY: check
check: lint test ## format, lint, types, import contract, tests

.PHONY: lint
lint: setup $(VENV)/.dev ## format, lint, types, import contract
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@if $(MAKE) -s $(VENV)/.page; then $(MAKE) -s lint-page; else echo "what checks the page's scripts cannot be had (npm): they are not checked" >&2; fi

PAGE := $(VENV)/page/node_modules/.bin

.PHONY: lint-page
lint-page: $(VENV)/.page ## format, lint and types of the page's scripts (needs npm)
	@$(PAGE)/biome check --error-on-warnings
	@$(PAGE)/tsc --project jsconfig.json

.PHONY: format
format: setup $(VENV)/.dev ## rewrite the sources in the house format
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix
	@if command -v npm >/dev/null; then $(MAKE) -s $(VENV)/.page && $(PAGE)/biome check --write; fi

.PHONY: bench
bench: setup $(VENV)/.dev ## measure the engine beside a bare aiohttp loop
	@$(BIN)/python -m tests.bench.engine

.PHONY: bench-service
bench-service: setup $(VENV)/.dev ## measure the time from a press at a running service to its first DELETE
	@$(BIN)/python -m tests.bench.service

.PHONY: bench-start
bench-start: setup $(VENV)/.dev ## measure a press from its process's start, and the memory of 100,000 accounts (minutes)
	@$(BIN)/python -m tests.bench.start

.PHONY: bench-pace
bench-pace: setup $(VENV)/.dev ## measure a press behind a broker's rate limit beside a plain paced loop (minutes)
	@$(BIN)/python -m tests.bench.pace

.PHONY: bench-room
bench-room: setup $(VENV)/.dev ## measure what pages that watch cost a press, and how smooth the board is
	@$(BIN)/python -m tests.bench.room
	@$(BIN)/python -m tests.bench.board

.PHONY: attack
attack: setup $(VENV)/.dev ## attack a running service while a person presses; names=NAME for one (minutes)
	@$(BIN)/python -m tests.attack $(names)

.PHONY: pictures
pictures: setup $(VENV)/.dev ## take the pictures of the control room in docs/pictures (needs a browser)
	@$(BIN)/python -m tests.browser.pictures

.PHONY: prove
prove: setup $(VENV)/.dev ## many seeded runs on virtual time: nothing lost, no false clear; and a fuzzed API (minutes)
	@$(BIN)/python -m tests.run.test_seeds --seeds 250
	@$(BIN)/python -m tests.run.test_seeds --seeds 250 --crash
	@FUZZ_CASES=2000 $(BIN)/python -m pytest -n 0 -s tests/service/test_fuzz.py
	@PROVE=1 $(BIN)/python -m pytest -q tests/run/test_elsewhere.py

.PHONY: search
search: setup $(VENV)/.dev ## run the tests whose cases are made up with other cases than ever before
	@$(BIN)/python -m pytest --hypothesis-profile=search $$(grep -rl "from hypothesis" tests --include='*.py')

.PHONY: mutants
mutants: setup $(VENV)/.dev ## seed defects into a copy of panic and see that the tests catch each (minutes)
	@$(BIN)/python -m tests.mutants --jobs 2

.PHONY: kill
kill: setup $(VENV)/.dev ## kill real processes in the middle, hundreds of times: nothing lost (minutes)
	@$(BIN)/python -m tests.kill --times 200

.PHONY: docs
docs: setup $(VENV)/.dev ## write what the docs take from the code: the outcome table and the schema
	@$(BIN)/python -m tests.docs

.PHONY: sbom
sbom: setup $(VENV)/.dev ## write dist/panic.cdx.json, the bill of materials (CycloneDX) of what the lock installs
	@mkdir -p dist && $(BIN)/python -m tests.sbom > dist/panic.cdx.json

.PHONY: lock
lock: ## pin every dependency again, with hashes and without a host (needs uv and npm)
	@for g in run build dev; do \
	  case $$g in run) what="pyproject.toml --extra notify --extra oidc --extra sign";; build) what="--group build";; \
	    dev) what="pyproject.toml --extra notify --extra oidc --extra sign --group dev";; esac; \
	  uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate \
	    --no-emit-index-url --no-emit-find-links $$what --output-file .locks/$$g.txt; done
	@npm install --prefix .locks --package-lock-only --omit-lockfile-registry-resolved --no-fund --no-audit --silent

.PHONY: clean
clean: ## remove what make made
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage dist
