#!/usr/bin/env bash
# Sweeps in a real Slurm: one that this script starts here, with a configuration, ports and keys of its own, and ends and
# removes afterwards. A sweep of six runs, as the job array that `sweep --slurm` prints, is stopped in the middle,
# submitted again and collected; another is shared by workers, one of which is killed. Both must equal an ordinary sweep.
#
#   scripts/slurm_test.sh [PROGRAM]    (default: .build/release/swift-peft; runs as root)
#
#   STEPS          optimiser steps of a run of the tiny model (1500)
#   TIME_LIMIT=1   also lets a run meet its time limit, which takes some five minutes
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

program=$(readlink -f "${1:-$repository/.build/release/swift-peft}") || true
[ -x "$program" ] || die "there is no ${1:-.build/release/swift-peft}: build it, or name the program"
[ "$(id -u)" -eq 0 ] || status=64 die 'must run as root: it starts the daemons of Slurm'
model=$repository/Tests/TrainingTests/Golden/bert-tiny
steps=${STEPS:-1500}

need() { command -v "$1" >/dev/null; }
if ! need slurmctld || ! need slurmd || ! need sbatch || ! need munged || ! need python3; then
  need apt-get || die 'missing: slurmctld, slurmd, sbatch, munged or python3, and there is no apt-get here'
  stage 'Installing Slurm'
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    slurmctld slurmd slurm-client munge slurm-wlm-basic-plugins python3 >&2
fi

work=$(mktemp -d /tmp/swift-peft-slurm-XXXXXX)
chmod 755 "$work"
export SLURM_CONF=$work/slurm.conf
daemons=()

# Ends what was started: first the jobs, then the daemons, by their ids.
finish() {
  local status=$? daemon
  scancel --full --user=root >/dev/null 2>&1 || true
  scancel --signal=KILL --full --user=root >/dev/null 2>&1 || true
  for _ in $(seq 50); do
    [ -n "$(squeue --noheader 2>/dev/null)" ] || break
    sleep 0.2
  done
  for daemon in "${daemons[@]}"; do kill "$daemon" 2>/dev/null || true; done
  for daemon in "${daemons[@]}"; do wait "$daemon" 2>/dev/null || true; done
  if [ "$status" -ne 0 ] && [ -f "$work/slurmctld.log" ]; then tail -n 20 "$work"/*.log >&2; fi
  rm -rf "$work"
}
trap finish EXIT

stage "Starting Slurm in $work"
host=$(hostname -s)
# Two ports that nobody uses at present.
read -r control node < <(python3 -c '
import socket
a, b = socket.socket(), socket.socket()
a.bind(("", 0)), b.bind(("", 0))
print(a.getsockname()[1], b.getsockname()[1])')
cat >"$SLURM_CONF" <<END
ClusterName=swift-peft-test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$control
SlurmdPort=$node
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$work/munge.socket
CredType=cred/munge
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=4
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
mkdir "$work/state" "$work/spool"
(umask 077 && head -c 1024 /dev/urandom >"$work/munge.key")
munged --foreground --force --socket="$work/munge.socket" --key-file="$work/munge.key" --seed-file="$work/munge.seed" \
  --pid-file="$work/munge.pid" --log-file="$work/munge.log" 2>"$work/munged.log" &
daemons+=($!)
for _ in $(seq 100); do
  [ ! -S "$work/munge.socket" ] || break
  sleep 0.1
done
slurmctld -D 2>"$work/slurmctld.err.log" &
daemons+=($!)
slurmd -D -N "$host" 2>"$work/slurmd.err.log" &
daemons+=($!)
for _ in $(seq 300); do
  [ "$(sinfo --noheader --format=%t 2>/dev/null)" != idle ] || break
  sleep 0.1
done
[ "$(sinfo --noheader --format=%t)" = idle ] || status=70 die 'Slurm did not start'
note "$(sinfo --version), $(sinfo --noheader --format='%n with %c processors, %t')"

# A directory NAME with the sweep: six runs of the tiny model.
make_sweep() {
  mkdir -p "$work/$1"
  cat >"$work/$1/sweep.json" <<END
{
  "name": "six", "model": "$model",
  "task": { "name": "sst2", "data_dir": "$repository/configs/quickstart-data", "max_seq_length": 32,
            "max_train_samples": 400, "max_eval_samples": 100 },
  "adapter": { "r": 2, "aslora": { "start_step": 5, "merge_interval": 10, "num_merges": 2 } },
  "training": { "max_steps": $steps, "train_batch_size": 4, "logging_steps": 5, "save_steps": 50,
                "eval_strategy": "steps", "eval_steps": $((steps / 3)) },
  "sweep": { "adapter.strategy": ["lora", "share-a", "aslora"], "training.seed": [1, 2] },
  "output_dir": "runs/six"
}
END
  cd "$work/$1"
}

# How many runs are complete.
complete() { "$program" sweep sweep.json --plan --json | grep -c '"done": true' || true; }
# How many runs of the sweep have this status in their own databases.
having() {
  local file count=0
  for file in runs/six/*/run.sqlite; do
    [ -f "$file" ] || continue
    if "$program" runs list --database "$file" --json | grep -q "\"status\": \"$1\""; then count=$((count + 1)); fi
  done
  echo "$count"
}
# await SECONDS COMMAND…: whether it succeeds within this time.
await() {
  local end=$(($(date +%s) + $1))
  shift
  until "$@"; do
    [ "$(date +%s)" -lt "$end" ] || return 1
    sleep 0.2
  done
}
is_idle() { [ -z "$(squeue --noheader)" ]; }
has_completed() { [ "$(complete)" -ge "$1" ]; }
has_locks() { [ "$(find runs/six -name .lock 2>/dev/null | wc -l)" -ge "$1" ]; }
# Whether there are so many checkpoints, so that there is something to resume.
has_begun() { [ "$(find runs/six -path '*/step-*' -name trainer_state.json 2>/dev/null | wc -l)" -ge "$1" ]; }
# How many tasks of a job have which state and exit status.
states() {
  scontrol show job "$1" --oneliner | sed -E 's/.*JobState=([A-Z]+) .*ExitCode=([0-9:]+) .*/\1 \2/' | sort | uniq -c
}
# The results of a sweep without the numbers of rows, which depend on the order in which runs began.
results() { sed -E '/"run_id"|^ +[0-9]+,?$/d' "$1/runs/six/sweep_results.json"; }
same_adapters() {
  local file
  for file in "$work"/ordinary/runs/six/*/adapter_model.safetensors; do
    cmp -s "$file" "runs/six/$(basename "$(dirname "$file")")/adapter_model.safetensors" || return 1
  done
}

stage 'An ordinary sweep'
make_sweep ordinary
"$program" sweep sweep.json --jobs 2 --threads 2 >table.txt 2>log.txt || die "the sweep failed: $(cat log.txt)"
cat table.txt

stage 'The same as a job array, two tasks at a time, stopped in the middle'
make_sweep 'job array'
"$program" sweep sweep.json --slurm --threads 1 --jobs 2 >array.sh
job=$(sbatch --parsable array.sh)
await 600 has_completed 2
await 60 has_locks 2
sleep 1
scancel --state=PENDING "$job"
scancel --signal=USR1 "$job"
check 'SIGUSR1 ends the tasks that run' await 60 is_idle
states "$job"
begun=$(having completed) stopped=$(having interrupted)
note "$begun complete, $stopped interrupted, $((6 - begun - stopped)) not begun"
check 'some runs are complete, some were stopped, some not begun' test "$begun" -ge 2 -a "$stopped" -ge 1 -a \
  $((begun + stopped)) -lt 6
check 'stopped tasks have the exit status 138' test "$(states "$job" | grep -c '138:0')" -ge 1
check 'no lock is left' test -z "$(find runs/six -name .lock)"
"$program" sweep sweep.json --collect >part.txt 2>part.log
check 'what there is can be collected' grep -q "six, $begun of 6 runs" part.txt
cat part.txt

stage 'The same array again, and the job that collects, both submitted as the script says'
sed -n 's/^#   //p' array.sh | sed 's/FILE/array.sh/' >submit.sh
cat submit.sh >&2
. ./submit.sh >&2
await 600 is_idle || true
states "$job"
check 'all tasks end well' test "$(states "$job" | grep -c 'COMPLETED 0:0')" -eq 1
check 'complete runs are not trained again' test "$(grep -l 'already complete' slurm-"$job"_*.out | wc -l)" -eq "$begun"
check 'every run is complete, and trained once' test "$(having completed)" -eq 6
check 'no run has a second row' test "$("$program" runs list --json | grep -c '"id"')" -eq 6
check 'the results equal those of the ordinary sweep' test "$(results .)" = "$(results ../ordinary)"
"$program" sweep sweep.json --collect --quiet >table.txt
check 'the table equals that of the ordinary sweep' cmp table.txt ../ordinary/table.txt
check 'the adapters are the same bytes' same_adapters

stage 'Three workers in one step; one of their runs is killed'
make_sweep workers
cat >workers.sh <<END
#!/bin/bash
#SBATCH --ntasks=3
srun --ntasks=3 --kill-on-bad-exit=0 --output=worker-%t.out $program sweep sweep.json --worker --threads 1
END
job=$(sbatch --parsable workers.sh)
await 60 has_locks 3
await 60 has_begun 3
killed=$(find runs/six -name .lock | head -n 1)
pid=$(sed -nE 's/.*"pid": *([0-9]+).*/\1/p' "$killed")
note "killing process $pid, which trains $(dirname "$killed")"
kill -9 "$pid"
await 600 is_idle || true
states "$job"
cat worker-*.out >&2
check 'its worker and srun report the failure' test "$(states "$job" | grep -c 'FAILED 137:0')" -eq 1
check 'the worker of the killed run goes on with others' test "$(having completed)" -ge 5
sbatch --wait --ntasks=1 --wrap "srun $program sweep sweep.json --worker --threads 1" >&2 || true
check 'another worker takes the run of the dead process' test "$(complete)" -eq 6
"$program" sweep sweep.json --collect --quiet >table.txt
check 'the table equals that of the ordinary sweep' cmp table.txt ../ordinary/table.txt
check 'the adapters are the same bytes' same_adapters

stage 'A run that is named twice'
make_sweep twice
sbatch --ntasks=1 --wrap "srun $program sweep sweep.json --only 0 --threads 1" >&2
await 60 has_locks 1
taken=0
"$program" sweep sweep.json --only 0 --threads 1 >/dev/null 2>second.log || taken=$?
check 'the second has the status 73' test "$taken" -eq 73
check 'and names the first' grep -q 'in use by a training run: process' second.log
scancel --user=root --signal=USR1
await 60 is_idle

if [ -n "${TIME_LIMIT:-}" ]; then
  stage 'A run that meets its time limit'
  steps=$((steps * 20))
  make_sweep limit
  "$program" sweep sweep.json --slurm --threads 1 >array.sh
  # Slurm counts in minutes: the signal comes some half a minute after the start.
  job=$(sbatch --parsable --array=0 --time=2 --signal=USR1@90 array.sh)
  await 120 grep -q 'was stopped' "slurm-${job}_0.out"
  check 'the run is stopped before its time is up' test "$(having interrupted)" -eq 1
  sleep 2
  squeue --format='%i %t %r' >&2
  check 'and waits to go on' test -n "$(squeue --noheader)"
  await 240 has_locks 1
  check 'and goes on' has_locks 1
  scancel "$job"
  await 60 is_idle
fi

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
