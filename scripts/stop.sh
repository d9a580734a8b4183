#!/usr/bin/env bash
# make stop: stops what "make run" started or left behind. It may be called at any time.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/common.sh
. "$here/lib/common.sh"
# shellcheck source=lib/processes.sh
. "$here/lib/processes.sh"
# shellcheck source=lib/app.sh
. "$here/lib/app.sh"

main() {
  local pid said also=''
  if [[ ! -d $RUN_DIR ]]; then
    say "Nothing is running."
    return
  fi
  if pid=$(run_pid); then
    # It stops everything itself, in order; what it cannot, the lines below do.
    end_process "make run" "$pid" 90
    also=' else'
  fi
  # The messages tell what was stopped; where there are none, that is said too.
  said=$({ stop_app && stop_servers; } 2>&1) || die "$said"
  say "${said:-Nothing$also is running.}"
  rm -f "$RUN_DIR/run.pid"
}

main "$@"
