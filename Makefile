# `make demo` trains a small model and shows what it gained; `make test` proves the rest; `make bench` measures it beside others.
PYTHON ?= python3
BIN := .venv/bin
RUN := runs/demo

.PHONY: demo demo-flywheel docs test test-data test-vllm bench clean

demo: .venv/installed
	@if [ -f $(RUN)/recipe.toml ]; then $(BIN)/outgrow resume $(RUN); else $(BIN)/outgrow train micro --out $(RUN); fi

# Two turns of the flywheel; runs/micro-flywheel/flywheel.html shows teacher, students and generations. Called again, it goes on.
demo-flywheel: .venv/installed
	$(BIN)/outgrow flywheel micro-flywheel

# The documentation: docs/reference is written from the code, and build/site/index.html is the page to open. Search needs a server, as
# `python3 -m http.server -d build/site`.
docs: .venv/installed-test
	$(BIN)/python docs/generate.py
	$(BIN)/python -m zensical build --strict --clean

test: .venv/installed-test
	$(BIN)/ruff check src tests tests_data tests_vllm examples docs/generate.py docs/_generate
	$(BIN)/ruff format --check src tests tests_data tests_vllm examples docs/generate.py docs/_generate
	$(BIN)/mypy
	$(BIN)/mypy docs/generate.py
	$(BIN)/lint-imports
	HF_HUB_OFFLINE=1 $(BIN)/pytest -n 2 --dist worksteal

# What needs the public sets whole, which are not part of the project: OUTGROW_DATA=FOLDER make test-data, with FOLDER/gsm8k/train.jsonl
# and the other files that tests/data/README.md names. `make test` reads the few rows of tests/data in their place.
test-data: .venv/installed-test
	HF_HUB_OFFLINE=1 $(BIN)/pytest tests_data

# vLLM asks for other versions than outgrow's own, so it has an environment of its own (docs/dependencies.md).
test-vllm: .venv-vllm/installed
	HF_HUB_OFFLINE=1 .venv-vllm/bin/pytest tests_vllm

# Nothing else should run beside it: 40 minutes on 2 cores. What it measured stays in benchmarks/results and in docs/results/speed.md.
bench: .venv/installed-test .venv-vllm/installed
	$(BIN)/outgrow pull smollm2-135m
	$(BIN)/python benchmarks/vs_trl.py smollm2-135m --rounds 2
	$(BIN)/python benchmarks/vs_trl.py micro
	$(BIN)/python benchmarks/vs_vllm.py --rounds 2
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/table.py

# The pinned sets; pyproject.toml holds the ranges that the package itself accepts.
.venv/installed: requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

.venv/installed-test: requirements-test.txt requirements-docs.txt .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-test.txt
	touch $@

# --no-deps: the list is whole, and what vLLM and outgrow ask for would not go together.
.venv-vllm/installed: requirements-vllm.txt pyproject.toml
	$(PYTHON) -m venv .venv-vllm
	.venv-vllm/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-vllm.txt
	.venv-vllm/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

clean:
	rm -rf .venv .venv-vllm runs build .cache
