# SPDX-License-Identifier: GPL-2.0-only
#
# `make run` starts the server, `make test` proves it. Everything is made inside this directory, once, and made
# again only when its inputs change: what a step installed or built is remembered by a stamp file of its own. As
# root, `make test` also installs the Debian packages it uses; otherwise it says which are missing and goes on.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

# Tried in this order; the first that is 3.11 or newer and can make virtual environments is taken.
PYTHONS := $(PYTHON) python3.11 python3.12 python3.13 python3.14 python3

VENV := .venv/bin
PIP := $(VENV)/python -m pip --quiet --disable-pip-version-check

C_FILES := $(sort $(shell find csrc -name '*.[ch]'))
UI_FILES := $(shell find ui -type f -not -path '*/node_modules/*' 2>/dev/null)
NPM := $(shell command -v npm)

# program:Debian package
PROGRAMS := cc:gcc cmake:cmake ninja:ninja-build xdelta3:xdelta3 zstd:zstd rclone:rclone restic:restic \
    chromium:chromium strace:strace

.PHONY: help
help:  ## Show this list.
	@sed -n 's/^\([a-z-]*\):.*  ## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

# -- what people use ---------------------------------------------------------------------------------------

.PHONY: build
build: .venv/.package ui  ## Build everything that a server needs.

.PHONY: run
run: .venv/.package  ## Run the server in the foreground; ARGS="-l 127.0.0.1:9100" for its options.
	@make ui || echo "The browser UI could not be built; the reason stands above. S3 works without it."
	exec $(VENV)/deltaglider_proxy $(ARGS)

# Half of the time the tests wait for processes that they started, so two run at once; a file's tests stay together
# with the servers they share.
AT_ONCE ?= 2

.PHONY: test
test: lint test-c test-ui .venv/.tools clients-installed  ## Run every check and every test; ARGS="tests/s3 -x" for pytest.
	@$(VENV)/python -m pytest --numprocesses $(AT_ONCE) --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: clients
clients: .venv/.tools programs clients-installed  ## Run every client against the server; writes their table in docs/S3_COMPATIBILITY.md.
	@CLIENTS_TABLE=docs/S3_COMPATIBILITY.md $(VENV)/python -m pytest tests/clients $(ARGS)

.PHONY: test-c
test-c: programs
	@if ! { command -v cmake && command -v ninja; } > /dev/null; then
	    echo "C tests skipped: they need cmake and ninja"
	    exit
	fi
	mkdir -p build
	{ cmake --preset asan && cmake --build --preset asan; } > build/asan.log 2>&1 || { cat build/asan.log; exit 1; }
	ctest --preset asan

# What runs over any backend. `make test` has it over memory and a directory, and the contract over the stores, too.
# The longest files come first, so that none of them runs alone at the end.
BACKEND_TESTS := tests/clients $(addprefix tests/system/test_, awscli.py boto3.py boto3_multipart.py payloads.py) \
    tests/storage/test_s3.py tests/engine tests/http

.PHONY: test-backends
test-backends: .venv/.tools clients-installed  ## Run engine, server and clients over SeaweedFS and moto, as `make test` does over a directory; takes half an hour.
	@TEST_BACKENDS=far,seaweedfs,moto $(VENV)/python -m pytest --timeout 600 -k "far or seaweedfs or moto" \
	    --numprocesses $(AT_ONCE) --dist loadfile --no-loadscope-reorder $(BACKEND_TESTS) $(ARGS)

.PHONY: check-history
check-history: .venv/.tools .venvs/parity/.made  ## Kill, stop and mislead three proxies through 100,000 calls, and judge their history; ARGS="--calls 5000".
	@$(VENV)/python -m tests.consistency $(ARGS)

.PHONY: damage
damage: .venv/.tools clients-installed  ## Damage all that is stored in an object store, byte by byte; takes an hour.
	@DAMAGE=1 $(VENV)/python -m pytest tests/system/test_s3_damage.py -s $(ARGS)

.PHONY: outages
outages: .venv/.tools clients-installed  ## Let an object store go away in the middle of everything; takes half an hour.
	@OUTAGES=1 $(VENV)/python -m pytest tests/system/test_s3_outages.py -s $(ARGS)

.PHONY: test-ui
test-ui: ui
	@if [[ -n "$(NPM)" ]]; then cd ui && npm run --silent test; fi

.PHONY: screenshots
screenshots: .venv/.tools programs ui  ## Use the browser UI in Chromium, and take the pictures that the README shows.
	@UI_SCREENSHOTS=docs/images $(VENV)/python -m pytest tests/ui $(ARGS)

.PHONY: lint
lint: .venv/.tools  ## Check format, style, types and layers of the Python code, and the format of the C code.
	@$(VENV)/ruff format --check .
	$(VENV)/ruff check .
	$(VENV)/mypy
	$(VENV)/lint-imports --no-logo
	$(VENV)/clang-format --dry-run --Werror $(C_FILES)

.PHONY: bench
bench: .venv/.tools  ## Measure the server; the results go to benchmarks/record.
	@$(VENV)/python -m benchmarks.server $(ARGS)

.PHONY: bench-backend
bench-backend: .venv/.tools  ## Measure a proxy in front of an object store against that store by itself.
	@$(VENV)/python -m benchmarks.backend $(ARGS)

.PHONY: bench-unlike
bench-unlike: .venv/.tools  ## Measure what references cost an upload that is like none of them.
	@$(VENV)/python -m benchmarks.server.unlike $(ARGS)

.PHONY: bench-codec
bench-codec: .venv/.tools programs  ## Measure the codec against its peers on real packages; builds the corpus first.
	@$(VENV)/python -m benchmarks.codec $(ARGS)

.PHONY: bench-series
bench-series: .venv/.tools programs  ## Store release series here, with xdelta3, zstd and restic, and compare what they take.
	@PATH="$(CURDIR)/$(VENV):$$PATH" $(VENV)/python -m benchmarks.series $(ARGS)

# Seconds for each fuzz target; a thorough run takes 600.
FUZZ_SECONDS ?= 120

.PHONY: fuzz
fuzz: .venv/.tools  ## Fuzz the codec with libFuzzer (clang), one target after the other; FUZZ_SECONDS=600 for each.
	@command -v clang > /dev/null || { echo "Fuzzing needs clang (Debian: clang libclang-rt-dev)" >&2; exit 1; }
	cmake --preset fuzz > /dev/null && cmake --build --preset fuzz
	$(VENV)/python -m tests.codec.golden build/fuzz/seeds
	for target in decode limits roundtrip index secondary; do
	    mkdir -p build/fuzz/corpus/$$target build/fuzz/seeds/$$target
	    build/fuzz/fuzz_$$target -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -print_final_stats=1 \
	        build/fuzz/corpus/$$target build/fuzz/seeds/$$target
	done

FUZZ_S3 := authenticate chunked documents form headers policy route text

.PHONY: fuzz-s3
fuzz-s3: .venv/.fuzz  ## Fuzz the S3 protocol with atheris, one target after the other; FUZZ_SECONDS=600 for each.
	@for target in $(FUZZ_S3); do
	    mkdir -p build/fuzz-s3/corpus/$$target build/fuzz-s3/found
	    $(VENV)/python -m tests.fuzz $$target -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=10 \
	        -print_final_stats=1 -artifact_prefix=build/fuzz-s3/found/$$target- \
	        build/fuzz-s3/corpus/$$target tests/fuzz/corpus/$$target
	done

.PHONY: ui
ui:  ## Build the browser UI into ui-dist.
ifeq ($(NPM),)
	@echo "The browser UI is not built: npm is not installed (Node.js 20 or newer). S3 works without it."
else
ui: ui-dist/index.html
endif

.PHONY: wheel
wheel: .venv/.package ui  ## Build a wheel with the browser UI in it, into dist.
	@rm -rf build/lib* build/bdist*
	$(PIP) wheel --no-build-isolation --no-deps --wheel-dir dist .

.PHONY: clean
clean:  ## Remove everything that was made here; the data directory stays.
	@rm -rf .venv .venvs build dist ui-dist ui/node_modules tests/clients/node/node_modules *.egg-info .hypothesis .*_cache
	rm -f dgproxy/codec/_vcd.c dgproxy/codec/_vcd.*.so
	find dgproxy tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

# -- what that needs ---------------------------------------------------------------------------------------

.venv/.python:
	@for python in $(PYTHONS) ""; do
	    if [[ -z "$$python" ]]; then
	        echo "Python 3.11 or newer with the venv module is needed (Debian: python3 python3-venv python3-dev)" >&2
	        exit 1
	    elif "$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
	        break
	    fi
	done
	echo "Making .venv with $$($$python --version)"
	"$$python" -m venv .venv
	$(PIP) install --upgrade 'pip>=25.1'
	touch $@

# The package in place: edits of Python files need nothing, edits of C files a new build.
.venv/.package: .venv/.python pyproject.toml constraints.txt setup.py dgproxy/codec/_build.py $(C_FILES)
	@if ! command -v cc > /dev/null; then
	    echo "A C compiler is needed to build the codec (Debian: gcc libc6-dev python3-dev)" >&2
	    exit 1
	fi
	echo "Installing the package and what it needs"
	$(PIP) install --constraint constraints.txt --group build
	$(PIP) install --constraint constraints.txt --no-build-isolation --editable .
	touch $@

.venv/.tools: .venv/.package
	@echo "Installing the tools for tests and lint"
	$(PIP) install --constraint constraints.txt --group test --group lint
	touch $@

.venv/.fuzz: .venv/.tools
	@$(PIP) install --constraint constraints.txt --group fuzz
	touch $@

# The clients that the tests drive, and the servers ours is compared with, in environments of their own: they pin
# what they work with. What can't be installed leaves no stamp, and its tests are skipped with that reason (in CI
# they fail).
CLIENTS := .venvs/awscli/.made .venvs/clients/.made .venvs/boto3/.made .venvs/boto3-1.34/.made \
    .venvs/parity/.made .venvs/deltaglider/.made

.PHONY: clients-installed
clients-installed: $(CLIENTS) $(if $(NPM),tests/clients/node/node_modules/.package-lock.json)

$(CLIENTS): .venvs/%/.made: .venv/.python pyproject.toml constraints.txt $(wildcard tests/clients/constraints/*.txt)
	@echo "Installing $*"
	$(VENV)/python -m venv .venvs/$*
	pip=".venvs/$*/bin/python -m pip --quiet --disable-pip-version-check"
	constraints=$(or $(wildcard tests/clients/constraints/$*.txt),constraints.txt)
	if $$pip install --upgrade 'pip>=25.1' && $$pip install --constraint "$$constraints" --group $*; then
	    touch $@
	else
	    echo "$* could not be installed; the tests that need it are skipped."
	fi

tests/clients/node/node_modules/.package-lock.json: tests/clients/node/package.json tests/clients/node/package-lock.json
	@echo "Installing the AWS SDK for JavaScript"
	cd tests/clients/node
	npm ci --no-audit --no-fund --loglevel=error > /dev/null
	touch node_modules/.package-lock.json

ui/node_modules/.package-lock.json: ui/package.json ui/package-lock.json
	@echo "Installing what the browser UI is built with"
	cd ui
	npm ci --no-audit --no-fund --loglevel=error > /dev/null
	touch node_modules/.package-lock.json

ui-dist/index.html: ui/node_modules/.package-lock.json $(UI_FILES)
	@cd ui
	npm run --silent build

.PHONY: programs
programs:
	@missing=()
	for each in $(PROGRAMS); do
	    command -v "$${each%%:*}" > /dev/null || missing+=("$${each##*:}")
	done
	if (( $${#missing[@]} == 0 )); then
	    exit
	elif [[ $$(id -u) == 0 ]] && command -v apt-get > /dev/null; then
	    echo "Installing $${missing[*]}"
	    apt-get -qq update
	    DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "$${missing[@]}" > /dev/null
	else
	    echo "Not installed, so some tests will be skipped: $${missing[*]}"
	fi
