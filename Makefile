# `make demo` and `make test` do everything on a fresh machine with Python >= 3.11; the second time they are quick.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CHECKS := $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports
# Two fifths of what is installed, which neither the demo nor the tests load; what they do load of it is compiled then.
UNUSED := site-packages/((.*/)?(tests|testing|_inductor)|alembic|huggingface_hub|mypyc?|pip|setuptools|sqlalchemy)/

# Where nothing is kept as bytecode, each of the programs that the tests start compiles the product anew: half of its start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-faults test-lerobot test-trainers test-wandb-versions test-slurm test-ssh test-mcp test-documents test-installs test-gpu check bench bench-judgement docs clean

demo: $(STAMP)
	$(BIN)/autoloop-tui demo

# mypy leaves all cores but one idle: meanwhile the tests are compiled, once, which each of pytest's workers would do anew. More
# tests at once than two cores compute: about half of the time a test waits for what it has started. Files come in their own
# order, and not those with few tests last: the longest test is alone in its file.
test: $(STAMP)
	$(BIN)/python -m pytest --collect-only -qq > /dev/null 2>&1 & $(CHECKS); checked=$$?; wait; exit $$checked
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

# Everything marked `faults`; each random test prints its seed, and FAULT_SEED=N repeats that one. What holds for any value is
# tried with more values.
test-faults: $(STAMP)
	$(BIN)/python -m pytest -m faults -n 2 --dist loadfile -rA --show-capture=stdout
	$(BIN)/python -m pytest -m "hypothesis and not faults" --hypothesis-profile=thorough -n 2 --dist loadfile

# Real LeRobot 0.4.4 on the CPU. Builds its environment (2 GB) below .envs/ once.
test-lerobot: $(STAMP)
	$(BIN)/python -m pytest -m lerobot -rs tests/lerobot

# Hydra, Transformers, TRL, Lightning, Keras, rsl-rl, torchrun: two rounds of each on the CPU, as docs/your-trainer.md says.
# Builds one environment (2 GB) below .envs/ once.
test-trainers: $(STAMP)
	$(BIN)/python -m pytest -m trainers -rs tests/real_trainers

# Files that five versions of the real wandb write. Builds an environment for each below .envs/ once.
test-wandb-versions: $(STAMP)
	$(BIN)/python -m pytest -m wandb_versions -rsP --show-capture=stdout tests/metric_readers

# A Slurm cluster of four nodes on this machine, made for each test. Needs slurmctld, slurmd and munged on PATH
# (apt-get install --no-install-recommends slurm-wlm munge); with slurmdbd and mariadb-server also accounting. The loop
# over all kinds of places also needs what test-ssh needs.
test-slurm: $(STAMP)
	$(BIN)/python -m pytest -m slurm -rs tests/slurm

# Three hosts on this machine, each an sshd on loopback in namespaces of its own, made for each test. Needs root, sshd, ssh
# (apt-get install --no-install-recommends openssh-server openssh-client), unshare and mount.
test-ssh: $(STAMP)
	$(BIN)/python -m pytest -m ssh -rs tests/ssh tests/console/remote

# Agents: three rounds driven by the SDK's client and by a script, with a person in the console (needs tmux), counted in calls
# and in tokens of o200k_base, which bpe-openai carries; and 10 000 calls that nobody should make.
test-mcp: $(STAMP)
	$(BIN)/python -m pip install -q -c constraints.txt bpe-openai
	$(BIN)/python -m pytest -m mcp -rs -s tests/agents

# The blocks of docs/ that train, each as it stands there.
test-documents: $(STAMP)
	$(BIN)/python -m pytest -m "documents or not documents" -rs tests/cli/test_document_blocks.py

# What would be published: checked as an index does, installed into empty environments of Python 3.11 to 3.13 (those that are
# here), and beside LeRobot and the trainers of `make test-trainers` without moving a package of theirs.
test-installs: $(STAMP)
	$(BIN)/python -m pip install -q -c constraints.txt twine
	$(BIN)/python -m pytest -m installs -rsP --show-capture=stdout tests/packaging

# The documentation site, below build/docs; open build/docs/index.html. Neither building nor reading it needs a network once
# its packages are installed.
docs: $(STAMP)
	$(BIN)/python -c 'import material' 2> /dev/null || $(BIN)/python -m pip install -q -c constraints.txt -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

# What needs a GPU: slots, NVML, out-of-memory, power, overhead. At most eight minutes; writes docs/performance/gpu.json, which
# `make bench PARTS=report` puts into the report. Without a GPU it says so. A machine that has Python, torch with CUDA and this
# checkout runs `python bench/gpu.py`; `python bench/gpu.py --prepare` brings our packages to .envs/gpu before.
test-gpu: $(STAMP)
	$(BIN)/python bench/gpu.py

check: $(STAMP)
	$(CHECKS)

# Speed: docs/performance.md. PARTS="console analysis" for some parts, PARTS=report to write the page anew.
bench: $(STAMP)
	$(BIN)/python -m bench $(PARTS)
	$(if $(PARTS),,$(BIN)/python bench/sources.py)
	$(if $(PARTS),,$(BIN)/python bench/watching.py)
	$(if $(PARTS),,$(BIN)/python bench/store.py)

# How often verdicts are wrong, how many runs they need, and what searches of the demo come to. Hours; goes on where it was
# interrupted. PARTS="simulated --quick" for a part or a short one.
bench-judgement: $(STAMP)
	$(BIN)/python -m bench.judgement $(PARTS)

# torch first and pinned, so that no other package pulls in a larger build of it. pip compiles on one core, so it is left to a
# program that uses all; a module for another Python does not compile, which is no trouble.
$(STAMP): pyproject.toml constraints.txt hatch_build.py core/autoloop/metric_readers/_native.c
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --no-compile -c constraints.txt torch
	$(BIN)/python -m pip install -q --no-compile -c constraints.txt -e '.[train,dev]'
	$(BIN)/python -m compileall -q -j 0 -x '$(UNUSED)' $(VENV)/lib > /dev/null || true
	touch $@

clean:
	rm -rf $(VENV)
