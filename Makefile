# The only door: every command of the project, by name. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

export PATH := $(HOME)/.cargo/bin:$(PATH)

# rust-toolchain.toml pins the toolchain. A machine that does not have the pinned one and may not
# fetch it uses its stable one, if there is any.
ifneq ($(shell PATH="$(PATH)" rustc --version >/dev/null 2>&1 && echo found),found)
export RUSTUP_TOOLCHAIN := stable
endif

CARGO ?= cargo
# What follows the command's own words: `make demo ARGS="--seconds 10"`.
ARGS ?=
# Where cargo builds.
BUILD := $(or $(CARGO_TARGET_DIR),target)
LAB := $(BUILD)/debug/rauta-lab

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: tools ## Real traffic and four faults on loopback, found while you watch (main job, 30 s)
	@echo "building rauta (release); the first build takes some minutes" >&2
	@$(CARGO) build --release --locked --package rauta
	@$(CARGO) run --quiet --release --locked --package rauta -- demo $(ARGS)

.PHONY: demo-platform
demo-platform: ## The demo against real NATS, OpenTelemetry Collector and Prometheus, read back
	@tests/tools.sh test
	@$(CARGO) build --release --locked --package rauta
	@$(CARGO) run --quiet --locked --package rauta-integration --example demo_platform -- \
	  $(BUILD)/release/rauta $(ARGS)

.PHONY: run
run: tools ## Run the gateway: make run ARGS="--manifests DIR"
	@$(CARGO) run --release --locked --package rauta -- run $(ARGS)

.PHONY: test
test: ## Run all tests; installs what they need where it may
	@tests/tools.sh test
	$(CARGO) test --workspace --locked --no-fail-fast $(ARGS)

.PHONY: dist
dist: tools ## Build rauta for production, as make bench measures it: target/dist/rauta
	$(CARGO) build --profile dist --locked --package rauta

.PHONY: bench
bench: ## CPU per request beside HAProxy, nginx and Envoy; what bus, lookups and sinks cost
	@tests/tools.sh bench
	$(CARGO) bench --locked --package rauta-core --bench bus
	$(CARGO) bench --locked --package rauta-routing --bench lookup
	$(CARGO) bench --locked --package rauta-sinks --bench otlp
	$(CARGO) run --release --locked --package rauta-integration --example nats_bench
	$(CARGO) build --release --locked --package rauta-bench
	@$(MAKE) dist
	$(BUILD)/release/rauta-bench run --rauta $(BUILD)/dist/rauta $(ARGS)
	$(BUILD)/release/rauta-bench sinks --rauta $(BUILD)/dist/rauta

.PHONY: soak
soak: ## The long proofs at full size (minutes)
	@tests/tools.sh test
	RAUTA_SOAK=1 $(CARGO) test --locked --release --package rauta-integration -- --nocapture $(ARGS)
	$(CARGO) run --release --locked --package rauta-processors --example harness -- --busy-hours 24
	RAUTA_SOAK=1 $(CARGO) test --locked --package rauta-lab --test labs -- leave_nothing $(ARGS)

.PHONY: detection
detection: tools ## How right the detectors are: the table of docs/detection.md, played anew
	@$(CARGO) run --release --locked --package rauta-processors --example harness -- $(ARGS)

# Chosen together, so that features are the same and nothing is built twice.
LAB_PACKAGES := --package rauta-lab --package rauta-lab-kubelet --package rauta-conformance
# The lab's table of images; without one it has the conformance suite's backends.
IMAGES ?=

.PHONY: lab-up
lab-up: ## A real Kubernetes to test against, in namespaces of its own: make lab-up ARGS="--ipv6"
	@[ "$$(id -u)" = 0 ] || { echo "the lab needs root: it makes namespaces" >&2; exit 1; }
	@tests/tools.sh lab
	@$(CARGO) build --locked $(LAB_PACKAGES)
	@$(LAB) up --images "$(or $(IMAGES),$$($(BUILD)/debug/rauta-conformance images))" $(ARGS)

.PHONY: lab-down
lab-down: ## Take the lab down and check that nothing of it, or of one that died, is left
	@[ -x $(LAB) ] || echo "building the lab's programs first: minutes" >&2
	@$(CARGO) build --quiet --locked $(LAB_PACKAGES)
	@$(LAB) down $(ARGS)

.PHONY: lab-status
lab-status: ## What runs of the lab
	@[ -x $(LAB) ] || { echo "the lab's programs are not built: make lab-up does it" >&2; exit 1; }
	@$(LAB) status $(ARGS)

.PHONY: lab-kubectl
lab-kubectl: ## kubectl in the lab: make lab-kubectl ARGS="get pods -A"
	@[ -x $(LAB) ] || { echo "the lab's programs are not built: make lab-up does it" >&2; exit 1; }
	@$(LAB) kubectl $(ARGS)

# Words of `make conformance`.
CHANNEL ?= standard
PROFILES ?=
RUN ?=
MANIFESTS ?=

.PHONY: conformance
conformance: ## The official suite on a lab: CHANNEL=standard PROFILES=GATEWAY-HTTP,… RUN=TestName
	@tests/tools.sh lab
	@$(CARGO) build --locked $(LAB_PACKAGES)
	@$(BUILD)/debug/rauta-conformance --channel $(CHANNEL) $(if $(PROFILES),--profiles $(PROFILES)) \
	  $(if $(RUN),--run $(RUN)) $(if $(MANIFESTS),--manifests $(MANIFESTS)) $(ARGS)

.PHONY: lint
lint: tools ## Formatting, clippy and rustdoc, each warning an error
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

.PHONY: fmt
fmt: ## Format the code
	$(CARGO) fmt --all

.PHONY: doc
doc: tools ## Build the API documentation (target/doc)
	$(CARGO) doc --workspace --no-deps --locked

.PHONY: schemas
schemas: tools ## Write schemas/json and docs/configuration.md from the types
	RAUTA_REGENERATE=1 $(CARGO) test --locked --package rauta-schemas committed_schemas
	RAUTA_REGENERATE=1 $(CARGO) test --locked --package rauta the_committed_page

.PHONY: instructions
instructions: tools ## Write down how many instructions lookups and exchanges take
	RAUTA_REGENERATE=1 $(CARGO) test --locked --package rauta-bench --test instructions

.PHONY: deny
deny: tools ## Bans, licences and sources of outside crates (deny.toml), by cargo-deny
	@cargo-deny --version >/dev/null 2>&1 || { \
	  echo "cargo-deny is not installed: cargo install --locked cargo-deny" >&2; exit 1; }
	cargo-deny --workspace --locked check bans licenses sources

.PHONY: ci
ci: ## What continuous integration runs: all tests, all lints, a count
	@.ci/run

.PHONY: tools
tools:
	@tests/tools.sh
