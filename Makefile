# Two commands are enough: `make demo` and `make test`. Both share one environment in .venv; a second run installs nothing.
PYTHON ?= python3
TORCH  ?= torch==2.13.0+cpu
INPUT  ?=
SHAPES ?=
SIZES  ?= 256x256x24
STEPS  ?= 10000
OUT    ?= demo

VENV  := .venv
BIN   := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PIP   := $(BIN)/python -m pip install -qq --no-compile --disable-pip-version-check -c Resources/Install/constraints.txt
WHEEL_INDEX := https://download.pytorch.org/whl/cpu

.PHONY: help demo test lint format bench train cmake-lists terminology clean
help: ## Show what can be made.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/.installed ## Run the main job on a phantom made on the spot, or on INPUT=path; results go to OUT=demo.
	$(BIN)/python -m MultiJointSegLib demo $(if $(INPUT),--input "$(INPUT)") -o "$(OUT)"

test: $(VENV)/.tested ## Run the tests.
	$(BIN)/python -m pytest

lint: $(VENV)/.tested ## Check style and types.
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: $(VENV)/.tested ## Rewrite the sources in the project's style.
	$(BIN)/ruff check --fix-only . ; $(BIN)/ruff format .

bench: $(VENV)/.installed ## Time the main job on phantoms of SIZES="256x256x24 ..."; the table goes to runs/benchmark.json.
	$(BIN)/python Testing/Benchmarks/main_job.py --sizes $(SIZES) -o runs/benchmark.json

train: $(VENV)/.training ## Train the shared network (STEPS=10000) on phantoms, and on real bone shapes from SHAPES=folder; results in runs/.
	$(BIN)/python -m MultiJointSegLib.learning.bank_building runs/bank $(if $(SHAPES),--shapes "$(SHAPES)")
	$(BIN)/python -m MultiJointSegLib.learning.train_shared runs/shared --bank runs/bank --steps $(STEPS)

cmake-lists: ## Rewrite the file lists of the CMakeLists from the tree.
	$(PYTHON) Testing/cmake_lists.py

terminology: $(VENV)/.installed ## Rewrite terminology and color table from anatomy.json.
	$(BIN)/python -m MultiJointSegLib.anatomy.terminology

clean: ## Remove the environment and caches.
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The CPU build of torch: from the index at hand, else from PyTorch's own, else the plain release (the CPU build on macOS).
$(VENV)/.torch:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; name one: make PYTHON=python3.12 ...")'
	@echo "[1/3] Creating $(VENV) and installing $(TORCH) (about 200 MB) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) "$(TORCH)" 2>/dev/null || $(PIP) "$(TORCH)" --extra-index-url $(WHEEL_INDEX) 2>/dev/null || $(PIP) "$(firstword $(subst +, ,$(TORCH)))"
	@touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml Resources/Install/constraints.txt
	@echo "[2/3] Installing MultiJointSeg and what it runs on (about 400 MB) ..."
	@$(PIP) -e ".[fast,slicer]" && touch $@

$(VENV)/.tested: $(VENV)/.installed
	@echo "[3/3] Installing what the tests need ..."
	@$(PIP) -e ".[fast,slicer,test]" && touch $@

$(VENV)/.training: $(VENV)/.installed
	@echo "[3/3] Installing what training needs ..."
	@$(PIP) -e ".[fast,slicer,train]" && touch $@
