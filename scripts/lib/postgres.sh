# shellcheck shell=bash
# PostgreSQL in $DATA/postgres: trusts everyone on 127.0.0.1, listens nowhere else.

postgres_data() { printf '%s' "$DATA/postgres/data"; }

# postgres_bin prints the folder of the programs: of the version that made the data, else the newest.
postgres_bin() {
  local version bin
  version=$(cat "$(postgres_data)/PG_VERSION" 2>/dev/null || true)
  for bin in $(printf '%s\n' /usr/lib/postgresql/"${version:-*}"/bin | sort -Vr) \
    "$(pg_config --bindir 2>/dev/null)" "$(dirname "$(command -v initdb || true)")"; do
    if [[ -x $bin/initdb && -x $bin/postgres && -x $bin/psql ]]; then
      printf '%s' "$bin"
      return
    fi
  done
  return 1
}

# Settings of the person who calls must not leak in, such as PGPASSWORD or PGOPTIONS.
postgres_sql() {
  env -u PGOPTIONS -u PGSERVICE -u PGPASSWORD -u PGHOSTADDR PGCONNECT_TIMEOUT=3 \
    "$(postgres_bin)/psql" -X -A -t -q -v ON_ERROR_STOP=1 \
    -h 127.0.0.1 -p "$(kept_port postgres.port)" -U postgres -d postgres -c "$1"
}

# Another server might answer on this port: ready means that ours does.
postgres_ready() {
  [[ $(postgres_sql 'show data_directory' 2>/dev/null) == "$(postgres_data)" ]]
}

postgres_init() {
  local new=$DATA/postgres/new sync=()
  if [[ -f $(postgres_data)/PG_VERSION ]]; then return; fi
  own_folder "$DATA/postgres"
  [[ -z ${HOLDFAST_TEST_SERVERS:-} ]] || sync=(--no-sync)
  # An interrupted initdb leaves half a database, so it works aside and is moved in whole.
  rm -rf "$new"
  (cd / && as_user env LC_ALL=C.UTF-8 "$(postgres_bin)/initdb" -D "$new" -U postgres -A trust \
    -E UTF8 --locale=C.UTF-8 --data-checksums "${sync[@]}") >"$DIR/postgres.log" 2>&1 || {
    tail -n 20 "$DIR/postgres.log" >&2
    die "initdb failed"
  }
  mv "$new" "$(postgres_data)"
}

postgres_options() {
  # Clients come by TCP only, and a socket's path may not be longer than 107 bytes: so no socket.
  OPTIONS=(-c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=300
    -c max_wal_size=4GB -c track_commit_timestamp=on -c timezone=UTC)
  if [[ -n ${HOLDFAST_TEST_SERVERS:-} ]]; then
    # A test's database need not survive a power failure, but a kill -9: commits are written, not synced.
    OPTIONS+=(-c shared_buffers=128MB -c fsync=off -c full_page_writes=off)
  else
    OPTIONS+=(-c shared_buffers=512MB -c fsync=on)
  fi
}

# Whoever comes with TLS has to show a certificate of the same authority, but for the superuser who sets things up.
postgres_tls() {
  local folder=$DATA/postgres
  tls_files "$folder" || return 0
  OPTIONS+=(-c ssl=on -c "ssl_ca_file=$folder/tls/ca.pem" -c "ssl_cert_file=$folder/tls/server.pem"
    -c "ssl_key_file=$folder/tls/server.key" -c "hba_file=$folder/tls/hba.conf")
  write_file "$folder/tls/hba.conf" <<TEXT
hostssl all postgres 127.0.0.1/32 trust
hostssl all all 127.0.0.1/32 trust clientcert=verify-ca
hostnossl all all 127.0.0.1/32 trust
TEXT
}

postgres_launch() {
  local data
  data=$(postgres_data)
  # No process of this folder lives, so a pid file is a leftover; its number may be a stranger's now.
  rm -f "$data/postmaster.pid"
  keep_port postgres.port
  postgres_options
  postgres_tls
  spawn "$DIR/postgres.log" "$data" "${RUN_AS[@]}" env -i "PATH=$PATH" LC_ALL=C.UTF-8 \
    "$(postgres_bin)/postgres" -D "$data" -p "$PORT" "${OPTIONS[@]}"
}

postgres_start() {
  local try pid
  postgres_bin >/dev/null || die "PostgreSQL is missing: run scripts/servers.sh install"
  if pid=$(postgres_main) && postgres_ready; then
    postgres_finish
    say "PostgreSQL already runs at 127.0.0.1:$(kept_port postgres.port)"
    return
  fi
  step "Starting PostgreSQL in $DIR"
  [[ -n $pid ]] || kill_all "$DATA/postgres"
  postgres_init
  for ((try = 0; try < 3; try++)); do
    if [[ -z $pid ]]; then
      postgres_launch
      pid=$SPAWNED
    fi
    # After a crash it replays its log before it answers, which may take minutes.
    if await_ready PostgreSQL "$pid" "$DIR/postgres.log" 600 postgres_ready; then
      postgres_finish
      step_done "ready at 127.0.0.1:$(kept_port postgres.port)"
      return
    fi
    kill_all "$DATA/postgres"
    pid=
    # Only a port that somebody took meanwhile is worth another try.
    if can_bind "$(kept_port postgres.port)"; then break; fi
  done
  tail -n 20 "$DIR/postgres.log" >&2
  die "PostgreSQL did not start; its log is $DIR/postgres.log"
}

postgres_finish() {
  [[ $(postgres_sql "select 1 from pg_database where datname = 'holdfast'") == 1 ]] ||
    postgres_sql 'create database holdfast'
  printf 'DATABASE_URL=postgres://postgres@127.0.0.1:%s/holdfast\n' "$(kept_port postgres.port)" |
    write_file "$DIR/postgres.env"
}

# postgres_main prints the pid of the postmaster of the data that is there now.
postgres_main() {
  local main
  main=$(head -n 1 "$(postgres_data)/postmaster.pid" 2>/dev/null) || return 1
  scan "$DATA/postgres"
  [[ $main =~ ^[0-9]+$ && " ${PIDS[*]} " == *" $main "* && -f $DIR/postgres.port ]] || return 1
  printf '%s' "$main"
}

postgres_stop() {
  local main started
  started=$(now_ms)
  scan "$DATA/postgres"
  if ! ((${#PIDS[@]})); then return; fi
  if main=$(postgres_main); then
    # SIGINT asks for a fast shutdown: open transactions are rolled back.
    kill -INT "$main" 2>/dev/null || true
    wait_gone "$DATA/postgres" postgres 20 || say "PostgreSQL does not stop, so it is killed"
  fi
  kill_all "$DATA/postgres"
  say "Stopped PostgreSQL in $DIR ($(seconds_since "$started"))"
}

postgres_kill() { kill_all "$DATA/postgres"; }

postgres_wipe() {
  scan "$DATA/postgres"
  ((${#PIDS[@]} == 0)) || die "PostgreSQL in $DIR still runs; stop or kill it first"
  rm -rf "$DATA/postgres"
  remove_spare_folder
}

postgres_status() {
  local main
  if ! main=$(postgres_main); then
    echo "postgres: stopped"
  elif postgres_ready; then
    echo "postgres: running at 127.0.0.1:$(kept_port postgres.port), pid $main"
  else
    echo "postgres: not ready, pid $main"
  fi
}
