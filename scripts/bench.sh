#!/usr/bin/env bash
# make bench: measures Holdfast beside hand-written SQL on servers of its own in .run/bench, with durable
# settings. Arguments go to the benchmark, for example: scripts/bench.sh --quick --only drained
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/common.sh
. "$here/lib/common.sh"

SERVERS=$ROOT/scripts/servers.sh
BENCH_DIR=$ROOT/.run/bench

finish() {
  local code=$?
  set +e
  trap '' INT TERM HUP
  trap - EXIT
  "$SERVERS" stop rabbitmq "$BENCH_DIR"
  "$SERVERS" stop postgres "$BENCH_DIR"
  exit "$code"
}

# value FILE NAME prints what servers.sh wrote.
value() { sed -n "s/^$2=//p" "$1"; }

main() {
  cd "$ROOT"
  # What is measured must be as durable as what is sold.
  unset HOLDFAST_TEST_SERVERS
  mkdir -p "$BENCH_DIR"
  "$SERVERS" install
  SQLX_OFFLINE=true cargo build --release --locked --workspace --bins
  trap 'exit 130' INT TERM HUP
  trap finish EXIT
  # What an earlier run left behind would be measured too.
  local server
  for server in postgres rabbitmq; do
    "$SERVERS" kill "$server" "$BENCH_DIR"
    "$SERVERS" wipe "$server" "$BENCH_DIR"
  done
  "$SERVERS" start postgres "$BENCH_DIR"
  "$SERVERS" start rabbitmq "$BENCH_DIR"
  DATABASE_URL=$(value "$BENCH_DIR/postgres.env" DATABASE_URL)
  AMQP_URL=$(value "$BENCH_DIR/rabbitmq.env" AMQP_URL)
  RABBITMQ_API=$(value "$BENCH_DIR/rabbitmq.env" RABBITMQ_API)
  export DATABASE_URL AMQP_URL RABBITMQ_API
  target/release/holdfast-bench "$@"
}

main "$@"
