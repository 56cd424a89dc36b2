# `make demo` trains a small model and shows what it gained; `make test` proves the rest; `make bench` measures it beside others.
PYTHON ?= python3
BIN := .venv/bin
RUN := runs/demo

# Every package is pinned with its hashes, and what a package asks for is in the same list: nothing else is fetched.
INSTALL := -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps
PACKAGE := -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .

.PHONY: demo demo-flywheel docs test test-data test-vllm bench bench-scale audit lock clean

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
	HF_HUB_OFFLINE=1 $(BIN)/pytest -n 3 --dist worksteal

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
	$(BIN)/python benchmarks/rollouts_05b.py
	$(BIN)/python benchmarks/vs_vllm.py --rounds 2
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/table.py

# The same for a run of several processes: actors, ranks, writing ahead. It stays in benchmarks/results and in docs/results/speed.md.
bench-scale: .venv/installed-test
	$(BIN)/outgrow pull smollm2-135m
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/table.py

# What is known of the pinned versions: vulnerabilities, by the advisories that pip-audit asks for. It needs a network.
audit: .venv-audit/installed
	@for set in audit build cuda test vllm; do \
		echo "requirements-$$set.txt"; \
		.venv-audit/bin/pip-audit --progress-spinner off --disable-pip --require-hashes -r requirements-$$set.txt || failed=1; \
	done; test -z "$$failed"

# The hashes of the pinned versions, after a change of one: edit the version, call this, look at the difference.
lock: .venv-audit/installed
	.venv-audit/bin/python .ci/lock.py

# The pinned sets; pyproject.toml holds the ranges that the package itself accepts. torch comes as its CPU build where pip finds that.
.venv/installed: requirements.txt requirements-build.txt requirements-torch-cpu.txt requirements-torch.txt requirements-cuda.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python $(INSTALL) -r requirements-torch-cpu.txt 2>/dev/null || { \
		$(BIN)/python $(INSTALL) -r requirements-torch.txt && \
		{ test "$$(uname -s)" != Linux || $(BIN)/python $(INSTALL) -r requirements-cuda.txt; }; }
	$(BIN)/python $(INSTALL) -r requirements.txt -r requirements-build.txt
	$(BIN)/python $(PACKAGE)
	touch $@

.venv/installed-test: requirements-test.txt requirements-docs.txt .venv/installed
	$(BIN)/python $(INSTALL) -r requirements-test.txt
	touch $@

# What vLLM and outgrow ask for would not go together, so nothing is resolved here: the list is whole.
.venv-vllm/installed: requirements-vllm.txt requirements-build.txt pyproject.toml
	$(PYTHON) -m venv .venv-vllm
	.venv-vllm/bin/python $(INSTALL) -r requirements-vllm.txt -r requirements-build.txt
	.venv-vllm/bin/python $(PACKAGE)
	touch $@

.venv-audit/installed: requirements-audit.txt
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python $(INSTALL) -r requirements-audit.txt
	touch $@

clean:
	rm -rf .venv .venv-vllm .venv-audit runs build .cache
