# Two commands for a bare checkout: `make demo` and `make test`. `make` lists all.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
RUNS := $(VENV)/.runs
PYTEST_ARGS ?=
JSON ?=

.DEFAULT_GOAL := help

help:  ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1\t\2/' | expand -t 22

NATIVE := $(shell find native -name '*.[ch]pp' -o -name CMakeLists.txt 2>/dev/null)

define environment
	@$(PYTHON) -c 'import sys; sys.exit("Weft needs Python 3.11 or newer; set PYTHON=/path/to/python3.11") if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(1)]'
endef

$(READY): pyproject.toml constraints.txt $(NATIVE)
	$(call environment,test)
	touch $@ $(RUNS)

$(RUNS): pyproject.toml constraints.txt $(NATIVE)
	$(call environment,gnn)
	touch $@

install: $(READY)  ## make the environment in .venv

demo: $(RUNS)  ## generate a shop, run the main job on it, name the report
	$(BIN)/weft demo demo

test: $(READY)  ## run all tests; what cannot run here is named
	$(BIN)/python -m pytest -n 2 --dist worksteal $(PYTEST_ARGS)

check: $(READY)  ## format, lint, types, room levels
	$(BIN)/ruff format --check src tests bench docs/build.py native/tests
	$(BIN)/ruff check src tests bench docs/build.py native/tests
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

check-native: $(READY)  ## the C++ tests under the address, undefined-behavior and thread sanitizers
	$(BIN)/python native/tests/run.py

stubs: $(READY)  ## write the type stubs of the native module
	$(BIN)/python -m nanobind.stubgen -q -m weft.graph._native -o src/weft/graph/_native.pyi
	$(BIN)/ruff format -q src/weft/graph/_native.pyi

format: $(READY)  ## format and fix what can be fixed
	$(BIN)/ruff format src tests bench docs/build.py native/tests
	$(BIN)/ruff check --fix src tests bench docs/build.py native/tests

docs: $(READY)  ## build the documentation into site/
	$(BIN)/python docs/build.py

bench: $(READY)  ## measure the stages on a retailer-sized generated shop
	$(BIN)/python bench/retail.py $(if $(JSON),--json $(JSON))

bench-graph: $(READY)  ## measure the graph engine beside the machine's limits and its peers
	$(BIN)/python bench/graph.py $(if $(JSON),--json $(JSON))

bench-flow: $(READY)  ## measure what a node costs beyond its program, in a thread and in a process
	$(BIN)/python bench/flow.py $(if $(JSON),--json $(JSON))

bench-accuracy: $(READY)  ## five seeds of the ladder on the real data sets in WEFT_TEST_DATA
	$(BIN)/python bench/accuracy.py $(if $(JSON),--json $(JSON))

bench-networks: $(READY)  ## measure networks: an epoch, inference, the estimate of their cost
	$(BIN)/python bench/networks.py $(if $(JSON),--json $(JSON))

bench-gpu: $(READY)  ## measure networks on a GPU: training and the best items; the CPU where there is none
	$(BIN)/python bench/gpu.py $(if $(JSON),--json $(JSON))

wheel: $(READY)  ## build the wheel into dist/
	$(BIN)/python -m build --wheel --outdir dist .

clean:  ## remove what the other commands made
	rm -rf $(VENV) build dist site demo .pytest_cache .mypy_cache .ruff_cache .hypothesis

.PHONY: help install demo test check check-native stubs format docs bench bench-graph bench-flow bench-accuracy bench-networks bench-gpu wheel clean
