# The two commands of the README. Each does its own set-up: tox in .venv, and all else by tox.
PYTHON ?= python3
TOX := .venv/bin/tox

# Pythons that pyenv has but does not show on PATH are found too.
PYENV := $(or $(PYENV_ROOT),$(HOME)/.pyenv)
space := $(subst ,, )
export PATH := $(PATH):$(subst $(space),:,$(wildcard $(PYENV)/versions/3.*/bin))

.PHONY: bench test clean

bench: $(TOX)  ## verify and benchmark every implementation
	$(TOX) run -e bench

test: $(TOX)  ## test on every Python found, then lint and types
	$(TOX) run

$(TOX):
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check "tox>=4.40"

clean:
	rm -rf .venv .tox build dist
