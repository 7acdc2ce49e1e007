#!/usr/bin/env bash
# Trains on several hosts and breaks them: network namespaces on a bridge, each with a name, an address and a cable of
# 1 Gb/s, joined by Open MPI or MPICH. Whatever the number of hosts and whatever happens to them, the adapter must have
# the bytes that one process gives, and nothing may hang or stay behind.
#
#   scripts/cluster_test.sh [PROGRAM] [--no-install]      (PROGRAM: default .build/release/swift-peft)
#
#   --no-install   never call apt-get; say what is missing instead
#   PARTS          what to test (default: "speed same resume faults kills"; scripts/cluster/PART.sh)
#   KILLS          ranks to kill (30)
#   KILL_SEED      where the random numbers of the kills begin (default: the time; it is printed)
#   MODEL          the model (default: all-MiniLM-L6-v2, which is downloaded unless MINILM_DIR has it); `speed` always
#                  uses that one
#   KEEP=1         do not delete the directory with logs and runs where something failed
#
# The hosts are inside namespaces of this script alone, which the kernel removes with its last process; root is not
# needed where users may make namespaces. Where they may not, everything that needs a host of its own is skipped.
# The last line counts; the status is 1 where something failed.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

parts=${PARTS:-speed same resume faults kills}
if [ "${1:-}" != --inside ]; then
  install=
  program=$repository/.build/release/swift-peft
  for argument; do
    case "$argument" in
      --no-install) install=no-install ;;
      -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p;}' "${BASH_SOURCE[0]}" && exit 0 ;;
      -*) status=64 die "unknown option $argument (only --no-install is known)" ;;
      *) program=$argument ;;
    esac
  done
  [ -f "$program" ] && [ -x "$program" ] || die "there is no $program: build it, or name the program"
  program=$(readlink -f "$program")
  for part in $parts; do
    [ -f "$repository/scripts/cluster/$part.sh" ] || status=64 die "PARTS: there is no part $part"
  done
  require_programs "$install" mpirun.openmpi:openmpi-bin mpirun.mpich:mpich ip:iproute2 tc:iproute2 \
    nsenter:util-linux setpriv:util-linux unshare:util-linux
  [ -n "${MODEL:-}" ] && [ "${parts/speed/}" = "$parts" ] || require_minilm

  work=$(mktemp -d /tmp/swift-peft-cluster-XXXXXX)
  child=
  finish() {
    # All processes inside end with the first of them, and with the last one the hosts.
    if [ -n "$child" ]; then
      kill -KILL "$child" 2>/dev/null || true
      wait "$child" 2>/dev/null || true
    fi
    if [ -n "${KEEP:-}" ] && [ "${result:-1}" -ne 0 ]; then note "see $work"; else rm -rf "$work"; fi
  }
  trap finish EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  inside=(unshare --net --mount --pid --uts --fork --kill-child --mount-proc)
  [ "$(id -u)" -eq 0 ] || inside+=(--user --map-root-user)
  hosts=4
  if ! "${inside[@]}" ip link add probe type bridge 2>"$work/unshare.log"; then
    note "no namespaces for hosts here, so only what needs none is tested: $(tail -n 1 "$work/unshare.log")"
    hosts=0 inside=()
  fi
  # The test goes with this process, however that ends.
  PROGRAM=$program WORK=$work HOSTS=$hosts setpriv --pdeathsig KILL "${inside[@]}" "${BASH_SOURCE[0]}" --inside &
  child=$!
  result=0
  wait "$child" || result=$?
  child=
  exit "$result"
fi

program=$PROGRAM work=$WORK hosts=$HOSTS
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$work"
. "$repository/scripts/cluster/hosts.sh"
. "$repository/scripts/cluster/jobs.sh"

skip() { printf 'skipped %s\n' "$*"; }
# Whether there are so many hosts; says so where not.
require_hosts() {
  [ "$hosts" -ge "$1" ] || { skip "${@:2}: needs $1 hosts" && return 1; }
}

make_hosts
cp -r "$repository/configs/quickstart-data" data
write_config
for part in $parts; do . "$repository/scripts/cluster/$part.sh"; done
stage 'In the end'
check 'no process is left over' gone 10
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
