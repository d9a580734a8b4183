#!/usr/bin/env bash
# make run: builds Holdfast and runs the API and the workers, with a PostgreSQL and a RabbitMQ of
# their own in .run unless DATABASE_URL or AMQP_URL name others. Ctrl-C stops all that it started.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/common.sh
. "$here/lib/common.sh"
# shellcheck source=lib/processes.sh
. "$here/lib/processes.sh"
# shellcheck source=lib/ports.sh
. "$here/lib/ports.sh"
# shellcheck source=lib/app.sh
. "$here/lib/app.sh"
# shellcheck source=lib/catalogue.sh
. "$here/lib/catalogue.sh"

OWN_POSTGRES='' OWN_RABBITMQ=''

# Only one run.sh per checkout. The lock goes with the process, however it ends.
become_the_only_one() {
  exec 9>"$RUN_DIR/.run.lock"
  if ! flock -n 9; then
    is_up || say "Another \"make run\" of this checkout is starting or stopping; waiting for it ..."
    until is_up; do
      if flock -w 1 9; then break; fi
    done
    if is_up; then
      say "Holdfast is already up at $(env_value HOLDFAST_URL); \"make stop\" stops it."
      exit 0
    fi
  fi
  printf '%s\n' $$ >"$RUN_DIR/run.pid"
}

# Leaves nothing behind. More signals meanwhile are ignored: this ends by itself, and soon.
# shellcheck disable=SC2317 # The trap calls it.
finish() {
  local code=$?
  set +e
  trap '' INT TERM HUP
  trap - EXIT
  stop_app
  [[ -z $OWN_RABBITMQ ]] || "$SERVERS" stop rabbitmq "$RUN_DIR"
  [[ -z $OWN_POSTGRES ]] || "$SERVERS" stop postgres "$RUN_DIR"
  rm -f "$RUN_DIR/run.pid"
  say "Everything that was started here is stopped."
  exit "$code"
}

# load_url FILE NAME takes NAME from FILE, which servers.sh wrote.
load_url() {
  local line
  line=$(grep "^$2=" "$1")
  export "$2=${line#*=}"
}

# A shell that once read .run/env still has the URLs of our own servers: those are ours to start.
is_ours() { [[ -z $2 || "$1=$2" == "$(grep "^$1=" "$3" 2>/dev/null)" ]]; }

start_servers() {
  if is_ours DATABASE_URL "${DATABASE_URL:-}" "$RUN_DIR/postgres.env"; then
    OWN_POSTGRES=1
    "$SERVERS" start postgres "$RUN_DIR"
    load_url "$RUN_DIR/postgres.env" DATABASE_URL
  else
    say "Using the PostgreSQL that DATABASE_URL names"
  fi
  if is_ours AMQP_URL "${AMQP_URL:-}" "$RUN_DIR/rabbitmq.env"; then
    OWN_RABBITMQ=1
    "$SERVERS" start rabbitmq "$RUN_DIR"
    load_url "$RUN_DIR/rabbitmq.env" AMQP_URL
    load_url "$RUN_DIR/rabbitmq.env" RABBITMQ_API
    HOLDFAST_RABBITMQ_API=$RABBITMQ_API
  else
    say "Using the RabbitMQ that AMQP_URL names"
  fi
  export DATABASE_URL AMQP_URL HOLDFAST_RABBITMQ_API=${HOLDFAST_RABBITMQ_API:-}
}

# holdfast ARGUMENTS... runs a command of the program; what it says goes to a log, its result to us.
holdfast() {
  if ! "$BIN/holdfast" "$@" 2>>"$RUN_DIR/setup.log"; then
    tail -n 20 "$RUN_DIR/setup.log" >&2
    die "holdfast $* failed; its log is $RUN_DIR/setup.log"
  fi
}

prepare() {
  : >"$RUN_DIR/setup.log"
  step "Preparing the database and the queues"
  holdfast migrate >>"$RUN_DIR/setup.log"
  holdfast topology declare >>"$RUN_DIR/setup.log"
  SHOP_TOKEN=$(holdfast token create --role shop --name make-run-shop --replace)
  OPERATOR_TOKEN=$(holdfast token create --role operator --name make-run-operator --replace)
  step_done "done"
}

start_app() {
  local api workers
  keep_port api.port 8080
  api=$PORT
  keep_port workers.port 8081
  workers=$PORT
  URL=http://127.0.0.1:$api
  start_simulator "$api"
  open_mail
  step "Starting the API and the workers"
  # The logs of this start only: what an earlier one wrote would mislead whoever reads them now.
  : >"$RUN_DIR/api.log"
  : >"$RUN_DIR/workers.log"
  spawn "$RUN_DIR/api.log" "$ROOT" env "HOLDFAST_LISTEN=127.0.0.1:$api" "HOLDFAST_SHOP_URL=$URL" \
    "HOLDFAST_SHOP_NAME=${HOLDFAST_SHOP_NAME:-Holdfast goods}" "HOLDFAST_SHOP_PICTURES=$ROOT/demo/shop/pictures" \
    "HOLDFAST_SIGN_IN_SECRET=$(sign_in_secret)" "HOLDFAST_RETURN_DAYS=${HOLDFAST_RETURN_DAYS:-7}" \
    "HOLDFAST_PAYMENT_WINDOW_URL=${SIMULATOR_URL:+$SIMULATOR_URL/checkout}" "$BIN/holdfast" serve
  API=$SPAWNED
  printf '%s\n' "$API" >"$RUN_DIR/api.pid"
  spawn "$RUN_DIR/workers.log" "$ROOT" env "HOLDFAST_WORKERS_LISTEN=127.0.0.1:$workers" \
    "$BIN/holdfast-workers"
  WORKERS=$SPAWNED
  printf '%s\n' "$WORKERS" >"$RUN_DIR/workers.pid"
  await_ready "the API" "$API" "$RUN_DIR/api.log" 60 answers "$URL/readyz" || app_died
  await_ready "the workers" "$WORKERS" "$RUN_DIR/workers.log" 60 \
    answers "http://127.0.0.1:$workers/livez" || app_died
  step_done "ready at $URL"
}

# sign_in_secret prints what signs the links that buyers sign in with: the same at every start, so that they stay good.
sign_in_secret() {
  local file=$RUN_DIR/sign-in-secret
  [[ -s $file ]] || (umask 077 && head -c 32 /dev/urandom | base64 >"$file")
  cat "$file"
}

# start_simulator API_PORT starts a payment gateway to try things with, unless a real one is configured.
start_simulator() {
  SIMULATOR_URL=
  if [[ -n ${HOLDFAST_TOSS_SECRET_KEY:-} ]]; then
    say "Using the payment gateway that HOLDFAST_TOSS_SECRET_KEY belongs to"
    return
  fi
  keep_port simulator.port 8082
  SIMULATOR_URL=http://127.0.0.1:$PORT
  export HOLDFAST_TOSS_SECRET_KEY=test_sk_make_run HOLDFAST_TOSS_URL=$SIMULATOR_URL
  step "Starting the payment simulator"
  : >"$RUN_DIR/simulator.log"
  spawn "$RUN_DIR/simulator.log" "$ROOT" env "HOLDFAST_SIMULATOR_LISTEN=127.0.0.1:$PORT" \
    "HOLDFAST_SIMULATOR_WEBHOOK_URL=http://127.0.0.1:$1/v1/webhooks/toss" "$BIN/holdfast-simulator"
  printf '%s\n' "$SPAWNED" >"$RUN_DIR/simulator.pid"
  await_ready "the payment simulator" "$SPAWNED" "$RUN_DIR/simulator.log" 20 \
    answers "$SIMULATOR_URL/control/books" || die "the payment simulator did not start"
  step_done "ready at $SIMULATOR_URL"
}

# open_mail has mails delivered into a folder, unless a mail server is configured.
open_mail() {
  MAIL_FOLDER=
  if [[ -n ${HOLDFAST_MAIL_URL:-} ]]; then
    say "Sending mails by the server that HOLDFAST_MAIL_URL names"
    return
  fi
  MAIL_FOLDER=$RUN_DIR/mail
  # Like the logs, those of this start only.
  rm -rf "$MAIL_FOLDER"
  export HOLDFAST_MAIL_URL=file://$MAIL_FOLDER HOLDFAST_MAIL_FROM="The shop <shop@example.com>"
  say "Mails to customers are delivered into .run/mail"
}

# app_died shows why the API or the workers are gone, and gives up: restarting is not our business.
app_died() {
  local name
  for name in api workers; do
    if ! "${name}_pid" >/dev/null; then
      say "$RUN_DIR/$name.log ends with this:"
      tail -n 20 "$RUN_DIR/$name.log" >&2
    fi
  done
  die "the API or the workers ended by themselves, so Holdfast is down"
}

# write_env notes what tools need; every value is quoted for "set -a; . .run/env".
write_env() {
  local name
  (
    umask 077
    rm -f "$RUN_DIR/env.new"
    for name in "$@"; do printf "%s='%s'\n" "${name%%=*}" "${name#*=}"; done | write_file "$RUN_DIR/env"
  )
}

main() {
  cd "$ROOT"
  # What is sold must survive a power failure, whatever this shell ran tests with.
  unset HOLDFAST_TEST_SERVERS
  open_dir "$RUN_DIR"
  become_the_only_one
  # An interrupt is the normal way to end this.
  trap 'exit 0' INT TERM HUP
  trap finish EXIT
  # A run.sh that was killed leaves its API and workers; they would work beside the new ones.
  stop_app
  "$SERVERS" install
  BIN=$ROOT/target/debug
  start_servers
  prepare
  start_app
  load_catalogue "$URL" "$SHOP_TOKEN"
  write_env "HOLDFAST_URL=$URL" "HOLDFAST_SHOP_TOKEN=$SHOP_TOKEN" \
    "HOLDFAST_OPERATOR_TOKEN=$OPERATOR_TOKEN" "HOLDFAST_TOKEN=$OPERATOR_TOKEN" "DATABASE_URL=$DATABASE_URL" "AMQP_URL=$AMQP_URL" \
    "HOLDFAST_RABBITMQ_API=$HOLDFAST_RABBITMQ_API" \
    "HOLDFAST_SIMULATOR_URL=$SIMULATOR_URL" "HOLDFAST_MAIL_FOLDER=$MAIL_FOLDER"
  show_what_next "$URL" "$BIN"
  while running "$API" && running "$WORKERS"; do sleep 0.5; done
  app_died
}

main "$@"
