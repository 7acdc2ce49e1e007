# shellcheck shell=bash
# The hosts of cluster_test.sh, sourced by it: spn1, spn2 …, each a process that sleeps in a network, host name and mount
# table of its own. Their cables end in a bridge; whatever one does to them is gone with the script.

# The process that holds host I.
holder=()

# Makes `hosts` hosts.
make_hosts() {
  local host name
  [ "$hosts" -gt 0 ] || return 0
  stage "Making $hosts hosts"
  mkdir tmp
  ip link set lo up
  ip link add spnbr type bridge
  ip link set spnbr up
  echo '127.0.0.1 localhost' >names
  for host in $(seq "$hosts"); do
    echo "10.213.0.$host spn$host" >>names
    echo "spn$host slots=1" >>openmpi.hosts
    echo "spn$host:1" >>mpich.hosts
  done
  for host in $(seq "$hosts"); do
    name=spn$host
    mkdir "tmp/$name"
    unshare --net --mount --uts --ipc sh -c '
      hostname "$1" && mount --bind "$2" /etc/hosts && mount -t tmpfs tmpfs /dev/shm && ip link set lo up &&
        touch "$3" && exec sleep infinity' sh "$name" "$work/names" "$work/tmp/$name/ready" &
    holder[host]=$!
    await 10 test -f "tmp/$name/ready" || status=70 die "host $name does not start"
    ip link add "cable$host" type veth peer name eth0 netns "${holder[host]}"
    ip link set "cable$host" master spnbr up
    # What a veth sends is held back, so each end shapes one direction.
    shape dev "cable$host"
    on "$host" ip addr add "10.213.0.$host/24" dev eth0
    on "$host" ip link set eth0 up
    on "$host" sh -c "$(declare -f shape); shape dev eth0"
    echo "${holder[host]}" >"tmp/$name/holder"
  done
  write_agent
}

# Lets a cable's end send 1 Gb/s.
shape() { tc qdisc add "$@" root tbf rate 1gbit burst 256kb latency 40ms; }

# on HOST COMMAND…: runs it there, in the present directory. The process becomes COMMAND, so its number is known.
on() {
  local host=$1
  shift
  if [ "$hosts" -eq 0 ]; then
    env "$@"
  else
    nsenter --target "${holder[host]}" --net --mount --uts --ipc \
      env TMPDIR="$work/tmp/spn$host" sh -c 'cd "$0" && exec "$@"' "$PWD" "$@"
  fi
}

# Stands in for ssh: AGENT [options] HOST COMMAND…, with a short environment, as behind a login.
write_agent() {
  cat >agent <<END
#!/bin/bash
while [[ \$1 == -* ]]; do
  case \$1 in
    -x | -q | -T | -n | -v) shift ;;
    *) shift 2 ;;
  esac
done
host=\$1
shift
exec env -i PATH=$(printf %q "$PATH") HOME=$(printf %q "$HOME") LD_LIBRARY_PATH=$(printf %q "${LD_LIBRARY_PATH:-}") \\
  $mark=$work OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 TMPDIR=$work/tmp/\$host \\
  nsenter --target "\$(cat $work/tmp/\$host/holder)" --net --mount --uts --ipc sh -c "\$*"
END
  chmod +x agent
}
