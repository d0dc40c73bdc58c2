# `make help` lists the targets: each is described by the ## comment on its line.

PYTHON ?= python3
JOBS   ?= 2
PY     := .venv/bin/python

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint types pytest format fuzz bench bench-search bench-studies verify regen clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

# ---- environments: one folder, two stamps, so that the demo waits only for what it runs ----------

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("archdsl needs Python 3.11 or later: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv

.venv/.run: pyproject.toml | .venv/bin/python
	$(PY) -m pip install --quiet --disable-pip-version-check -e .
	@$(PY) -m compileall -q archdsl
	@touch $@

.venv/.dev: pyproject.toml | .venv/bin/python
	$(PY) -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@$(PY) -m compileall -q archdsl
	@touch .venv/.run $@

# ---- use ----------------------------------------------------------------------------------------

demo: .venv/.run ## search, derive and retrain a network on real images, in minutes
	$(PY) -u -m archdsl.run.demo

# ---- checks -------------------------------------------------------------------------------------

test: lint types pytest ## lint, types and tests

lint: .venv/.dev ## ruff: rules and layout
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: .venv/.dev ## mypy, strict for archdsl/
	$(PY) -m mypy

# The workers share the cores: more threads than one in each only slow the others down.
pytest: export OMP_NUM_THREADS := 1
pytest: .venv/.dev ## the tests alone
	$(PY) -m pytest -q -n $(JOBS) --dist=worksteal

format: .venv/.dev ## apply the fixes and the layout that lint asks for
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

# ---- longer work --------------------------------------------------------------------------------

fuzz: .venv/.dev ## random and mutated inputs, many more than in test
	$(PY) -m tests.fuzz

bench: .venv/.dev ## measure, and write the tables of benchmarks/
	$(PY) -m benchmarks

bench-search: .venv/.dev ## searches of NAS-Bench-201: controllers side by side, at most two hours
	$(PY) -m benchmarks.search
	$(PY) -m benchmarks.objectives

# The studies need the image packs; killed, they go on from runs/.
bench-studies: .venv/.dev ## MetaFormer-NAS, GLiT and DASViT on a CIFAR-10 subset: two hours of one core
	$(PY) -m benchmarks.metaformer_cells
	$(PY) -m benchmarks.metaformer_search
	$(PY) -m benchmarks.glit_levels
	$(PY) -m benchmarks.dasvit

verify: .venv/.dev ## supernet path = network = optimised network at full counts; trainings, kills and faults
	$(PY) -m tests.verify_full
	$(PY) -m tests.verify_spaces
	$(PY) -m tests.verify_deploy
	$(PY) -m tests.verify_trained
	$(PY) -m tests.kill_workers
	$(PY) -m tests.faults

regen: .venv/.dev ## write generated/, docs/reference.md and the catalogue of spaces anew
	$(PY) -m tests.regen
	$(PY) -m tests.reference

clean: ## remove caches and builds, keep .venv
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find archdsl benchmarks generated tests -name __pycache__ -type d -prune -exec rm -rf {} +
