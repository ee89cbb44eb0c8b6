# What a person types. Everything that is missing on the machine is installed by `make setup`, which the others call.

CARGO ?= cargo
LAB ?= lab
CAUSEWAY = target/debug/causeway

.DEFAULT_GOAL := build
.PHONY: setup build demo lab test lint bench bench-dataplane bench-lab

setup:
	@scripts/setup

build: setup
	@$(CARGO) build --bin causeway

# The whole story, from nothing to nothing; exits with 0 only if all of it held.
demo: build
	@$(CAUSEWAY) lab demo

# A lab that stays up: `target/debug/causeway lab status`, `… lab down`.
lab: build
	@$(CAUSEWAY) lab up --name $(LAB)

test: setup
	@scripts/test

lint: setup
	@$(CARGO) fmt --check
	@$(CARGO) clippy --workspace --all-targets -- -D warnings

bench: bench-dataplane bench-lab

# The XDP program's cost per packet, and packets per second through the whole chain.
bench-dataplane: setup
	@scripts/bench-dataplane

# What a lab takes to come up, to converge and to survive a failure.
bench-lab: build
	@scripts/bench-lab
