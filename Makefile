# The commands of the README. `make` alone lists them.
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup setup-clip demo test test-long check bench lock weights

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## system packages, .venv and the project; does only what is missing
	@scripts/setup.sh

setup-clip: setup ## the optional second encoder, OpenCLIP
	@EXTRAS=clip scripts/setup.sh

demo: setup ## the simulated robot, live, until Ctrl-C (SECONDS=30 bounds it)
	@$(BIN)/bindstream run $(if $(SECONDS),--seconds $(SECONDS))

test: setup ## the test suite, without the tests that take minutes
	@$(BIN)/pytest -n 2 --dist loadfile -m "not ray and not long" $(ARGS) || test $$? = 5
	@$(BIN)/pytest -m "ray and not long" $(ARGS) || test $$? = 5

test-long: setup ## the tests that take minutes
	@$(BIN)/pytest -m long $(ARGS)

check: setup ## the quality gate: lint, format, types, import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy examples
	$(BIN)/lint-imports

# As modules: benchmarks/encoders.py run as a script would hide the package of its name. Those
# that nobody put in order come last. The soak, an hour long, only by its name.
ORDER := world encoders end_to_end shuffled_pairs
BENCHES := $(filter-out soak,$(patsubst benchmarks/%.py,%,$(wildcard benchmarks/[!_]*.py)))
bench: setup ## every benchmark, one after the other (NAME=encoders: that one)
	@set -e; for name in $(or $(NAME),$(filter $(BENCHES),$(ORDER)) $(filter-out $(ORDER),$(BENCHES))); do \
		echo "== $$name"; $(BIN)/python -P -m benchmarks.$$name; done

lock: setup ## resolve all extras anew into requirements.lock
	@scripts/lock.sh

weights: setup ## train the small shipped weights again, from the simulated robot
	$(BIN)/bindstream bind --recipe tiny --out encoders/checkpoints/bindstream_tiny.safetensors --work build/weights
