#!/usr/bin/env bash
# Checks that .sqlx, which builds read instead of a database, still fits the queries and migrations.
# With --update it is written anew.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/common.sh
. "$here/lib/common.sh"

SERVERS=$ROOT/scripts/servers.sh
WORK=$ROOT/.run/sqlx

finish() {
  local code=$?
  set +e
  trap '' INT TERM HUP
  trap - EXIT
  "$SERVERS" kill postgres "$WORK"
  "$SERVERS" wipe postgres "$WORK"
  exit "$code"
}

# Fills the database by psql: the program that migrates cannot be built while .sqlx is out of date.
migrate() {
  local file together
  while IFS= read -r file; do
    # What builds an index beside running work cannot be in a transaction, and says so in its first line.
    together=(-1)
    [[ $(head -n 1 "$file") != '-- no-transaction' ]] || together=()
    psql -X -q "${together[@]}" -v ON_ERROR_STOP=1 -f "$file" "$1" >/dev/null || die "$file does not apply"
  done < <(find migrations -name '*.sql' ! -name '*.down.sql' | sort -V)
}

# The macros write what they learn from the database, but only in crates that are compiled again.
# Every crate that has queries depends on these roots.
expand_queries() {
  local root
  for root in src/lib.rs workers/src/lib.rs; do
    if [[ -f $root ]]; then touch "$root"; fi
  done
  SQLX_OFFLINE=false SQLX_OFFLINE_DIR=$WORK/queries DATABASE_URL=$1 \
    cargo check --quiet --locked --workspace --all-targets 9>&-
}

compare() {
  if [[ ${1:-} == --update ]]; then
    rm -rf .sqlx
    cp -r "$WORK/queries" .sqlx
    say ".sqlx is written: $(find .sqlx -name '*.json' | wc -l) queries"
  elif diff -r .sqlx "$WORK/queries" >&2; then
    say ".sqlx is up to date: $(find .sqlx -name '*.json' | wc -l) queries"
  else
    die ".sqlx does not fit the queries; \"make sqlx\" writes it anew"
  fi
}

main() {
  local url
  cd "$ROOT"
  [[ $# -eq 0 || $* == --update ]] || die "usage: scripts/check-sqlx.sh [--update]"
  mkdir -p "$WORK"
  exec 9>"$WORK/.check.lock"
  flock 9
  "$SERVERS" install
  trap 'exit 130' INT TERM HUP
  trap finish EXIT
  "$SERVERS" kill postgres "$WORK"
  "$SERVERS" wipe postgres "$WORK"
  HOLDFAST_TEST_SERVERS=1 "$SERVERS" start postgres "$WORK"
  url=$(sed -n 's/^DATABASE_URL=//p' "$WORK/postgres.env")
  step "Applying the migrations"
  migrate "$url"
  step_done "done"
  rm -rf "$WORK/queries"
  mkdir "$WORK/queries"
  step "Asking the database about every query"
  expand_queries "$url"
  step_done "done"
  compare "$@"
}

main "$@"
