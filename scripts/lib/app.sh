# shellcheck shell=bash disable=SC2034
# (SC2034 off: the variables set here are read by the files that source this one.)
# The API, the workers and the payment simulator of "make run": finding, stopping and judging them. Their files are in .run.

RUN_DIR=$ROOT/.run
BIN=$(realpath -m "${CARGO_TARGET_DIR:-$ROOT/target}")/release
SERVERS=$ROOT/scripts/servers.sh

# local_pid FILE PATTERN prints the pid in FILE if that process was started in this checkout and its
# command line matches; the number in a leftover file may be a stranger's by now.
local_pid() {
  local pid line
  { read -r pid <"$1"; } 2>/dev/null || return 1
  [[ $pid =~ ^[0-9]+$ && $(readlink "/proc/$pid/cwd") == "$ROOT" ]] || return 1
  { line=$(tr '\0' ' ' <"/proc/$pid/cmdline"); } 2>/dev/null || return 1
  # shellcheck disable=SC2053 # The pattern is meant to be one.
  [[ $line == $2 ]] || return 1
  printf '%s' "$pid"
}

api_pid() { local_pid "$RUN_DIR/api.pid" '*/holdfast serve *'; }
workers_pid() { local_pid "$RUN_DIR/workers.pid" '*/holdfast-workers *'; }
simulator_pid() { local_pid "$RUN_DIR/simulator.pid" '*/holdfast-simulator *'; }
run_pid() { local_pid "$RUN_DIR/run.pid" '*run.sh *'; }

# end_process NAME PID SECONDS asks a process to finish, and ends it if it does not.
end_process() {
  local started end
  started=$(now_ms)
  end=$((started + $3 * 1000))
  kill -TERM "$2" 2>/dev/null || return 0
  while running "$2"; do
    if (($(now_ms) >= end)); then
      say "$1 does not stop, so it is killed"
      kill -KILL "$2" 2>/dev/null || true
      break
    fi
    sleep 0.1
  done
  say "Stopped $1 ($(seconds_since "$started"))"
}

# stop_app ends the API first, so that no new order comes in, then the workers.
stop_app() {
  local pid
  if pid=$(api_pid); then end_process "the API" "$pid" 20; fi
  if pid=$(workers_pid); then end_process "the workers" "$pid" 40; fi
  if pid=$(simulator_pid); then end_process "the payment simulator" "$pid" 10; fi
  rm -f "$RUN_DIR/api.pid" "$RUN_DIR/workers.pid" "$RUN_DIR/simulator.pid" "$RUN_DIR/env"
}

stop_servers() {
  "$SERVERS" stop rabbitmq "$RUN_DIR"
  "$SERVERS" stop postgres "$RUN_DIR"
}

# env_value NAME prints a value that the running instance wrote down.
env_value() {
  # shellcheck source=/dev/null # The file exists only while an instance runs.
  (set +u && . "$RUN_DIR/env" && printf '%s' "${!1}")
}

# answers URL tells whether it answers with success.
answers() { local_curl --fail --output /dev/null "$1" 2>/dev/null; }

# is_up tells whether "make run" is up and well.
is_up() {
  [[ -f $RUN_DIR/env ]] && api_pid >/dev/null && workers_pid >/dev/null &&
    answers "$(env_value HOLDFAST_URL)/readyz"
}

build_release() {
  say "Building Holdfast (the first time takes some minutes) ..."
  # The lock that run.sh holds must not live on in a daemon that a build starts.
  # All programs at once: cargo chooses the features of crates by what is built together, so "make demo" and "make bench" find
  # everything compiled.
  (cd "$ROOT" && SQLX_OFFLINE=true cargo build --release --locked --workspace --bins 9>&-)
}
