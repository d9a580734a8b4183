# shellcheck shell=bash
# Ports are chosen once and kept in DIR/<name>, so that a restart keeps its URL.
#
# Between the choice and the server's own bind somebody else could choose the same port. So every
# choice is noted as a link /tmp/holdfast-ports-<uid>/<port> to the file that keeps it, under one
# lock; the port stays reserved, also while its server is down, until that file is gone.

# The kernel gives out ports from 32768 up to outgoing connections, so ours lie below.
PORT_FIRST=20000
PORT_LAST=31999

PORT_NOTES=/tmp/holdfast-ports-$EUID
PORT=''

# can_bind PORT tells whether a server could listen there; servers reuse addresses, so does the test.
can_bind() {
  perl -MSocket -e '
    socket(my $s, PF_INET, SOCK_STREAM, 0) or exit 1;
    setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1) or exit 1;
    bind($s, sockaddr_in($ARGV[0], INADDR_LOOPBACK)) and listen($s, 1) or exit 1;
  ' "$1"
}

# reserved PORT tells whether another folder keeps this port.
reserved() {
  local kept
  { read -r kept <"$PORT_NOTES/$1"; } 2>/dev/null && [[ $kept == "$1" ]]
}

# keep_port NAME [WISH] sets PORT: the one in DIR/NAME if it can still be used, else the wish if it
# is free, else any.
keep_port() {
  local file=$DIR/$1 try
  mkdir -p "$PORT_NOTES"
  [[ -O $PORT_NOTES ]] || die "$PORT_NOTES belongs to somebody else"
  exec 8>"$PORT_NOTES/.lock"
  flock 8
  PORT=$(cat "$file" 2>/dev/null || true)
  if [[ ! $PORT =~ ^[0-9]+$ ]] || ! can_bind "$PORT"; then
    # Notes of folders that are gone only slow down the next choice.
    find "$PORT_NOTES" -xtype l -delete
    for ((try = 0; ; try++)); do
      ((try < 1000)) || die "found no free port from $PORT_FIRST to $PORT_LAST"
      PORT=$((PORT_FIRST + SRANDOM % (PORT_LAST - PORT_FIRST + 1)))
      if ((try == 0)) && [[ -n ${2:-} ]]; then PORT=$2; fi
      if ! reserved "$PORT" && can_bind "$PORT"; then break; fi
    done
    printf '%s\n' "$PORT" | write_file "$file"
  fi
  ln -sfn "$file" "$PORT_NOTES/$PORT"
  exec 8>&-
}

# kept_port NAME prints the port without checking it.
kept_port() { cat "$DIR/$1" 2>/dev/null; }
