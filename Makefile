# make quickstart   install into .venv and run the whole method on a tiny student, on the processor, to its report
# make test         install and run every test, the real tools included
# make fast         the tests that run no whole recipe and no real tool, in under a minute
# make lint         ruff and mypy
# make bench        side-by-side measurements
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: install quickstart test fast lint bench clean
install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml packaging/install.sh $(wildcard constraints/*.txt)
	bash packaging/install.sh $(VENV) $(PYTHON)
	touch $@

quickstart: install
	$(BIN)/mot-plugin run recipes/quickstart.yaml

test: install
	$(BIN)/python -m pytest

fast: install
	$(BIN)/python -m pytest -m "not contract and not process"

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: install
	$(BIN)/python benchmarks/merge.py
	$(BIN)/python benchmarks/orchestration.py

clean:
	rm -rf $(VENV) runs dist build
