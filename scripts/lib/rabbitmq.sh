# shellcheck shell=bash
# RabbitMQ in $DATA/rabbitmq, with an epmd of its own; everything listens on 127.0.0.1 only.
#
# A node whose folder has a file "joins" forms a cluster with the node in the folder that it names, the seed, which runs
# already: it uses the seed's epmd and cookie. The seed's node may be killed later, its epmd may not.

# The wrapper in /usr/sbin accepts only root and rabbitmq; the script behind it accepts anyone.
rabbitmq_bin() {
  local bin
  for bin in /usr/lib/rabbitmq/bin /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin /opt/rabbitmq/sbin; do
    if [[ -x $bin/rabbitmq-server ]]; then
      printf '%s' "$bin"
      return
    fi
  done
  return 1
}

# Ready means that its listener for AMQP is up, the virtual host is loaded, and a client gets in.
rabbitmq_ready() {
  local port api
  port=$(kept_port rabbitmq.port)
  api=http://guest:guest@127.0.0.1:$(kept_port rabbitmq.port.api)/api
  local_curl --fail --output /dev/null "$api/health/checks/port-listener/$port" 2>/dev/null &&
    local_curl --fail --output /dev/null "$api/health/checks/virtual-hosts" 2>/dev/null &&
    (exec 7<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null
}

rabbitmq_seed() { cat "$DIR/joins" 2>/dev/null; }

rabbitmq_configure() {
  local folder=$DATA/rabbitmq amqp api name seed
  own_folder "$folder"
  for name in mnesia log schema; do own_folder "$folder/$name"; done
  # The node's name is part of its data, so it is kept: a moved checkout finds its queues again.
  [[ -f $folder/node ]] || printf 'holdfast-%s@localhost\n' "$HASH" >"$folder/node"
  keep_port rabbitmq.port
  amqp=$PORT
  keep_port rabbitmq.port.api
  api=$PORT
  keep_port rabbitmq.port.dist
  if seed=$(rabbitmq_seed); then
    cp "$seed/rabbitmq.port.epmd" "$DIR/"
    seed=$(data_of "$seed")/rabbitmq
  else
    keep_port rabbitmq.port.epmd
  fi
  write_file "$folder/rabbitmq.conf" <<TEXT
listeners.tcp.1 = 127.0.0.1:$amqp
management.tcp.ip = 127.0.0.1
management.tcp.port = $api
vm_memory_high_watermark.absolute = 2GB
disk_free_limit.absolute = 50MB
# What was written lately is kept in memory until this much has come together; the default is 512 MB.
raft.wal_max_size_bytes = 134217728
log.console = true
log.console.level = info
log.console.use_colors = off
log.file = false
TEXT
  if tls_files "$folder"; then
    keep_port rabbitmq.port.tls
    cat >>"$folder/rabbitmq.conf" <<TEXT
listeners.ssl.1 = 127.0.0.1:$PORT
ssl_options.cacertfile = $folder/tls/ca.pem
ssl_options.certfile = $folder/tls/server.pem
ssl_options.keyfile = $folder/tls/server.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
TEXT
  fi
  if [[ -n $seed ]]; then
    cat >>"$folder/rabbitmq.conf" <<TEXT
cluster_formation.peer_discovery_backend = classic_config
cluster_formation.classic_config.nodes.1 = $(cat "$seed/node")
TEXT
  fi
  # A storm of expiring holds passes the dead-letter worker in windows of this size; 32 is too few.
  write_file "$folder/advanced.config" <<<'[{rabbit,[{dead_letter_worker_consumer_prefetch,1000}]}].'
  write_file "$folder/enabled_plugins" <<<'[rabbitmq_management].'
  if [[ -n $seed ]]; then
    cp -f "$seed/.erlang.cookie" "$folder/.erlang.cookie"
  elif [[ ! -f $folder/.erlang.cookie ]]; then
    head -c 30 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$folder/.erlang.cookie"
  fi
  chmod 400 "$folder/.erlang.cookie"
  [[ $EUID -ne 0 ]] || chown -R "$NOBODY:$NOBODY" "$folder"
}

rabbitmq_launch() {
  local folder=$DATA/rabbitmq env
  rabbitmq_configure
  env=("${RUN_AS[@]}" env -i "PATH=$(rabbitmq_bin):$PATH" LC_ALL=C.UTF-8 "HOME=$folder"
    "ERL_EPMD_PORT=$(kept_port rabbitmq.port.epmd)" ERL_EPMD_ADDRESS=127.0.0.1)
  # Started by us, epmd stays in our folder and is found again; started by the node it would not be.
  if ! rabbitmq_seed >/dev/null; then
    spawn "$DIR/rabbitmq.log" "$folder" "${env[@]}" epmd
    await_ready epmd "$SPAWNED" "$DIR/rabbitmq.log" 10 rabbitmq_epmd_up || return 1
  fi
  # RUNNING_UNDER_SYSTEMD makes the script become the node, instead of a shell that guards it.
  # Schedulers that find no work would spin for a while; on few cores that slows down everyone else.
  spawn "$DIR/rabbitmq.log" "$folder" "${env[@]}" \
    RUNNING_UNDER_SYSTEMD=true \
    RABBITMQ_CONF_ENV_FILE=/dev/null \
    "RABBITMQ_NODENAME=$(cat "$folder/node")" \
    "RABBITMQ_NODE_PORT=$(kept_port rabbitmq.port)" \
    "RABBITMQ_DIST_PORT=$(kept_port rabbitmq.port.dist)" \
    "RABBITMQ_CONFIG_FILE=$folder/rabbitmq.conf" \
    "RABBITMQ_ADVANCED_CONFIG_FILE=$folder/advanced.config" \
    "RABBITMQ_ENABLED_PLUGINS_FILE=$folder/enabled_plugins" \
    "RABBITMQ_MNESIA_BASE=$folder/mnesia" \
    "RABBITMQ_LOG_BASE=$folder/log" \
    "RABBITMQ_SCHEMA_DIR=$folder/schema" \
    "RABBITMQ_GENERATED_CONFIG_DIR=$folder/schema" \
    "RABBITMQ_PID_FILE=$folder/pid" \
    "ERL_CRASH_DUMP=$folder/log/erl_crash.dump" \
    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}" \
    "$(rabbitmq_bin)/rabbitmq-server"
}

rabbitmq_epmd_up() { (exec 7<>"/dev/tcp/127.0.0.1/$(kept_port rabbitmq.port.epmd)") 2>/dev/null; }

rabbitmq_ports_free() {
  local name
  for name in rabbitmq.port rabbitmq.port.api rabbitmq.port.dist; do
    can_bind "$(kept_port "$name")" || return 1
  done
  rabbitmq_seed >/dev/null || can_bind "$(kept_port rabbitmq.port.epmd)"
}

# rabbitmq_main prints the pid of the node whose folder is there now.
rabbitmq_main() {
  [[ -f $DATA/rabbitmq/node && -f $DIR/rabbitmq.port ]] && find_process "$DATA/rabbitmq" beam
}

rabbitmq_start() {
  local try pid
  rabbitmq_bin >/dev/null || die "RabbitMQ is missing: run scripts/servers.sh install"
  if pid=$(rabbitmq_main) && rabbitmq_ready; then
    rabbitmq_finish
    say "RabbitMQ already runs at 127.0.0.1:$(kept_port rabbitmq.port)"
    return
  fi
  step "Starting RabbitMQ in $DIR"
  for ((try = 0; try < 3; try++)); do
    if [[ -z $pid ]]; then
      # An epmd without its node, or the other way round, is a leftover of a crash.
      kill_all "$DATA/rabbitmq"
      rabbitmq_launch || true
      pid=$SPAWNED
    fi
    if await_ready RabbitMQ "$pid" "$DIR/rabbitmq.log" 180 rabbitmq_ready; then
      rabbitmq_finish
      step_done "ready at 127.0.0.1:$(kept_port rabbitmq.port)"
      return
    fi
    kill_all "$DATA/rabbitmq"
    pid=
    # Only a port that somebody took meanwhile is worth another try.
    if rabbitmq_ports_free; then break; fi
  done
  tail -n 20 "$DIR/rabbitmq.log" >&2
  die "RabbitMQ did not start; its log is $DIR/rabbitmq.log"
}

rabbitmq_finish() {
  write_file "$DIR/rabbitmq.env" <<TEXT
AMQP_URL=amqp://guest:guest@127.0.0.1:$(kept_port rabbitmq.port)/%2f
AMQPS_URL=amqps://guest:guest@localhost:$(kept_port rabbitmq.port.tls)/%2f
RABBITMQ_API=http://guest:guest@127.0.0.1:$(kept_port rabbitmq.port.api)/api
TEXT
}

rabbitmq_stop() {
  local main started
  started=$(now_ms)
  scan "$DATA/rabbitmq"
  if ! ((${#PIDS[@]})); then return; fi
  if main=$(find_process "$DATA/rabbitmq" beam); then
    kill -TERM "$main" 2>/dev/null || true
    wait_gone "$DATA/rabbitmq" beam 20 || say "RabbitMQ does not stop, so it is killed"
  fi
  kill_all "$DATA/rabbitmq"
  say "Stopped RabbitMQ in $DIR ($(seconds_since "$started"))"
}

rabbitmq_kill() { kill_all "$DATA/rabbitmq"; }

rabbitmq_wipe() {
  scan "$DATA/rabbitmq"
  ((${#PIDS[@]} == 0)) || die "RabbitMQ in $DIR still runs; stop or kill it first"
  rm -rf "$DATA/rabbitmq"
  remove_spare_folder
}

rabbitmq_status() {
  local main
  if ! main=$(rabbitmq_main); then
    echo "rabbitmq: stopped"
  elif rabbitmq_ready; then
    echo "rabbitmq: running at 127.0.0.1:$(kept_port rabbitmq.port), pid $main"
  else
    echo "rabbitmq: not ready, pid $main"
  fi
}
