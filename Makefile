# Everything a stranger needs is made here, in .venv beside this file. A second run finds its stamps and starts at once.
#   make demo    one real call to ourselves, ladder, verdict, echo proof        make test    every test
#   make serve   the simulator for real use                                     make check   lint, types, imports, docs
#   make bench   speed and memory on one line each                              make docs    pages made from the code, and the site in build/docs
#   make links   what the docs link to outside; ARGS=--ask asks each whether it is still there
#   make ladder  the README's picture anew, from a real call
#   make prompts the agent's prompts spoken anew by espeak-ng (they are in the repository: only after a change of their texts)
#   make lock    new requirements/*.txt after a change in pyproject.toml
#   make test-kubernetes   the chart on a real cluster of two nodes on this machine, called by a real SIP client: root, ten minutes (docs/kubernetes.md)
#   make release-check   sdist, wheel, list of parts (SBOM), audit; dist, sbom and audit do one of them (docs/release.md)
# Variables: PYTHON (interpreter for .venv), VENV (another place), ARGS (passed on).

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test test-kubernetes check bench serve docs links ladder prompts lock dist sbom audit release-check clean

VENV ?= .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --quiet --disable-pip-version-check
ARGS ?=

# The first interpreter that is new enough and can make environments; python3 first, since it is the one people mean.
PYTHON ?= $(shell for candidate in python3 python3.11 python3.12 python3.13 python3.14 python; do \
	$$candidate -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$candidate; break; }; done)

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

$(PY):
	@if [ -z "$(PYTHON)" ]; then \
		echo "sbc-sim needs Python 3.11 or newer with its venv module (on Debian: the packages python3 and python3-venv)." >&2; exit 2; fi
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

# What running needs. The lock files carry hashes, so pip takes exactly these files or none.
$(VENV)/run.stamp: requirements/run.txt pyproject.toml | $(PY)
	@echo "installing what sbc-sim runs on"
	@$(PIP) install --require-hashes --requirement requirements/run.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(PY) -m compileall -q sbc_sim  # pip does it for the others; a start without it takes a third longer
	@touch $@

# What developing needs on top.
$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/run.stamp
	@echo "installing what the tests and checks need"
	@$(PIP) install --require-hashes --requirement requirements/dev.txt
	@touch $@

demo: $(VENV)/run.stamp
	@$(PY) -m sbc_sim demo $(ARGS)

serve: $(VENV)/run.stamp
	@$(PY) -m sbc_sim serve $(ARGS)

test: $(VENV)/dev.stamp
	@$(PY) -m pytest -n auto $(ARGS)

# Not part of CI: it needs root and, once, ten minutes to build Kubernetes.
test-kubernetes: $(VENV)/dev.stamp
	@.ci/install-partners $(VENV)
	@tests/kubernetes/build.sh
	@tests/image/build.sh >/dev/null
	@$(PY) -m pytest -n 0 -v --durations=0 --durations-min=1 tests/kubernetes/on_a_cluster.py $(ARGS)

check: $(VENV)/dev.stamp
	$(PY) -m ruff check .
	$(PY) -m ruff format --check --quiet .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports --no-cache
	$(PY) docs/make.py --check

bench: $(VENV)/dev.stamp
	@$(PY) -m bench $(ARGS)

docs: $(VENV)/dev.stamp
	@$(PY) docs/make.py
	@$(PY) -m sphinx -W --keep-going --quiet -b html docs build/docs $(ARGS)
	@echo "the site: build/docs/index.html"

links: $(VENV)/dev.stamp
	@$(PY) docs/links.py $(ARGS)

ladder: $(VENV)/run.stamp
	@$(PY) docs/make_ladder.py

prompts: $(VENV)/run.stamp
	@$(PY) -W ignore docs/make_prompts.py $(ARGS)

# One resolution for every Python from 3.11 on (markers tell them apart), with hashes and without addresses.
LOCK := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links
lock: $(VENV)/dev.stamp
	@$(PIP) install uv
	$(LOCK) pyproject.toml requirements/build.in --output-file requirements/run.txt
	$(LOCK) pyproject.toml requirements/build.in --extra dev --constraint requirements/run.txt --output-file requirements/dev.txt
	$(LOCK) pyproject.toml requirements/build.in --extra postgres --constraint requirements/run.txt --output-file requirements/image.txt
	$(LOCK) requirements/release.in --output-file requirements/release.txt

# Releases (docs/release.md): the version is the newest git tag.
dist sbom audit: $(VENV)/dev.stamp
	@.ci/release $@ $(VENV)

release-check: $(VENV)/dev.stamp
	@.ci/release check $(VENV)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
