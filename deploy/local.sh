#!/usr/bin/env bash
# Runs the services of Lethe as separate programs on this machine, without
# containers: one folder, one identity each, SQLite files unless LETHE_MONGO_URI is set.
#
#   deploy/local.sh [--data DIR] [--bin DIR] [--port-base N] [--http HOST:PORT]
#
# Settings of the programs go by environment (LETHE_ADMIN_KEY, LETHE_MONGO_URI ...).
# Logs go to standard error, each line with the program's name. When all are
# ready, one line on standard output says so. SIGINT and SIGTERM stop all, and
# so does the end of any of them; the code is 0 only after a signal and clean ends.
set -euo pipefail

data=data bin="$(cd "$(dirname "$0")/.." && pwd)/bin" base=7100 http=127.0.0.1:8080
while (($#)); do
  case $1 in
    --data) data=$2 ;;
    --bin) bin=$2 ;;
    --port-base) base=$2 ;;
    --http) http=$2 ;;
    *) sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
  shift 2
done

# Programs in no particular order; their ports are those of `lethe up`.
declare -A place=([contacts]=1 [tickets]=2 [forums]=3 [ratings]=4 [privacy]=5)
mkdir -p "$data" && data=$(cd "$data" && pwd)
for name in "${!place[@]}"; do
  [[ -x $bin/${name}d ]] || continue
  export "LETHE_${name^^}_ADDR=127.0.0.1:$((base + place[$name]))"
done

declare -A pid
start() { # NAME FLAG...
  "$bin/$1d" "${@:2}" 2> >(exec sed -u "s/^/$1 | /" >&2) >/dev/null &
  pid[$1]=$!
  echo "${pid[$1]}" >"$data/$1.pid"
}

stop() {
  trap - INT TERM EXIT
  # Callers before those they call, so that what is under way can end.
  local code=0 name
  for name in gateway privacy ratings forums tickets contacts; do
    [[ -n ${pid[$name]:-} ]] || continue
    kill -TERM "${pid[$name]}" 2>/dev/null || true
    wait "${pid[$name]}" || code=1
    rm -f "$data/$name.pid"
  done
  return $code
}
trap 'stop && exit 0 || exit 1' INT TERM
trap 'stop || true' EXIT

for name in "${!place[@]}"; do
  [[ -x $bin/${name}d ]] || continue
  start "$name" --data "$data" --listen "127.0.0.1:$((base + place[$name]))" --health "127.0.0.1:$((base + 100 + place[$name]))"
done
start gateway --identity "$data/identity" --http "$http"

ready() { # HOST:PORT; asked over bash's own sockets, so that no other tool is needed
  local status
  exec 3<>"/dev/tcp/${1%:*}/${1##*:}" || return 1
  printf 'GET /readyz HTTP/1.0\r\nHost: %s\r\n\r\n' "$1" >&3
  read -r -t 5 status <&3 || status=
  exec 3>&-
  [[ $status == *' 200 '* ]]
}
alive() {
  local name
  for name in "${!pid[@]}"; do
    kill -0 "${pid[$name]}" 2>/dev/null || { echo "local.sh: ${name}d has ended" >&2; return 1; }
  done
}

for name in "${!pid[@]}"; do
  at=$http
  [[ $name == gateway ]] || at=127.0.0.1:$((base + 100 + place[$name]))
  until ready "$at" 2>/dev/null; do
    alive || exit 1
    sleep 0.1
  done
done
echo "lethe is ready: REST at http://$http; gRPC above 127.0.0.1:$base; the first admin's key is LETHE_ADMIN_KEY or in $data.admin-key"

while alive; do
  wait -n "${pid[@]}" || true
done
exit 1
