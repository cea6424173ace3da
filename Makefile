# The same targets for people and for CI.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SYSTEM_STAMP := $(VENV)/.system
# Without the theme's notice of its successor.
BUILD_DOCS := env NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
# Each worker may take 4 GB for models of real size, and starts processes of its own.
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: install demo test test-quick check docs bench soak dist release clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) tools/require_python.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=24"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch torchvision
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

demo: install
	$(BIN)/flawline demo

$(SYSTEM_STAMP): tools/system_packages.sh
	tools/system_packages.sh
	touch $@

test: install $(SYSTEM_STAMP)
	$(PYTEST) --durations 25 --durations-min 2

test-quick: install
	$(PYTEST) -m "not slow"

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.docs --check
	$(BUILD_DOCS) --quiet

# Generated parts are written anew; a link that leads nowhere is an error.
docs: install
	$(BIN)/python -m tools.docs
	$(BUILD_DOCS)

bench: install
	$(BIN)/flawline bench

# Hours; Ctrl-C ends it, with the table of what was done so far. `ARGS="--minutes 30"` for less.
soak: install
	$(BIN)/python -m tests.soak $(ARGS)

# The wheel is built from the sdist, so that both are whole.
dist: install
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist

release: dist
	$(BIN)/python -m tools.release dist

clean:
	rm -rf $(VENV) build dist out *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
