# shellcheck shell=bash
# Jobs of cluster_test.sh, sourced by it: how processes are started, watched, signalled and counted.

# A variable by which processes of a job are recognised, whoever started them.
mark=SWIFT_PEFT_CLUSTER_TEST
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# No job takes longer than so many seconds.
limit=${LIMIT:-600}
log=/dev/null job='' status=0 launcher=openmpi

# The arguments of the launcher before -n, in `command`.
launcher_command() {
  case "$launcher" in
    openmpi)
      # Ranks that wait leave the processor to others: here the hosts share two or so.
      command=(mpirun.openmpi --bind-to none --mca mpi_yield_when_idle 1)
      if [ "$hosts" -gt 0 ]; then
        command+=(--hostfile "$work/openmpi.hosts" --map-by node --mca plm_rsh_agent "$work/agent")
      else
        command+=(--oversubscribe)
      fi
      local name
      for name in SWIFT_PEFT_MPI_TIMEOUT SWIFT_PEFT_MPI_LIBRARY; do
        [ -z "${!name:-}" ] || command+=(-x "$name")
      done
      ;;
    mpich)
      command=(mpirun.mpich)
      # UCX would find memory that the hosts share, since they have one kernel.
      [ "$hosts" -eq 0 ] ||
        command+=(-launcher ssh -launcher-exec "$work/agent" -f "$work/mpich.hosts" -genv UCX_TLS tcp,self)
      ;;
  esac
}

# begin RANKS ARGUMENTS…: starts the program in so many processes, one a host; `job` is its number, `log` what it says.
# With one rank there is no launcher.
begin() {
  local ranks=$1
  shift
  if [ "$ranks" -eq 1 ]; then
    begin_command "$program" "$@"
  else
    launcher_command
    begin_command "${command[@]}" -n "$ranks" "$program" "$@"
  fi
}

# begin_each ARGUMENTS : ARGUMENTS …: the same with one rank for each group of arguments.
begin_each() {
  launcher_command
  command+=(-n 1 "$program")
  local word
  for word; do
    if [ "$word" = : ]; then command+=(: -n 1 "$program"); else command+=("$word"); fi
  done
  begin_command "${command[@]}"
}

begin_command() {
  log=$work/log.$((++jobs_begun))
  : >"$log"
  (
    export "$mark=$work"
    # Not the last command, which the shell would become: it would report a signal on the script's own terminal.
    on 1 timeout --kill-after=5 "$limit" "$@" || exit $?
  ) >"$log.out" 2>"$log" </dev/null &
  job=$!
}
jobs_begun=0

# Waits for the job; its status is then in `status`.
finish_job() {
  status=0
  wait "$job" || status=$?
}
# run RANKS ARGUMENTS…
run() { begin "$@" && finish_job; }

# await SECONDS COMMAND…: whether it succeeds within this time.
await() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -le "$end" ] || return 1
    sleep 0.1
  done
}
says() { grep -qE -- "$1" "$log"; }
ended() { ! kill -0 "$job" 2>/dev/null; }
# Whether the job is in step N or later, or over.
in_step() {
  ended || awk -v n="$1" '/^step [0-9]+\// && substr($0, 6) + 0 >= n { found = 1 } END { exit !found }' "$log"
}

# The processes of all jobs, but for zombies; they have no environment any more.
processes() {
  local file
  for file in /proc/[0-9]*/environ; do
    if grep -qsz "^$mark=$work\$" "$file"; then basename "$(dirname "$file")"; fi
  done
}
# The processes of the program.
ranks() {
  local process
  for process in $(processes); do
    if [ "$(readlink "/proc/$process/exe")" = "$program" ]; then echo "$process"; fi
  done
}
# The process of rank N.
rank() {
  local process
  for process in $(ranks); do
    if grep -qszE "^(OMPI_COMM_WORLD_RANK|PMI_RANK)=$1\$" "/proc/$process/environ"; then echo "$process"; fi
  done
}
# The launcher, or the program where there is none: the child of `timeout`, which is the child of the job.
launcher_process() {
  local process=$job
  for _ in 1 2; do process=$(tr -d ' ' <"/proc/$process/task/$process/children"); done
  echo "$process"
}
none_left() { [ -z "$(processes)" ]; }
# gone SECONDS: whether all processes are gone within this time; those that are not are named and killed.
gone() {
  await "$1" none_left && return 0
  local process
  for process in $(processes); do
    note "left over: $process $(tr '\0' ' ' <"/proc/$process/cmdline" | cut -c 1-200)"
    kill -KILL "$process" 2>/dev/null || true
  done
  return 1
}

# The config of all runs: 52 examples in batches of 32 and 20, so that the last batch of an epoch is short.
write_config() {
  local model=${MODEL:-$(minilm_directory)}
  cat >train.json <<END
{
  "name": "cluster-test", "model": "$(readlink -f "$model")",
  "task": { "name": "sst2", "data_dir": "$work/data", "max_seq_length": 64,
            "max_train_samples": 52, "max_eval_samples": 70 },
  "adapter": { "r": 4, "lora_dropout": 0.1, "aslora": { "start_step": 2, "merge_interval": 2, "num_merges": 2 } },
  "training": { "num_train_epochs": 4, "train_batch_size": 32, "eval_batch_size": 16, "learning_rate": 2e-3,
                "shard_tokens": 128, "logging_steps": 1, "save_steps": 3 },
  "output_dir": "runs/none", "database": "$work/runs.sqlite"
}
END
}
# What `train` gets for the run NAME.
config() { printf '%s\n' train "$work/train.json" --threads 1 --output-dir "$work/runs/$1"; }
# train RANKS NAME OPTIONS…
begin_train() {
  local arguments
  mapfile -t arguments < <(config "$2")
  begin "$1" "${arguments[@]}" "${@:3}"
}
train() { begin_train "$@" && finish_job; }

# equal HOST RUN REFERENCE: whether both have the same adapter, scores and newest checkpoint. The run is on HOST's disk.
equal() {
  on "$1" sh -c '
    for file in adapter_model.safetensors eval_results.json; do cmp "$1/$file" "$2/$file" || exit 1; done
    newest=$(ls "$2/checkpoints" | tail -n 1)
    for file in "$2/checkpoints/$newest"/*.safetensors; do
      cmp "$1/checkpoints/$newest/$(basename "$file")" "$file" || exit 1
    done' sh "$work/runs/$2" "$work/runs/$3" >&2
}
# Whether the job ended with STATUS, and, of PATTERNs, said all.
ended_with() {
  [ "$status" -eq "$1" ] || { note "status $status, not $1" && return 1; }
  local pattern
  for pattern in "${@:2}"; do says "$pattern" || { note "nothing like: $pattern" && return 1; }; done
}
