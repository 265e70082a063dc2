# `make demo` and `make test` need only Python >= 3.11 and install everything else; later calls skip that.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
QUICK_CHECKS := $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports
# Half of the installed files, not precompiled because neither the demo nor the tests use most of them. Any that are imported
# anyway are compiled at that time.
UNUSED := site-packages/((.*/)?(tests|testing|benchmarks|_inductor|_vendor|lexers|physics)|alembic|fsspec|huggingface_hub|mypyc?|opentelemetry|pip|setuptools|sqlalchemy|torchgen)/
COMPILE := $(BIN)/python -m compileall -q -x '$(UNUSED)' $(VENV)/lib > /dev/null

# Without stored bytecode, every program that the tests start compiles the product again, half of its start time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-faults test-lerobot test-trainers test-wandb-versions test-slurm test-ssh test-mcp test-documents test-installs test-gpu check bench bench-judgement docs clean

demo: $(STAMP)
	$(BIN)/autoloop-tui demo

# mypy uses one core for half a minute. Meanwhile the tests are collected, which compiles them once instead of in each pytest
# worker, and started; mypy's errors are printed after them. Six workers suit even two cores, because a test spends more than
# half of its time waiting, for programs that it started or until a screen is idle. Files keep their order instead of those
# with few tests coming last, because the longest test is alone in its file.
test: $(STAMP)
	$(QUICK_CHECKS)
	$(BIN)/mypy > $(VENV)/mypy.txt 2>&1 & typed=$$!; \
	$(BIN)/python -m pytest --collect-only -qq > /dev/null 2>&1; \
	$(BIN)/python -m pytest -n 6 --dist loadfile --no-loadscope-reorder; tested=$$?; \
	wait $$typed || { cat $(VENV)/mypy.txt; exit 1; }; exit $$tested

# Everything marked `faults`; each random test prints its seed, and FAULT_SEED=N repeats one. Property-based tests run with
# more examples.
test-faults: $(STAMP)
	$(BIN)/python -m pytest -m faults -n 2 --dist loadfile -rA --show-capture=stdout
	$(BIN)/python -m pytest -m "hypothesis and not faults" --hypothesis-profile=thorough -n 2 --dist loadfile

# Real LeRobot 0.4.4 on the CPU. Builds its environment (2 GB) once, below .envs/.
test-lerobot: $(STAMP)
	$(BIN)/python -m pytest -m lerobot -rs tests/lerobot

# Hydra, Transformers, TRL, Lightning, Keras, rsl-rl, torchrun: two rounds of each on the CPU, as in docs/your-trainer.md.
# Builds one environment (2 GB) once, below .envs/.
test-trainers: $(STAMP)
	$(BIN)/python -m pytest -m trainers -rs tests/real_trainers

# Files written by five versions of the real wandb. Builds an environment for each once, below .envs/.
test-wandb-versions: $(STAMP)
	$(BIN)/python -m pytest -m wandb_versions -rsP --show-capture=stdout tests/metric_readers

# A Slurm cluster of four nodes on this machine, created for each test. Needs slurmctld, slurmd and munged on PATH
# (apt-get install --no-install-recommends slurm-wlm munge); accounting is tested with slurmdbd and mariadb-server. The test
# of one loop on all kinds of places also has the requirements of test-ssh.
test-slurm: $(STAMP)
	$(BIN)/python -m pytest -m slurm -rs tests/slurm

# Three hosts on this machine, each an sshd on loopback in its own namespaces, created for each test. Needs root, sshd, ssh
# (apt-get install --no-install-recommends openssh-server openssh-client), unshare and mount.
test-ssh: $(STAMP)
	$(BIN)/python -m pytest -m ssh -rs tests/ssh tests/console/remote

# Agents: three rounds driven by the SDK's client and by a script, with a person in the console (needs tmux), measured in
# calls and in o200k_base tokens (from bpe-openai); and 10 000 calls that no agent should make.
test-mcp: $(STAMP)
	$(BIN)/python -m pip install -q -c constraints.txt bpe-openai
	$(BIN)/python -m pytest -m mcp -rs -s tests/agents

# The blocks of docs/ that train, run unchanged.
test-documents: $(STAMP)
	$(BIN)/python -m pytest -m "documents or not documents" -rs tests/cli/test_document_blocks.py

# The distributions to publish: checked like a package index does, installed into empty environments of Python 3.11 to 3.13
# (those available), and next to LeRobot and the trainers of `make test-trainers` without changing any of their packages.
test-installs: $(STAMP)
	$(BIN)/python -m pip install -q -c constraints.txt twine
	$(BIN)/python -m pytest -m installs -rsP --show-capture=stdout tests/packaging

# The documentation site, in build/docs; open build/docs/index.html. Once its packages are installed, building and reading it
# need no network.
docs: $(STAMP)
	$(BIN)/python -c 'import material' 2> /dev/null || $(BIN)/python -m pip install -q -c constraints.txt -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

# Everything that needs a GPU: slots, NVML, out-of-memory, power, overhead. Takes at most eight minutes and writes
# docs/performance/gpu.json, which `make bench PARTS=report` adds to the report. Without a GPU it prints a message. On a
# machine with only Python, torch with CUDA and this checkout, run `python bench/gpu.py`; before that, where there is a
# network, `python bench/gpu.py --prepare` puts the other packages into .envs/gpu.
test-gpu: $(STAMP)
	$(BIN)/python bench/gpu.py

check: $(STAMP)
	$(QUICK_CHECKS) && $(BIN)/mypy

# Speed: docs/performance.md. PARTS="console analysis" runs some parts, PARTS=report rewrites the page.
bench: $(STAMP)
	$(BIN)/python -m bench $(PARTS)

# How often verdicts are wrong, how many runs they need, and the results of searches on the demo. Takes hours; continues
# after an interruption. PARTS="simulated --quick" selects a part or a short version.
bench-judgement: $(STAMP)
	$(BIN)/python -m bench.judgement $(PARTS)

# torch first and pinned, so that no other package pulls in a larger build. pip uses one core, so what came with torch is
# compiled while it installs the rest, which is then compiled on all cores. Modules for other Python versions fail to compile,
# which does not matter.
$(STAMP): pyproject.toml constraints.txt hatch_build.py core/autoloop/metric_readers/_native.c
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --no-compile -c constraints.txt torch
	$(COMPILE) & $(BIN)/python -m pip install -q --no-compile -c constraints.txt -e '.[train,dev]'; installed=$$?; \
	wait; exit $$installed
	$(COMPILE) -j 0 || true
	touch $@

clean:
	rm -rf $(VENV)
