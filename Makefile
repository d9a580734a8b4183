# What a person types. Each target is one script; the scripts explain themselves.
.DEFAULT_GOAL := help
.PHONY: help run mail test test-large test-cluster test-otlp demo bench screenshots stop sqlx fmt lint ci

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## build and start everything here, until Ctrl-C
	@scripts/run.sh

mail: ## show the latest mail that "make run" delivered
	@scripts/mail.sh

test: ## run all tests; ARGS="..." goes to the test runner
	@scripts/test.sh $(ARGS)

test-large: ## count the work in a shop with ten million past orders: half an hour, 20 GB
	@scripts/test.sh --test volume --run-ignored only --no-capture $(ARGS)

test-cluster: ## kill one of three brokers behind a balancer: three minutes
	@scripts/test.sh --test faults --run-ignored only -E 'test(/^cluster::/)' --no-capture $(ARGS)

test-otlp: ## test the export of spans, which takes programs of their own
	@TEST_FEATURES=holdfast/otlp,holdfast-workers/otlp scripts/test.sh --test export $(ARGS)

demo: ## play the whole story of an order against the real thing
	@scripts/demo.sh

bench: ## measure it on this machine
	@scripts/bench.sh $(ARGS)

screenshots: ## take the documents' pictures anew
	@scripts/test.sh --test pages --run-ignored only -E 'test(screenshots)'

stop: ## stop what "make run" left behind
	@scripts/stop.sh

sqlx: ## write .sqlx anew after a query or a migration changed
	@scripts/check-sqlx.sh --update

fmt: ## format the code
	cargo fmt --all

lint: ## check format and lints
	cargo fmt --all --check
	SQLX_OFFLINE=true cargo clippy --locked --workspace --all-targets -- -D warnings

ci: ## everything that must hold before a change is taken
	@.ci/run
