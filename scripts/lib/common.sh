# shellcheck shell=bash disable=SC2034
# (SC2034 off: the variables set here are read by the files that source this one.)
# What the scripts share: messages, durations, and the folder a server lives in.

say() { printf '%s\n' "$*" >&2; }

die() {
  say "error: $*"
  exit 1
}

now_ms() { printf '%s' "$((${EPOCHREALTIME/[.,]/} / 1000))"; }

# seconds_since START_MS prints a duration such as "1.2 s".
seconds_since() {
  local ms=$(($(now_ms) - $1))
  printf '%d.%d s' $((ms / 1000)) $((ms % 1000 / 100))
}

# step TEXT announces something slow; step_done RESULT ends it with the time it took. On a terminal
# both share a line; in a log each has its own, so that parallel steps stay readable.
step() {
  STEP_TEXT=$1 STEP_STARTED=$(now_ms)
  if [[ -t 2 ]]; then printf '%s ... ' "$1" >&2; else say "$1 ..."; fi
}

step_done() {
  local result
  result="$1 ($(seconds_since "$STEP_STARTED"))"
  if [[ -t 2 ]]; then say "$result"; else say "$STEP_TEXT: $result"; fi
}

# The checkout that these scripts belong to.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

have() { command -v "$1" >/dev/null 2>&1; }

# Local health checks must reach the server itself, whatever proxy or curl settings the user has.
local_curl() { curl -q --silent --show-error --noproxy '*' --max-time 5 "$@"; }

# PostgreSQL refuses to run as root, so root hands the servers to nobody.
NOBODY=65534
RUN_AS=()
RUN_UID=$EUID
if [[ $EUID -eq 0 ]]; then
  RUN_AS=(setpriv "--reuid=$NOBODY" "--regid=$NOBODY" --clear-groups --)
  RUN_UID=$NOBODY
fi
as_user() { "${RUN_AS[@]}" "$@"; }

DIR='' HASH='' DATA=''

# data_of DIR prints where the servers of a folder write.
data_of() { if [[ -L $1/data ]]; then realpath -m "$1/data"; else realpath "$1"; fi; }

# open_dir PATH sets DIR (absolute), HASH (a short name for it) and DATA (where the servers write).
open_dir() {
  mkdir -p "$1"
  DIR=$(realpath "$1")
  HASH=$(printf '%s' "$DIR" | sha256sum)
  HASH=${HASH:0:12}
  DATA=$DIR
  if [[ ! -L $DIR/data ]]; then
    as_user test -x "$DIR/." && return
    # A checkout below a private home is closed to nobody, so the data goes where it can be reached.
    # Whoever starts the other server at this moment may have made the link already.
    ln -sT "/var/tmp/holdfast-$HASH" "$DIR/data" 2>/dev/null || [[ -L $DIR/data ]]
    say "$DIR is closed to the user nobody: its servers keep their data in /var/tmp/holdfast-$HASH"
  fi
  DATA=$(data_of "$DIR")
  mkdir -p "$DATA"
  # Anyone may create a folder in /var/tmp, so one that is not ours is not trusted.
  [[ -O $DATA ]] || die "$DATA belongs to somebody else; remove it or the link $DIR/data"
  chmod 755 "$DATA"
}

# remove_spare_folder removes the folder outside the checkout as soon as it is empty.
remove_spare_folder() {
  if [[ $DATA != "$DIR" ]]; then rmdir "$DATA" 2>/dev/null || true; fi
}

# own_folder PATH makes a private folder for the server's user.
own_folder() {
  if [[ ! -d $1 ]]; then
    mkdir -p "$1"
    chmod 700 "$1"
    [[ $EUID -ne 0 ]] || chown "$NOBODY:$NOBODY" "$1"
  fi
  [[ $(stat -c %u "$1") == "$RUN_UID" ]] ||
    die "$1 was made by another user; remove it or run this as that user"
}

# tls_files FOLDER copies the certificates in DIR/tls, if there are any, to where the server's user may read them.
tls_files() {
  [[ -d $DIR/tls ]] || return 1
  own_folder "$1/tls"
  install -m 600 "$DIR"/tls/{ca.pem,server.pem,server.key} "$1/tls/"
  [[ $EUID -ne 0 ]] || chown -R "$NOBODY:$NOBODY" "$1/tls"
}

# write_file PATH replaces a file with stdin in one move, so that a reader never sees half of it.
write_file() {
  cat >"$1.new"
  mv -f "$1.new" "$1"
}
