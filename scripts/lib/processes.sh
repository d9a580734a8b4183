# shellcheck shell=bash disable=SC2034
# (SC2034 off: the variables set here are read by the files that source this one.)
# Finding, starting and ending the processes of a server.
#
# A server and all its children run in folders below $DATA/<server>, and that is how they are found
# again: unlike a pid file, it survives kill -9, cannot name a stranger, and shows the orphans too.

# spawn LOG FOLDER COMMAND... starts a daemon and sets SPAWNED to its pid. The daemon gets its own
# session, so Ctrl-C in the terminal passes it by, and none of our file descriptors, so it holds
# neither a lock nor the pipe that somebody reads our output from.
spawn() {
  local log=$1 folder=$2
  shift 2
  (
    cd "$folder" || exit
    exec </dev/null >>"$log" 2>&1
    for fd in /proc/self/fd/*; do
      fd=${fd##*/}
      ((fd <= 2)) || eval "exec $fd>&-"
    done
    exec setsid "$@"
  ) &
  SPAWNED=$!
  # The shell need not report how its daemon ended; whoever started it looks for itself.
  disown "$SPAWNED"
}

# scan FOLDER sets PIDS and EXES to the server's processes. Only the same user may look at a
# process's folder where root lacks the ptrace capability, as in most containers.
scan() {
  local folder=$1 path link pid
  local -A exe=() inside=()
  PIDS=() EXES=()
  while IFS=$'\t' read -r path link; do
    pid=${path#/proc/} pid=${pid%%/*}
    case $path in
      */exe) exe[$pid]=$link ;;
      */cwd) [[ $link/ == "$folder"/* || $link == "$folder"*" (deleted)" ]] && inside[$pid]=1 ;;
    esac
  done < <(as_user find /proc/[0-9]*/cwd /proc/[0-9]*/exe -maxdepth 0 -printf '%p\t%l\n' 2>/dev/null)
  for pid in "${!inside[@]}"; do
    # A person's shell that happens to stand in the folder is not the server's.
    case ${exe[$pid]:-} in
      */bin/postgres* | */erlang/* | */erts-*)
        PIDS+=("$pid")
        EXES+=("${exe[$pid]}")
        ;;
    esac
  done
}

# find_process FOLDER NAME prints the pid of the program NAME running in FOLDER.
find_process() {
  local i
  scan "$1"
  for i in "${!PIDS[@]}"; do
    if [[ ${EXES[$i]} == */"$2"* ]]; then
      printf '%s' "${PIDS[$i]}"
      return
    fi
  done
  return 1
}

# kill_all FOLDER ends everything with SIGKILL, and looks again for what was being forked meanwhile.
kill_all() {
  local try
  for ((try = 0; try < 100; try++)); do
    scan "$1"
    ((${#PIDS[@]})) || return 0
    kill -KILL "${PIDS[@]}" 2>/dev/null || true
    sleep 0.02
  done
  die "these processes do not die: ${PIDS[*]}"
}

# wait_gone FOLDER NAME SECONDS waits until the program NAME has left.
wait_gone() {
  local end=$(($(now_ms) + $3 * 1000))
  while find_process "$1" "$2" >/dev/null; do
    (($(now_ms) < end)) || return 1
    sleep 0.1
  done
}

# await_ready NAME PID LOG SECONDS CHECK... polls until CHECK succeeds; fails as soon as PID is gone.
await_ready() {
  local name=$1 pid=$2 log=$3 seconds=$4 end
  shift 4
  end=$(($(now_ms) + seconds * 1000))
  until "$@"; do
    if ! running "$pid"; then
      return 1
    elif (($(now_ms) >= end)); then
      say "$name is not ready after $seconds s; the end of $log:"
      tail -n 20 "$log" >&2
      return 2
    fi
    sleep 0.1
  done
}

# running PID tells whether a process is there and not a zombie that nobody has buried yet.
running() {
  local stat
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  stat=${stat##*) }
  [[ $stat != Z* && $stat != X* ]]
}
