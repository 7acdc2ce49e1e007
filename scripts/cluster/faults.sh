# shellcheck shell=bash
# Part of cluster_test.sh: what goes wrong on clusters, and with which status and sentence it ends.

stage 'Faults'
long=(--set training.num_train_epochs=24)
train 1 long "${long[@]}"
check 'a run without faults' ended_with 0

# started RANKS NAME: a run of which some steps are done.
started() {
  begin_train "$1" "$2" "${long[@]}" "${@:3}"
  await "$limit" in_step 3 || true
}
# resumed NAME: finishes a run with two ranks.
resumed() {
  train 2 "$1" "${long[@]}" --resume
  check 'it resumes' ended_with 0 'resumed after step'
  check 'and has the bytes of a run without faults' equal 1 "$1" long
}
# Whether the job was stopped in order. After a signal, MPICH's launcher forgets now and then what its ranks ended with.
stopped() {
  [ "$launcher$status" = mpich0 ] || ended_with 138 || return 1
  grep -q 'interrupted after' "$log.out"
}
second=$([ "$hosts" -gt 0 ] && echo spn2 || hostname)

for launcher in openmpi mpich; do
  started 2 "usr1-$launcher"
  kill -USR1 "$(launcher_process)"
  finish_job
  check "$launcher: SIGUSR1 to the launcher stops all ranks" stopped
  check 'within 10 s' gone 10
  resumed "usr1-$launcher"

  started 2 "usr1-rank-$launcher"
  kill -USR1 "$(rank 1)"
  finish_job
  check "$launcher: SIGUSR1 to one rank stops all" ended_with 138
  check 'within 10 s' gone 10
  resumed "usr1-rank-$launcher"

  mapfile -t arguments < <(config "other-$launcher")
  begin_each "${arguments[@]}" : "${arguments[@]}" --set training.learning_rate=1e-3
  finish_job
  check "$launcher: another config on one rank is refused" ended_with 65 \
    "error: rank 1 on $second has another config: training.learning_rate"
  begin_each "${arguments[@]}" : "${arguments[@]/train.json/absent.json}"
  finish_job
  check "$launcher: a config that one rank has not" ended_with 66 \
    "error: rank 1 on $second: .*absent.json: no such file"
  check 'neither began a run' test ! -e "runs/other-$launcher"

  [ "$launcher" = openmpi ] && library=libmpich.so.12 || library=libmpi.so.40
  SWIFT_PEFT_MPI_LIBRARY=$library train 2 "library-$launcher"
  check "$launcher: the library of another launcher is refused" ended_with 66 \
    "error: mpirun started 2 processes, but $library sees 1: set SWIFT_PEFT_MPI_LIBRARY"
  check 'within 10 s' gone 10
done
launcher=openmpi

started 2 twice
first_job=$job first_log=$log
train 2 twice "${long[@]}"
check 'a second launcher in the same directory is refused' ended_with 73 'error: .*twice'
train 2 twice "${long[@]}" --resume
check 'and so is its --resume' ended_with 73 'in use by a training run'
job=$first_job log=$first_log
finish_job
check 'the first is not disturbed' ended_with 0
check 'and has the bytes of a run alone' equal 1 twice long

if require_hosts 2 'a file that one host has not'; then
  on 2 mount -t tmpfs tmpfs "$work/data"
  train 2 missing
  on 2 umount "$work/data"
  check 'a data file that one host has not is named' ended_with 66 'error: rank 1 on spn2: .*train.tsv: no such file'
  check 'within 10 s' gone 10
fi

if require_hosts 2 'a full disk'; then
  mkdir -p runs/full
  on 1 mount -t tmpfs -o size=64m tmpfs "$work/runs/full"
  started 2 full --set training.save_steps=1
  on 1 dd if=/dev/zero of="$work/runs/full/ballast" bs=64k 2>/dev/null || true
  finish_job
  check 'a full disk of the first rank ends the job' ended_with 74 'No space left on device'
  check 'within 10 s' gone 10
  on 1 rm "$work/runs/full/ballast"
  train 2 full "${long[@]}" --set training.save_steps=1 --resume
  check 'with room again it resumes' ended_with 0 'resumed after step'
  check 'and has the bytes of a run without faults' on 1 \
    cmp "$work/runs/full/adapter_model.safetensors" "$work/runs/long/adapter_model.safetensors"
  on 1 umount "$work/runs/full"
fi

no_ranks() { [ -z "$(ranks)" ]; }
# Whether the second host finds the first: nobody listens there, which it must be told.
reachable() {
  on 2 ip neigh flush dev eth0
  [[ $(on 2 bash -c '</dev/tcp/spn1/9' 2>&1 || true) == *'Connection refused'* ]]
}
for launcher in openmpi mpich; do
  require_hosts 2 "$launcher: a cut cable" || continue
  SWIFT_PEFT_MPI_TIMEOUT=5 started 2 "cut-$launcher"
  ip link set cable2 down
  cut=$SECONDS
  check "$launcher: ranks that a cut cable parts end by themselves" await 120 no_ranks
  note "after $((SECONDS - cut)) s"
  await 10 ended || true
  if ended; then
    finish_job
    check "$launcher: the launcher ends with its status" ended_with 74
  else
    # Open MPI's launcher waits for the daemon of the host for ever.
    note "the launcher stays; it is killed"
    kill -KILL "$(launcher_process)"
    finish_job
  fi
  check "$launcher: with the sentence of the watchdog" \
    says 'error: (rank [01] on spn[12]: )?rank [01] has waited [0-9]+ s for the others in step [0-9]+'
  ip link set cable2 up
  await 20 reachable || note 'the host cannot be reached again'
  check 'within 10 s' gone 10
  resumed "cut-$launcher"
done
launcher=openmpi
