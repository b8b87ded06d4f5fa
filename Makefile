# `make` lists the targets. Every target that needs .venv makes it first, once.

PYTHON ?= python3
TORCH_INDEX ?=
PYTEST_ARGS ?=
BENCH_ARGS ?=
QUICK ?=

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile
	echo
	echo "Variables:"
	echo "  PYTHON=python3.12  the Python (3.11 to 3.13) that makes .venv; default: python3"
	echo "  TORCH_INDEX=URL    one more index to find torch in, for example the one of its CPU builds:"
	echo "                     https://download.pytorch.org/whl/cpu"
	echo "  PYTEST_ARGS=...    more arguments for pytest"
	echo "  QUICK=1            compare with one seed"
	echo "  BENCH_ARGS=...     arguments for bench: --quick, or --help for the others"

.PHONY: run
run: install ## real Pong by legacy_args/pong_quick.json, from its ROM to a report
	@.venv/bin/dqn-port pipeline run --args legacy_args/pong_quick.json

# The files of one game, one a program.
TOYS := lua_toy simple_dqn_small labml_toy practical_rl_toy hvass16_toy
.PHONY: compare
compare: install ## let all five programs learn toyA, three seeds each (QUICK=1: one), and draw it
	@files=$$(printf ',legacy_args/%s.json' $(TOYS))
	.venv/bin/python -m luigi --module pipelines Compare --local-scheduler --workers 2 \
	    --args-files "$${files#,}" --seeds $(if $(QUICK),1,1-3)
	echo "artifacts/compare/latest/scores.svg"

.PHONY: test
test: install ## run all tests but the slow and the gpu ones, on at most four cores
	@.venv/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(PYTEST_ARGS)

.PHONY: test-slow
test-slow: install ## run the tests that learn for minutes, on at most four cores
	@.venv/bin/python -m pytest -m slow -n auto --maxprocesses 4 $(PYTEST_ARGS)

.PHONY: test-gpu
test-gpu: install ## run the tests that need a CUDA device
	@.venv/bin/python -m pytest -m gpu $(PYTEST_ARGS)

.PHONY: bench
bench: bench-lua bench-others ## measure the speed of all programs; the two below do a part of it

.PHONY: bench-lua
bench-lua: bench-env ## measure lua_dqn beside Stable-Baselines3, and every part of it
	@.venv/bin/python -m dqn_port.systems.lua_dqn.bench $(BENCH_ARGS)

.PHONY: bench-others
bench-others: install ## measure the other programs beside plain PyTorch programs that do the same
	@for args in simple_dqn_breakout labml_breakout practical_rl_cartpole practical_rl_breakout \
	    hvass16_breakout_small; do
	    .venv/bin/dqn-port bench stand_in --args legacy_args/$$args.json --threads 1
	    echo
	done

# Stable-Baselines3 has an environment of its own; its stamp comes last, as that of .venv does.
.PHONY: bench-env
bench-env: export TORCH_INDEX := $(TORCH_INDEX)
bench-env: install
	@lock=dqn_port/systems/lua_dqn/bench/peers.lock stamp=.venv-bench/installed
	wanted="$$(pwd -P) $$(.venv/bin/python -V) $$(cksum <$$lock)"
	if [ "$$(cat $$stamp 2>/dev/null || true)" = "$$wanted" ]; then
	    exit 0
	fi
	echo "installing Stable-Baselines3 into .venv-bench (a few minutes, once)"
	rm -rf .venv-bench
	.venv/bin/python -m venv --without-pip .venv-bench
	pip=(.venv/bin/python -m pip)
	"$${pip[@]}" --version >/dev/null 2>&1 || pip=("$(PYTHON)" -m pip)
	"$${pip[@]}" --python .venv-bench/bin/python install -qq --disable-pip-version-check \
	    --no-input --only-binary :all: -r $$lock \
	    $${TORCH_INDEX:+--extra-index-url "$$TORCH_INDEX"} || {
	    echo "make: pip failed, see above; run make bench again to start over" >&2
	    exit 1
	}
	printf '%s' "$$wanted" >$$stamp

.PHONY: check
check: lint format-check typecheck ## lint, format-check and typecheck

.PHONY: lint
lint: install ## look for mistakes (ruff check)
	@.venv/bin/ruff check

.PHONY: format
format: install ## format the code in place (ruff format)
	@.venv/bin/ruff format

.PHONY: format-check
format-check: install ## check that the code is formatted
	@.venv/bin/ruff format --check

.PHONY: typecheck
typecheck: install ## check the types (mypy)
	@.venv/bin/python -m mypy

.PHONY: docs-games
docs-games: install ## play all games and write docs/games.md anew
	@.venv/bin/python -m tests.systems.lua_dqn.exactness -o docs/games.md

.PHONY: clean
clean: ## remove .venv, .venv-bench and the caches, but not artifacts/
	@rm -rf .venv .venv-bench build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find dqn_port pipelines tests -type d -name __pycache__ -prune -exec rm -rf {} +

# .venv/installed is the stamp: where .venv was made, for which Python, from which pins. It goes
# before pip starts and comes back last, so an interrupted install is seen and started over; so is a
# .venv that was moved or whose Python was replaced. New pins alone are installed over the old ones.
# The lock on requirements.lock keeps two makes at once out of each other's .venv.
.PHONY: install
install: export PYTHON := $(PYTHON)
install: export TORCH_INDEX := $(TORCH_INDEX)
install: ## make .venv with the pinned dependencies, unless it is there already
	@fail() { echo "make: $$*" >&2; exit 1; }
	place() { pwd -P; .venv/bin/python -V; }
	pins() { cat requirements.lock pyproject.toml | cksum; }

	exec 9<requirements.lock
	flock 9 2>/dev/null || true

	stamp=.venv/installed
	place=$$(place 2>/dev/null) || place=none
	case $$(cat $$stamp 2>/dev/null || true) in
	    "$$place $$(pins)") exit 0 ;;
	    "$$place "*) ;;
	    *) rm -rf .venv ;;
	esac

	if [ ! -d .venv ]; then
	    command -v "$$PYTHON" >/dev/null ||
	        fail "$$PYTHON not found; install it (sudo apt-get install python3 python3-venv)" \
	            "or name another: make install PYTHON=/path/to/python3"
	    version=$$("$$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) ||
	        fail "$$PYTHON does not run; name another: make install PYTHON=/path/to/python3"
	    case $$version in
	        3.11 | 3.12 | 3.13) ;;
	        *) fail "dqn-port needs Python 3.11, 3.12 or 3.13, but $$PYTHON is $$version;" \
	            "name another: make install PYTHON=/path/to/python3" ;;
	    esac
	    # Debian packs ensurepip apart from Python; a pip outside .venv does as well.
	    if "$$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
	        seed=
	    elif "$$PYTHON" -m pip --python "$$PYTHON" --version >/dev/null 2>&1 &&
	        "$$PYTHON" -c 'import venv' 2>/dev/null; then
	        seed=--without-pip
	    else
	        fail "$$PYTHON cannot make a virtual environment;" \
	            "install what it lacks: sudo apt-get install python3-venv"
	    fi
	    "$$PYTHON" -m venv $$seed .venv || {
	        rm -rf .venv
	        fail "$$PYTHON -m venv failed, see above; sudo apt-get install python3-venv may help"
	    }
	fi

	echo "installing pinned dependencies into .venv (a few minutes the first time)"
	rm -f $$stamp
	pip=(.venv/bin/python -m pip)
	"$${pip[@]}" --version >/dev/null 2>&1 || pip=("$$PYTHON" -m pip --python .venv/bin/python)
	pip_install() {
	    "$${pip[@]}" install -qq --disable-pip-version-check --no-input "$$@" ||
	        fail "pip failed, see above; run make again to start over"
	}
	pip_install --only-binary :all: -r requirements.lock \
	    $${TORCH_INDEX:+--extra-index-url "$$TORCH_INDEX"}
	pip_install --no-deps --no-build-isolation -e .
	printf '%s %s' "$$(place)" "$$(pins)" >$$stamp
