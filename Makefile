# The verbs of Pelton; scripts/ does the work. Each verb first installs what it lacks (scripts/setup).

.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-long test-asan test-tsan test-arm64 check lint fmt fuzz bench docs clean

help: ## Show this list
	@echo "make VERB, where VERB is one of"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## From a fresh machine to an answer: install, build, fetch a small model, ask it
	@scripts/demo

test: ## Install, build, fetch the demo model, run every test
	@scripts/test release

build: ## Build the optimised program, build/release/pelton
	@scripts/setup build
	@scripts/build release

check: ## What CI does: lint, then test
	@scripts/lint
	@scripts/test release

lint: ## Format check, layers, text, clang-tidy on changed files
	@scripts/lint

fmt: ## Format the sources
	@scripts/lint --fix

test-asan: ## Test under AddressSanitizer and UBSan
	@scripts/test asan

test-tsan: ## Test under ThreadSanitizer
	@scripts/test tsan

test-arm64: ## Test the kernels and what is below them for 64-bit ARM, under QEMU
	@scripts/test-arm64

test-long: ## Every test, and those labelled "long" too: soaks, learning runs, peers
	@scripts/setup build test long
	@scripts/test-peers
	@scripts/test release --timeout 7200

fuzz: ## Run each fuzz target for 60 seconds
	@scripts/fuzz 60

bench: ## Run the micro-benchmarks of bench/
	@scripts/setup build test
	@scripts/build release
	@scripts/bench

docs: ## Run the commands that the documents show
	@scripts/test release --tests-regex '^docs'

setup: ## Install what building, testing, linting and fuzzing need
	@scripts/setup build test lint fuzz

clean: ## Remove build/ (the models in the cache folder stay)
	rm -rf build bridge/target
