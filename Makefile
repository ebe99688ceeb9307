# Each target does all of its own set-up: a virtual environment in .venv, then the job.
PYTHON ?= python3
# cpu takes PyTorch's build without CUDA, from PyTorch's own index, into a .venv that has none yet.
TORCH ?=
BIN := .venv/bin

.PHONY: demo test lint docs bench clean

demo: .venv/installed
	$(BIN)/network-prune inspect --method weights --p-prune 0.3
	$(BIN)/network-prune eval --method weights --p-prune 0.3 --p-bern 0.5 --draws 3

test: lint
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

bench: .venv/installed-dev
	$(BIN)/python -m benchmarks --growth
	$(BIN)/python -m benchmarks.surrogates
	$(BIN)/python -m benchmarks.evaluation
	$(BIN)/python -m benchmarks.sweeps
	$(BIN)/python -m benchmarks.iterations
	$(BIN)/python -m benchmarks.removal
	$(BIN)/python -m benchmarks.start
	$(BIN)/python -m benchmarks.sensitivity

lint: .venv/installed-dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright
	$(BIN)/codespell

docs: .venv/installed-dev
	$(BIN)/python scripts/build_site.py

# What runs, and what tests beside it: installed at once, so that nothing is downloaded twice.
.venv/installed: .venv/uv pyproject.toml
	$(call install,)
	touch $@

.venv/installed-dev: .venv/uv pyproject.toml
	$(call install,dev)
	touch .venv/installed $@

define install
@$(BIN)/python scripts/download_size.py $(1:%=--extra %) $(TORCH:%=--torch-backend %)
$(BIN)/uv pip install --quiet --python $(BIN)/python $(TORCH:%=--torch-backend %) --editable '.$(1:%=[%])'
endef

.venv/uv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "network-prune needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; pass PYTHON=python3.12, say")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	touch $@

clean:
	rm -rf .venv site
