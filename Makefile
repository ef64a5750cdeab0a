# Works with GNU make 3.81 and later. `make` alone explains the targets.

VENV := .venv
BIN := $(VENV)/bin
RUNNABLE := $(VENV)/.runnable
READY := $(VENV)/.installed

# Scripts in a virtual environment keep absolute paths: one that was moved, or whose Python is gone, is made anew.
ifneq ($(shell cat $(VENV)/.made-for 2>/dev/null && $(BIN)/python -c pass 2>/dev/null || echo broken),$(CURDIR))
STALE := stale
endif

.PHONY: help
help: ## Show this list
	@echo "Paycore. make TARGET, where TARGET is:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "Options: PYTHON=/path/to/python3 (3.11 to 3.14) chooses the Python; PAYCORE_PORT=9000 make run moves the port."

.PHONY: run
run: $(RUNNABLE) ## Start everything: PostgreSQL, Redis, demo data, API and relay on port 8000
	@$(BIN)/paycore dev

# Five at a time: many tests wait for a time limit or a restart. With six, those that kill processes ran out of their time.
# Pytest keeps what it compiled, whatever the environment says: each worker would compile all tests again.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest

.PHONY: test
test: $(READY) ## Run the tests on real servers, five at a time: all but those of the pages and the heavy ones
	@$(PYTEST) -n 5 --dist loadscope -m 'not heavy' --ignore tests/browser

.PHONY: test-browser
test-browser: $(READY) ## Run the tests of the pages in a real Chromium, four groups at a time
	@$(PYTEST) -n 4 --dist loadscope tests/browser

.PHONY: test-heavy
test-heavy: $(READY) ## Run the heavy tests, two at a time: the image's steps, the benchmark, chaos, generated requests
	@$(PYTEST) -n 2 --dist loadscope -m heavy

.PHONY: pictures
pictures: $(READY) ## Take the pictures of the README and of the tests again; look at each before you commit it
	@PAYCORE_TEST_PICTURES=1 PAYCORE_TEST_BROWSER=required $(BIN)/python -m pytest tests/browser/test_looks.py tests/browser/test_pictures.py -k picture

.PHONY: bench
bench: $(READY) ## Measure Paycore against SQL on the same server; QUICK=1 takes 3 minutes
	@$(BIN)/python -m bench $(if $(QUICK),--profile quick)

.PHONY: check
check: check-code check-pages ## Check format, lint, types, layers, the lock, what is generated, and the dashboard; faster with -j 2

.PHONY: check-code
check-code: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python requirements/check.py
	$(BIN)/paycore schema | diff schema.graphql - || { echo 'schema.graphql is stale: make generate' >&2; exit 1; }
	$(BIN)/python -m docs.generate --check

# Builds the dashboard and runs its unit tests.
.PHONY: check-pages
check-pages: $(READY)
	$(BIN)/python -m app.demo.dashboard_build

.PHONY: format
format: $(READY) ## Format the code and repair what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: generate
generate: $(READY) ## Write schema.graphql, migrations/schema.sql and the references anew from the code
	$(BIN)/paycore schema > schema.graphql.new
	mv schema.graphql.new schema.graphql
	$(BIN)/python -m tests.migrations.dump > migrations/schema.sql.new
	mv migrations/schema.sql.new migrations/schema.sql
	$(BIN)/python -m docs.generate

.PHONY: sbom
sbom: $(READY) ## List what the service and its pages are made of, as CycloneDX files in build/
	@mkdir -p build
	$(BIN)/cyclonedx-py requirements requirements/runtime.txt --of JSON -o build/sbom-python.json
	@if command -v npm >/dev/null; then cd frontend-demo && npm sbom --package-lock-only --omit dev --sbom-format cyclonedx > ../build/sbom-pages.json; \
	else echo 'no npm here, so no list of what the pages are made of' >&2; fi

.PHONY: lock
lock: $(READY) ## Lock the newest versions that pyproject.toml allows
	$(LOCK) requirements/uv.in -o requirements/uv.txt
	$(LOCK) pyproject.toml -o requirements/runtime.txt
	$(LOCK) --group build -o requirements/build.txt
	$(LOCK) pyproject.toml --extra embedded --group dev -c requirements/runtime.txt -c requirements/build.txt -o requirements/dev.txt
	$(LOCK) pyproject.toml --extra embedded --group run -c requirements/dev.txt -o requirements/run.txt

LOCK = $(BIN)/python requirements/uv.py pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header

.PHONY: venv
venv: $(READY) ## Make the virtual environment in .venv, with all that tests and checks need

.PHONY: clean
clean: ## Remove the virtual environment and caches; the demo's data in .paycore stays
	rm -rf $(VENV) frontend-demo/node_modules frontend-demo/dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find app migrations tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUNNABLE): requirements/setup.sh requirements/uv.py requirements/uv.txt requirements/run.txt pyproject.toml $(STALE)
	@PYTHON="$(PYTHON)" sh requirements/setup.sh $(VENV) run

$(READY): requirements/setup.sh requirements/uv.py requirements/uv.txt requirements/dev.txt pyproject.toml $(STALE)
	@PYTHON="$(PYTHON)" sh requirements/setup.sh $(VENV) dev

.PHONY: stale
stale:
