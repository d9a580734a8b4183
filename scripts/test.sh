#!/usr/bin/env bash
# make test: runs all tests against a PostgreSQL and a RabbitMQ of their own in .run/test, and leaves
# nothing running. Arguments go to the test runner, for example: scripts/test.sh oversell
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/common.sh
. "$here/lib/common.sh"

SERVERS=$ROOT/scripts/servers.sh
TEST_DIR=$ROOT/.run/test
# What judges whether everybody can read a page; a test puts it into pages.
AXE_VERSION=4.14.1
AXE_DIR=$ROOT/.run/tools/axe-$AXE_VERSION

# Ends and empties every server below .run/test, also those that fault tests left; the logs stay.
# Their data is thrown away, so nobody waits for a clean shutdown, and nothing is printed: the last
# lines to be seen are the test runner's.
remove_servers() {
  local lock dir server
  while IFS= read -r lock; do
    dir=$(dirname "$lock")
    server=$(basename "$lock" .lock)
    "$SERVERS" kill "${server#.}" "$dir"
    "$SERVERS" wipe "${server#.}" "$dir"
  done < <(find "$TEST_DIR" -maxdepth 4 \( -name '.postgres.lock' -o -name '.rabbitmq.lock' \) 2>/dev/null)
}

# Ends what a test started and forgot, such as workers: it still has our environment.
end_strays() {
  local file
  unset HOLDFAST_TEST_DIR
  while IFS= read -r file; do
    file=${file#/proc/}
    kill -KILL "${file%/environ}" 2>/dev/null
  done < <(grep -slzFx "HOLDFAST_TEST_DIR=$TEST_DIR" /proc/[0-9]*/environ)
}

finish() {
  local code=$?
  set +e
  trap '' INT TERM HUP
  trap - EXIT
  end_strays
  remove_servers
  exit "$code"
}

# value FILE NAME prints what servers.sh wrote.
value() { sed -n "s/^$2=//p" "$1"; }

start_servers() {
  export HOLDFAST_TEST_SERVERS=1
  "$SERVERS" start postgres "$TEST_DIR"
  "$SERVERS" start rabbitmq "$TEST_DIR"
  local url
  url=$(value "$TEST_DIR/postgres.env" DATABASE_URL)
  # Every test makes a database of its own, from this one.
  export HOLDFAST_TEST_DATABASE_URL=${url%/*}/postgres
  HOLDFAST_TEST_AMQP_URL=$(value "$TEST_DIR/rabbitmq.env" AMQP_URL)
  HOLDFAST_TEST_RABBITMQ_API=$(value "$TEST_DIR/rabbitmq.env" RABBITMQ_API)
  export HOLDFAST_TEST_AMQP_URL HOLDFAST_TEST_RABBITMQ_API
  # Tests that break a server start one for themselves, in a folder below this one.
  export HOLDFAST_SERVERS_SCRIPT=$SERVERS HOLDFAST_TEST_DIR=$TEST_DIR
  export HOLDFAST_TEST_AXE=$AXE_DIR/node_modules/axe-core/axe.min.js
}

install_axe() {
  if [[ -f $AXE_DIR/node_modules/axe-core/axe.min.js ]]; then return; fi
  mkdir -p "$AXE_DIR"
  npm install --prefix "$AXE_DIR" --no-save --no-audit --no-fund --silent "axe-core@$AXE_VERSION" </dev/null >&2 ||
    die "axe-core $AXE_VERSION could not be installed"
}

run_tests() {
  local code=0 features=()
  # Programs and tests with features that are not in the default build: see "make test-otlp".
  [[ -z ${TEST_FEATURES:-} ]] || features=(--features "$TEST_FEATURES")
  # A developer's own settings must not reach the tests.
  unset DATABASE_URL AMQP_URL "${!HOLDFAST_@}"
  export SQLX_OFFLINE=true
  # Fault tests run the workers as a process of their own, which the test runner would not build by itself.
  cargo build --quiet --locked --workspace --bins "${features[@]}" 9>&-
  start_servers
  if ! have cargo-nextest; then
    # It runs the documentation's examples too.
    cargo test --locked --workspace "${features[@]}" "$@" 9>&-
    return
  fi
  if [[ $# -eq 0 ]]; then cargo test --quiet --locked --workspace --doc 9>&- || code=$?; fi
  cargo nextest run --locked --workspace "${features[@]}" "$@" 9>&- || code=$?
  return "$code"
}

main() {
  cd "$ROOT"
  mkdir -p "$TEST_DIR"
  exec 9>"$TEST_DIR/.test.lock"
  if ! flock -n 9; then
    say "Waiting for the other \"make test\" of this checkout ..."
    flock 9
  fi
  "$SERVERS" install browser
  install_axe
  trap 'exit 130' INT TERM HUP
  trap finish EXIT
  # Leftovers of a run that was killed, and the logs of the last one.
  remove_servers
  find "$TEST_DIR" -mindepth 1 -maxdepth 1 -type d -exec rm -rf {} +
  run_tests "$@"
}

main "$@"
