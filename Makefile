# Two commands do everything: `make demo` and `make test`.
VENV ?= .venv
BIN  := $(VENV)/bin
export TF_CPP_MIN_LOG_LEVEL ?= 3

# TensorFlow has wheels for these; `make demo PYTHON=...` takes another one
PYTHON ?= $(firstword $(shell for p in python3.13 python3.12 python3.11 python3; do \
    $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
        2>/dev/null && echo $$p; done))
# What is installed: the pinned environment, or with NEWEST=1 the newest of everything
ifdef NEWEST
WANTED := --upgrade -e ".[tensorflow,grading,dev]"
TESTED := $(WANTED)
else
WANTED := -r requirements.txt
TESTED := -r requirements-dev.txt
endif

# Keras' networks on one thread each do not wait for each other
ONE_THREAD := OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1
PAGES := $(BIN)/jupyter nbconvert --to html --execute --output-dir pages solutions/*.ipynb

.PHONY: help demo test notebooks pages axe test-jax test-gpu lab build lint bench box clean

help:
	@echo "make demo      environment, then a lab run and a small class graded, offline"
	@echo "make test      everything CI runs: lint, builds current, tests, notebooks"
	@echo "make lab       JupyterLab on the student notebooks"
	@echo "make build     both notebooks of every lab from solutions/labNN_topic.py"
	@echo "make test-jax  networks, arithmetic, checks and probes on the JAX backend"
	@echo "make test-gpu  the notebooks on a GPU; fails where Keras sees none"
	@echo "make axe       are the pages accessible? wants npm and Chrome"
	@echo "make bench     side-by-side measurements in benchmarks/"

demo: $(VENV)/.installed box
	$(BIN)/cnnlab demo

test: $(VENV)/.tested box lint
	$(BIN)/cnnlab build --check
	$(ONE_THREAD) $(BIN)/python -m pytest -n 3 --dist loadgroup
	$(MAKE) notebooks

# Offline and without course data, so that they are what they were when committed
notebooks: $(VENV)/.tested
	env -u CNNLAB_DATA CNNLAB_BUDGET=smoke CNNLAB_OFFLINE=1 $(ONE_THREAD) \
	    $(BIN)/python -m pytest -n 3 --nbval-lax --nbval-cell-timeout=300 \
	    --dist loadfile solutions

# The solved notebooks as web pages, figures and all
pages: $(VENV)/.installed
	env -u CNNLAB_DATA CNNLAB_BUDGET=smoke CNNLAB_OFFLINE=1 $(PAGES)

# Those pages and the ones of a graded class, read by axe in the Chrome that is here
axe: pages demo
	npm install --no-save --silent --prefix .axe axe-core@4 playwright-core@1
	node tests/axe.mjs pages/*.html demo/grades/*.html demo/grades/feedback/*.html

test-jax: $(VENV)/.tested
	KERAS_BACKEND=jax $(BIN)/python -m pytest -n 2 tests/test_models.py \
	    tests/test_blocks.py tests/test_arithmetic.py tests/test_train.py \
	    tests/test_teaching_*.py tests/test_checks_*.py

# With CUDA from the package index; pages/ then holds what every lab shows on a GPU
test-gpu: $(VENV)/.tested
	@nvidia-smi -L 2>/dev/null || { echo "no NVIDIA GPU here"; exit 1; }
	$(BIN)/uv pip install -q --python $(BIN)/python -r requirements-dev.txt -e ".[gpu]"
	$(BIN)/python -c "from cnnlab import train; assert train.device() == 'gpu', 'no GPU'"
	CNNLAB_BUDGET=smoke $(BIN)/python -m pytest --nbval-lax \
	    --nbval-cell-timeout=600 solutions
	CNNLAB_BUDGET=gpu $(PAGES)

lab: $(VENV)/.installed
	$(BIN)/jupyter lab labs

build: $(VENV)/.installed
	$(BIN)/cnnlab build

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: $(VENV)/.tested
	$(BIN)/uv pip install -q --python $(BIN)/python otter-grader==7.0.0
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

# Students' code is graded inside bubblewrap. Installed here where that is allowed.
box:
	@if [ "$$(uname)" != Linux ] || command -v bwrap >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing bubblewrap"; \
	    { apt-get update && apt-get install -y bubblewrap; } >/dev/null 2>&1 || \
	        echo "could not install bubblewrap; see README, 'I am a teaching assistant'"; \
	else echo "bubblewrap is missing: ask for 'apt-get install bubblewrap' (or dnf)"; fi

$(VENV)/.python:
	@if [ -n "$(PYTHON)" ]; then $(PYTHON) -m venv $(VENV); \
	elif command -v uv >/dev/null; then uv venv -q --seed --python '>=3.11,<3.14' $(VENV); \
	else echo "TensorFlow runs on Python 3.11, 3.12 and 3.13, and none of them is here." \
	    "Install one of them, or uv, which fetches one: https://docs.astral.sh/uv"; exit 1; fi
	$(BIN)/python -m pip install -q --disable-pip-version-check uv==0.13.9
	@touch $@

# uv takes a quarter of pip's time; the box mounts site-packages read-only: compiled
$(VENV)/.installed: $(VENV)/.python requirements.txt pyproject.toml
	@echo "installing the environment (760 MB to download, 2.5 GB on disk)"
	$(BIN)/uv pip install -q --compile-bytecode --python $(BIN)/python $(WANTED)
	@touch $@

$(VENV)/.tested: requirements-dev.txt $(VENV)/.installed
	$(BIN)/uv pip install -q --compile-bytecode --python $(BIN)/python $(TESTED)
	@touch $@

clean:
	rm -rf $(VENV) demo grades pages .axe
