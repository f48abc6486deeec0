# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
# `make` without a target lists the targets.

PYTHON ?= python3
RUN = .venv/bin/python
BPU_TOOLS ?= $(if $(FCOS_BPU_TOOLS),$(FCOS_BPU_TOOLS),$(CURDIR)/.venv-bpu/bin)
TRAIN = .venv-train/bin/python

help:
	@echo 'make demo    run the node on rendered scenes and report latency, precision and recall'
	@echo 'make test    check style and types, and run all tests but these:'
	@echo 'make test-training  run the tests of trained networks, in an environment with torch'
	@echo 'make test-torchvision  compare imported networks with torchvision, in another environment'
	@echo 'make test-web   test the page in the Chromium of this machine'
	@echo 'make screenshots  the same, and take the pictures of the page for the documents again'
	@echo "make bpu-tools      install the board vendor's compiler and simulator into .venv-bpu"
	@echo 'make test-bpu       test with them: compile the demo network and simulate the BPU'
	@echo 'make convert-demo   compile the demo network for RDK X5 and X3 again, with them'
	@echo 'make test-sanitizers  test the compiled part of decoding with address checks'
	@echo 'make setup   create the virtual environments only'
	@echo 'make lint    check style, language and generated documents only'
	@echo 'make docs    write the generated parts of the documents'
	@echo 'make types   check types only'
	@echo 'make bench   run the benchmarks in ten minutes, and write the report bench/report.md'
	@echo 'make train DATA=path [EPOCHS= SIZE= RESUME=1 ...]  train with your images: docs/training.md'
	@echo 'make train-demo  train the demo network again'
	@echo 'make clean   remove the virtual environments and all build outputs'
	@echo
	@echo 'PYTHON=/path/to/python3.11 chooses the Python. A sourced ROS 2 is used as it is.'

demo: setup-demo
	@$(RUN) -m fcos_ros.demo

test: lint types
	@$(PYTHON) -m tools.test
	@[ -z "$$ROS_DISTRO" ] || $(UNCHECKED)

lint: setup
	@$(RUN) -m ruff check
	@$(RUN) -m tools.words
	@$(RUN) -m tools.docs --check

docs: setup
	@$(RUN) -m tools.docs

# mypy checks against the installed rclpy, and against Humble's, which has few types.
HUMBLE = --python-executable .venv/humble/bin/python --cache-dir .mypy_cache/humble \
  --allow-untyped-calls --implicit-reexport --no-warn-unused-ignores --no-warn-return-any \
  --disable-error-code type-arg

# Without a newer Python, mypy checks against the libraries of Python 3.10, which have few types.
FLOOR = --allow-untyped-calls --no-warn-unused-ignores --no-warn-return-any \
  --disable-error-code comparison-overlap --disable-error-code import-untyped

UNCHECKED = echo "types: not checked, as the types of ROS 2 $$ROS_DISTRO and its libraries are unknown"

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
	  echo '$(PYTHON) was not found. Install it with:'; \
	  echo '  sudo apt install g++ $(notdir $(PYTHON)) $(notdir $(PYTHON))-venv $(notdir $(PYTHON))-dev'; \
	  exit 1; }

bench: setup-demo
	@$(RUN) benchmarks $(OPTIONS)

train: data train-environment
	@$(TRAIN) -m training.train '$(DATA)' $(if $(EPOCHS),--epochs '$(EPOCHS)') \
	  $(if $(SIZE),--size '$(SIZE)') $(if $(MODEL),--model '$(MODEL)') \
	  $(if $(WEIGHTS),--weights '$(WEIGHTS)') $(if $(BATCH),--batch '$(BATCH)') \
	  $(if $(DEVICE),--device '$(DEVICE)') $(if $(OUTPUT),--output '$(OUTPUT)') \
	  $(if $(RESUME),--resume) $(if $(LEAVE_OUT),--leave-out) $(if $(CHECK),--check) $(OPTIONS)

data:
	@[ -n '$(DATA)' ] || { \
	  echo 'DATA is empty; accepted: images with labels of COCO, YOLO or Pascal VOC; run:'; \
	  echo '  make train DATA=path/to/images'; \
	  exit 2; }

train-demo: train-environment
	@$(TRAIN) -m training.demo $(if $(RESUME),--resume) $(OPTIONS)

test-training: setup
	@$(MAKE) -s train-environment || { echo 'test-training: no test was run'; exit 1; }
	@$(RUN) -m mypy --python-executable $(TRAIN) --cache-dir .mypy_cache/train training \
	  fcos_ros/deploy
	@$(TRAIN) -m pytest test/deploy test/training

# The newest torchvision needs another torch than the training.
test-torchvision: setup-demo
	@[ -d .venv-torchvision ] || $(RUN) -m venv .venv-torchvision
	@.venv-torchvision/bin/python -m pip install -q --disable-pip-version-check \
	  -r tools/requirements/torchvision.txt || { echo 'test-torchvision: no test was run'; exit 1; }
	@.venv-torchvision/bin/python -m pytest test/deploy/test_torchvision.py

test-sanitizers: setup
	@$(RUN) -m tools.native

# The driver of the browser is large, so that `make setup` does not install it.
test-web: browser
	@$(RUN) -m pytest test/web/in_browser

screenshots: browser
	@$(RUN) -m pytest test/web/in_browser/test_screenshots.py --screenshots docs

browser: setup
	@$(RUN) -m fcos_ros.demo.browser || { echo 'test-web: no test was run'; exit 1; }
	@$(RUN) -m pip install -q --disable-pip-version-check --no-deps \
	  -r tools/requirements/browser.txt || { echo 'test-web: no test was run'; exit 1; }

train-environment: setup-demo
	@[ -d .venv-train ] || $(RUN) -m venv .venv-train
	@$(TRAIN) -m pip install -q --disable-pip-version-check -r training/requirements.txt

bpu-tools: python
	@$(PYTHON) -m tools.bpu

test-bpu: setup
	@PATH=$(BPU_TOOLS):$$PATH; command -v hb_mapper > /dev/null || { \
	  echo 'test-bpu: no test was run, as hb_mapper was not found; make bpu-tools installs it'; \
	  exit 1; }
	@FCOS_BPU_TOOLS=$(BPU_TOOLS) $(RUN) -m pytest test/vendor_tools

convert-demo: setup
	@for target in x5 x3; do FCOS_BPU_TOOLS=$(BPU_TOOLS) $(RUN) -m fcos_ros.cli convert \
	  models/fcos_demo_bpu.onnx --target $$target --calibration scenes \
	  --output models/fcos_demo_$$target.bin || exit 1; done
	@FCOS_BPU_TOOLS=$(BPU_TOOLS) $(RUN) -m tools.record_outputs

clean:
	rm -rf .venv .venv-* .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist install log \
	  bench demo_output *.egg-info
	@find . -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help demo test test-sanitizers test-training test-torchvision test-web screenshots \
  browser test-bpu bpu-tools convert-demo lint docs types setup setup-demo python bench train data \
  train-demo train-environment clean
