# One line each, no logic: anything longer is Python (.ci/setup.py).
PYTHON ?= python3
VENV = .venv/bin/python
CODE = terminal settlement reader config tests run_terminal.py .ci

.PHONY: setup run demo test check cover fuzz certificate bench lock image
setup: ; @$(PYTHON) .ci/setup.py setup
run: ; @$(PYTHON) .ci/setup.py run && exec $(VENV) run_terminal.py serve
demo: ; @$(PYTHON) .ci/setup.py run && exec $(VENV) run_terminal.py demo
# Bytecode is kept whatever the environment says: the tests start hundreds of processes.
test: ; @$(PYTHON) .ci/setup.py test && export PYTHONDONTWRITEBYTECODE= && $(VENV) -m pytest -q -n 4 --dist=loadfile --no-loadscope-reorder && exec $(VENV) -m pytest -q --keep-logs tests/test_canaries.py
check: ; @$(PYTHON) .ci/setup.py check && $(VENV) .ci/check.py $(CODE)
cover: ; @$(PYTHON) .ci/setup.py check && exec $(VENV) .ci/cover.py
fuzz: ; @$(PYTHON) .ci/setup.py check && FUZZ_COUNT=100000 exec $(VENV) -m pytest -q tests/fuzz --timeout=3600
certificate: ; @$(PYTHON) .ci/setup.py test && exec $(VENV) -m tests.rig.certificate
bench: ; @$(PYTHON) .ci/setup.py run && exec $(VENV) run_terminal.py bench
lock: ; @$(PYTHON) .ci/setup.py check && $(VENV) .ci/lock.py
image: ; @docker build --tag settlement-terminal .
