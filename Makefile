# The commands of the README. Each does its own set-up: tox in .venv, and all else by tox.

# Pythons that pyenv has but does not show on PATH are found too.
PYENV := $(or $(PYENV_ROOT),$(HOME)/.pyenv)
space := $(subst ,, )
export PATH := $(PATH):$(subst $(space),:,$(wildcard $(PYENV)/versions/3.*/bin))

# The first that is new enough; another one: make test PYTHON=python3.12
IS_NEW := -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
PYTHON ?= $(shell PATH='$(PATH)'; for python in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$python $(IS_NEW) && echo $$python && break; done)
TOX := .venv/bin/tox
# The Python in .venv, as tox calls it: py313, or 3.14t
NAME := import sys, sysconfig as s; print(("%d.%dt" if s.get_config_var("Py_GIL_DISABLED") else "py%d%d") % sys.version_info[:2])
ENV = $(shell .venv/bin/python -c '$(NAME)')

.PHONY: bench test test-all clean

bench: $(TOX)  ## verify and benchmark every implementation, and make a page of it
	$(TOX) run -e bench
	@echo 'page: $(CURDIR)/bench.html'

# What is installed first, by one run of tox, so that each wheel is built once; pip leaves one of two processors idle.
INSTALL = -e types,$(ENV),plugin-$(ENV),lint
test-all: INSTALL = --skip-env '^($(filter-out plugin-$(ENV),plugin-py312))$$'

# Types need one processor, and tests do not always need two.
test: $(TOX)  ## lint, types and the tests of both distributions, on one Python
	$(TOX) run-parallel --parallel 2 --notest $(INSTALL)
	$(TOX) run-parallel --parallel 3 --parallel-live --skip-pkg-install -e lint,types,$(ENV)
	$(TOX) run --skip-pkg-install -e plugin-$(ENV)

# The first four need one processor most of the time.
test-all: test  ## and on every Python found, from an sdist, thorough cases, planted slowdowns ...
	$(TOX) run-parallel --parallel 2 --skip-pkg-install -e docs,serial,editable,sdist
	$(TOX) run --skip-pkg-install --skip-env '^(lint|types|docs|serial|editable|sdist|(plugin-)?$(ENV)|plugin-py312)$$'

$(TOX):
	@$(or $(PYTHON),false) $(IS_NEW) || { echo 'Python 3.11 or newer was not found: make PYTHON=/path/to/python3'; exit 1; }
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check "tox>=4.40"

clean:
	rm -rf .venv .tox build dist bench.html
