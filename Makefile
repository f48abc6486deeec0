# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
# Everything starts here: `make` alone lists what there is.

PYTHON ?= python3
RUN = .venv/bin/python

help:
	@echo 'make demo    run the node on rendered scenes and report what it finds'
	@echo 'make test    check style and types, and run all tests'
	@echo 'make setup   make the virtual environments only'
	@echo 'make lint    check style only'
	@echo 'make types   check types only'
	@echo 'make bench   run the benchmarks'
	@echo 'make train   train the network of the demo anew'
	@echo 'make clean   remove the virtual environments and all that was built'
	@echo
	@echo 'PYTHON=/path/to/python3.11 chooses the Python; a sourced ROS 2 is used as it is.'

demo: setup-demo
	@$(RUN) -m fcos_ros.demo

test: lint types
	@$(PYTHON) -m tools.test
	@[ -z "$$ROS_DISTRO" ] || $(UNCHECKED)

lint: setup
	@$(RUN) -m ruff check

# Once against the installed rclpy, once against Humble's, which has few types of its own.
HUMBLE = --python-executable .venv/humble/bin/python --cache-dir .mypy_cache/humble \
  --allow-untyped-calls --implicit-reexport --no-warn-unused-ignores --no-warn-return-any \
  --disable-error-code type-arg

# The libraries of Python 3.10, where no other is there: older than most of their types.
FLOOR = --allow-untyped-calls --no-warn-unused-ignores --no-warn-return-any \
  --disable-error-code comparison-overlap --disable-error-code import-untyped

UNCHECKED = echo "types: not checked, those of ROS 2 $$ROS_DISTRO and of its libraries are not known"

types: setup
	@if [ -n "$$ROS_DISTRO" ]; then \
	  $(UNCHECKED); \
	elif [ -d .venv/humble ]; then \
	  $(RUN) -m mypy && $(RUN) -m mypy $(HUMBLE) fcos_ros; \
	else \
	  $(RUN) -m mypy $(FLOOR); \
	fi

setup: python
	@$(PYTHON) -m tools.setup test --python $(PYTHON)

setup-demo: python
	@$(PYTHON) -m tools.setup demo --python $(PYTHON)

python:
	@command -v $(PYTHON) > /dev/null || { \
	  echo 'There is no $(PYTHON). Install one with:'; \
	  echo '  sudo apt install g++ $(notdir $(PYTHON)) $(notdir $(PYTHON))-venv $(notdir $(PYTHON))-dev'; \
	  exit 1; }

bench: setup-demo
	@for file in benchmarks/*.py; do echo "== $$file"; $(RUN) $$file || exit 1; done

train: setup-demo
	@$(RUN) -m venv .venv-train
	@.venv-train/bin/python -m pip install -q -r training/requirements.txt
	@.venv-train/bin/python -m training.train

clean:
	rm -rf .venv .venv-* .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist install log \
	  demo_output *.egg-info
	@find . -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help demo test lint types setup setup-demo python bench train clean
