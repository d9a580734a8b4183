#!/usr/bin/env bash
# make demo: plays the demo against what "make run" started, or starts it for the time of the demo.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/common.sh
. "$here/lib/common.sh"
# shellcheck source=lib/processes.sh
. "$here/lib/processes.sh"
# shellcheck source=lib/app.sh
. "$here/lib/app.sh"

RUN=''

finish() {
  local code=$?
  set +e
  trap '' INT TERM HUP
  trap - EXIT
  kill -TERM "$RUN" 2>/dev/null || true
  wait "$RUN" 2>/dev/null || true
  exit "$code"
}

start_run() {
  trap 'exit 130' INT TERM HUP
  trap finish EXIT
  HOLDFAST_RUN_QUIET=1 "$ROOT/scripts/run.sh" &
  RUN=$!
  until is_up; do
    running "$RUN" || die "Holdfast did not start"
    sleep 0.2
  done
}

main() {
  cd "$ROOT"
  # What "make run" has built is not built again. An interrupt reaches this build; one in the background it would not.
  build_release
  is_up || start_run
  set -a
  # shellcheck source=/dev/null # The file exists only while an instance runs.
  . "$RUN_DIR/env"
  set +a
  target/release/holdfast-demo
}

main "$@"
