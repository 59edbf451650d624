# Two commands do everything: `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: help demo test test-jax lab build lint bench box clean

help:
	@echo "make demo   environment, then a lab run and a small class graded, offline"
	@echo "make test   everything CI runs: lint, builds current, tests, notebooks"
	@echo "make lab    JupyterLab on the student notebooks"
	@echo "make build  both notebooks of every lab from solutions/labNN_topic.py"
	@echo "make bench  side-by-side measurements in benchmarks/"

demo: $(VENV)/.installed box
	$(BIN)/cnnlab demo

# Workers of one thread each do not wait for each other; three, as some of them wait
test: export OMP_NUM_THREADS = 1
test: export TF_NUM_INTRAOP_THREADS = 1
test: $(VENV)/.tested box lint
	$(BIN)/cnnlab build --check
	$(BIN)/python -m pytest -n 3 --dist loadgroup
	CNNLAB_BUDGET=smoke CNNLAB_OFFLINE=1 $(BIN)/python -m pytest -n 2 \
	    --nbval-lax --nbval-cell-timeout=300 --dist loadfile solutions

test-jax: $(VENV)/.tested
	KERAS_BACKEND=jax $(BIN)/python -m pytest -n 2 tests/test_models.py \
	    tests/test_blocks.py tests/test_arithmetic.py tests/test_teaching_check.py \
	    tests/test_teaching_*.py \
	    tests/test_checks_*.py

lab: $(VENV)/.installed
	$(BIN)/jupyter lab labs

build: $(VENV)/.installed
	$(BIN)/cnnlab build

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: $(VENV)/.tested
	$(BIN)/python -m pip install -q --disable-pip-version-check otter-grader==7.0.0
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

# Students' code is graded inside bubblewrap. Installed here where that is allowed.
box:
	@if [ "$$(uname)" != Linux ] || command -v bwrap >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing bubblewrap"; \
	    { apt-get update && apt-get install -y bubblewrap; } >/dev/null 2>&1 || \
	        echo "could not install bubblewrap; see README, 'I am a teaching assistant'"; \
	else echo "bubblewrap is missing: ask for 'apt-get install bubblewrap' (or dnf)"; fi

$(VENV)/.installed: requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	@echo "installing the environment (about 1.5 GB, a few minutes)"
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.tested: requirements-dev.txt $(VENV)/.installed
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements-dev.txt
	@touch $@

clean:
	rm -rf $(VENV) demo grades
