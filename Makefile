# `make demo` and `make test` set up all that they need, from Python 3.11 on. The set-up is done again
# when pyproject.toml changes; everything lies in .venv, .venv-test and .build.

PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SEED ?=
FILE ?=

.DEFAULT_GOAL := help
.PHONY: help demo check test test-all bench lint format types docs clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo      send real objects from storescu to storescp and print the table'
	@echo 'make check     within a minute: lint, types, the tests nearest to what changed, or to FILE=tests/engine'
	@echo 'make test FILE=tests/engine  all tests of a folder or a file, or one test, and nothing else'
	@echo 'make test      every gate: lint, types, the wheel and its tests, docs, 20 s of fuzzing'
	@echo 'make test-all  the same, with attack, kill and long fuzz runs'
	@echo 'make bench     against DCMTK and others in the same run, with goals; ROW=scu-* chooses rows, JSON=FILE keeps the figures'
	@echo 'make bench AGAINST=REVISION  against another revision of ours; it fails where this one is slower'
	@echo 'make lint, make format, make types, make docs, make clean: one part'

demo: .venv/.installed
	@$(BIN)/python docs/examples/demo.py

check: .venv/.developer
	@$(BIN)/python -m tests.check $(FILE)

test: .venv/.developer
	@$(BIN)/python $(if $(FILE),-m tests.check --tests $(FILE),tests/gates.py) $(if $(SEED),--seed $(SEED))

test-all: .venv/.developer
	@$(BIN)/python tests/gates.py --all $(if $(SEED),--seed $(SEED))

# Rows with goals; ROW=name or a pattern chooses, JSON=FILE keeps the figures, DOCS=FOLDER gets tables and a plot.
# Against another revision (AGAINST=v0.1.0), by pairs; ROWS=echo,find chooses rows, PAIRS=31 how many.
bench: .venv/.developer
	@$(BIN)/python -m tests.benchmarks$(if $(AGAINST),.against $(AGAINST) $(if $(ROWS),--rows $(ROWS)), $(if $(ROW),--row '$(ROW)') $(if $(JSON),--json $(JSON)) $(if $(DOCS),--docs $(DOCS))) $(if $(PAIRS),--pairs $(PAIRS))

lint docs: .venv/.developer
	@$(BIN)/python tests/gates.py --only $@

types: .venv/.developer
	@$(BIN)/python tests/gates.py --only types --only pyright

format: .venv/.developer
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

clean:
	rm -rf .venv .venv-test .build .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Debian keeps `ensurepip` in a package of its own.
.venv/bin/python:
	@test -n '$(PYTHON)' || { echo 'no Python from 3.11 on was found; set PYTHON=...' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
		package=$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			export DEBIAN_FRONTEND=noninteractive; \
			apt-get -q update && apt-get -qy install $$package; \
		else \
			echo "$(PYTHON) cannot make virtual environments; install $$package" >&2; exit 1; \
		fi; }
	@$(PYTHON) -m venv .venv
	@$(PIP) install --quiet --upgrade 'pip>=25.1' # the first that knows dependency groups

.venv/.installed: pyproject.toml | .venv/bin/python
	@echo 'installing dicomproto and its extras in .venv'
	@$(PIP) install --quiet --editable '.[trio,anyio,apps,testing]'
	@touch $@

DOCUMENTS := tests/pynetdicom/blocks/sources.py

.venv/.developer: .venv/.installed $(DOCUMENTS)
	@echo 'installing the developer tools in .venv'
	@$(PIP) install --quiet --group dev
	@$(BIN)/python $(DOCUMENTS)
	@touch $@
