#!/usr/bin/env bash
# Private PostgreSQL and RabbitMQ servers, each in a folder of its own.
# They need no root, touch nothing of the system's, and may run side by side.
set -euo pipefail

usage() {
  cat >&2 <<'TEXT'
usage: scripts/servers.sh install [browser]            install the packages that are missing
       scripts/servers.sh start  postgres|rabbitmq DIR start it, or reuse the one that runs
       scripts/servers.sh stop   postgres|rabbitmq DIR shut it down cleanly
       scripts/servers.sh kill   postgres|rabbitmq DIR end it at once, as a crash would
       scripts/servers.sh wipe   postgres|rabbitmq DIR remove the data of a stopped server
       scripts/servers.sh status DIR

start writes DIR/postgres.env (DATABASE_URL) and DIR/rabbitmq.env (AMQP_URL, RABBITMQ_API).
With DIR/tls (ca.pem, server.pem, server.key) it also serves TLS to clients with a certificate of that authority:
PostgreSQL on its port, RabbitMQ on another (AMQPS_URL).
With DIR/joins, which names the folder of a running RabbitMQ, the new one becomes a node of its cluster.
HOLDFAST_TEST_SERVERS=1 makes PostgreSQL fast and forgetful: for tests only.
TEXT
  exit 2
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/common.sh
. "$here/lib/common.sh"
# shellcheck source=lib/processes.sh
. "$here/lib/processes.sh"
# shellcheck source=lib/ports.sh
. "$here/lib/ports.sh"
# shellcheck source=lib/postgres.sh
. "$here/lib/postgres.sh"
# shellcheck source=lib/rabbitmq.sh
. "$here/lib/rabbitmq.sh"
# shellcheck source=lib/install.sh
. "$here/lib/install.sh"

# Two calls for the same server and folder take turns. The lock dies with this process, because
# the servers are started without our file descriptors.
lock_server() {
  exec 9>"$DIR/.$1.lock"
  flock 9
}

main() {
  local verb=${1:-} server=${2:-} dir=${3:-}
  case $verb in
    install)
      [[ $# -eq 1 || ($# -eq 2 && $2 == browser) ]] || usage
      install_packages "${@:2}"
      return
      ;;
    status)
      [[ $# -eq 2 ]] || usage
      open_dir "$server"
      postgres_status
      rabbitmq_status
      return
      ;;
    start | stop | kill | wipe) ;;
    *) usage ;;
  esac
  [[ $# -eq 3 && ( $server == postgres || $server == rabbitmq ) ]] || usage
  if [[ $verb != start && ! -d $dir ]]; then
    # Nothing was ever started there, so there is nothing to do.
    return
  fi
  open_dir "$dir"
  # A kill simulates a crash and must not wait for anybody.
  [[ $verb == kill ]] || lock_server "$server"
  "${server}_$verb"
}

main "$@"
