# shellcheck shell=bash
# Installing the Debian packages of the servers, without starting or changing anything else.

# missing_packages [browser] sets MISSING; the browser is what tests of the console and screenshots need.
missing_packages() {
  MISSING=()
  if [[ ${1:-} == browser ]]; then
    have chromium || MISSING+=(chromium)
    have chromedriver || MISSING+=(chromium-driver)
    have npm || MISSING+=(npm)
  fi
  postgres_bin >/dev/null || MISSING+=(postgresql)
  rabbitmq_bin >/dev/null || MISSING+=(rabbitmq-server)
  have curl || MISSING+=(curl)
  have perl || MISSING+=(perl-base)
}

# install_as_root PACKAGE... runs as root. While it works, a policy keeps the packages from starting
# their services, and no system-wide database cluster is made. Both files are removed afterwards.
install_as_root() {
  set -euo pipefail
  export DEBIAN_FRONTEND=noninteractive
  local apt=(apt-get -q -y -o DPkg::Lock::Timeout=600) units=("$@")
  # The trap runs after this function, so what it removes is not local.
  policy=/usr/sbin/policy-rc.d cluster=/etc/postgresql-common/createcluster.d/holdfast.conf
  command -v epmd >/dev/null || units+=(epmd.service epmd.socket)
  exec 9>/run/lock/holdfast-install.lock
  flock 9
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy" "$cluster"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  else
    trap 'rm -f "$cluster"' EXIT
  fi
  mkdir -p "${cluster%/*}"
  printf 'create_main_cluster = false\n' >"$cluster"
  "${apt[@]}" update || echo 'apt-get update failed; trying with the package lists that are there' >&2
  "${apt[@]}" install --no-install-recommends --no-upgrade "$@"
  if command -v systemctl >/dev/null; then
    # What was not here before must not run after the next boot either.
    for unit in "${units[@]}"; do systemctl disable --quiet "$unit" 2>/dev/null || true; done
  fi
}

install_packages() {
  local sudo=() log
  missing_packages "$@"
  if ((${#MISSING[@]} == 0)); then return; fi
  if [[ $EUID -ne 0 ]]; then
    if have sudo && sudo -n true 2>/dev/null; then
      sudo=(sudo -n)
    elif have sudo && [[ -t 0 && -t 2 ]]; then
      say "Installing ${MISSING[*]} needs root, so sudo may ask for your password."
      sudo=(sudo)
    fi
  fi
  if ! have apt-get || [[ $EUID -ne 0 && ${#sudo[@]} -eq 0 ]]; then
    say "Missing here: ${MISSING[*]}. Install them with"
    say "    apt-get install ${MISSING[*]}"
    say "as root and try again, or use docker compose up instead."
    exit 1
  fi
  step "Installing ${MISSING[*]}"
  log=$(mktemp)
  # shellcheck disable=SC2016 # The inner shell expands its own arguments.
  if ! "${sudo[@]}" bash -c "$(declare -f install_as_root)"'; install_as_root "$@"' bash "${MISSING[@]}" \
    </dev/null >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    die "the installation failed; its log is $log"
  fi
  rm -f "$log"
  step_done installed
  missing_packages "$@"
  ((${#MISSING[@]} == 0)) || die "still missing after the installation: ${MISSING[*]}"
}
