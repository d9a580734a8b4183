#!/usr/bin/env bash
# make mail: shows the latest mail that "make run" delivered, as its reader would see it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib/common.sh
. "$here/lib/common.sh"

# decode ENCODING prints what comes in, which travels in this encoding.
decode() {
  case $1 in
  base64) base64 -d ;;
  quoted-printable) printf '%b' "$(sed -z 's/\\/\\\\/g; s/=\r*\n//g; s/=\([0-9A-F][0-9A-F]\)/\\x\1/g')" ;;
  *) cat ;;
  esac
}

main() {
  local latest encoding
  latest=$(find "$ROOT/.run/mail" -name '*.eml' -printf '%T@ %p\n' 2>/dev/null | sort -n | tail -n 1 | cut -d ' ' -f 2-)
  [[ -n $latest ]] || die "no mail was delivered into .run/mail yet"
  encoding=$(tr -d '\r' <"$latest" | sed -n '1,/^$/s/^Content-Transfer-Encoding: *//p' | tr '[:upper:]' '[:lower:]')
  tr -d '\r' <"$latest" | sed -n '1,/^$/{/^\(From\|To\|Date\): /p}'
  echo
  tr -d '\r' <"$latest" | sed '1,/^$/d' | decode "$encoding"
  echo
}

main "$@"
