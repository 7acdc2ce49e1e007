# shellcheck shell=bash
# Part of cluster_test.sh: one run by several numbers of ranks, with an output directory that only the first host has.

stage 'Resuming with other numbers of ranks: 1, 2, 3, 1'
steps=(--set adapter.strategy=aslora --set training.num_train_epochs=20)
train 1 resume-one "${steps[@]}"
check 'one process, without a stop' ended_with 0
mkdir -p runs/resume
if require_hosts 3 'an output directory that other hosts have not'; then
  on 1 mount -t tmpfs tmpfs "$work/runs/resume"
fi
for count in 1 2 3; do
  begin_train "$count" resume "${steps[@]}" --resume
  from=$(((count - 1) * 9 + 5))
  await "$limit" in_step "$from" || true
  kill -USR1 "$(launcher_process)" || true
  finish_job
  check "stopped after step $from with $count ranks" ended_with 138
  [ "$count" -eq 1 ] || check 'it had resumed' says 'resumed after step'
done
train 1 resume "${steps[@]}" --resume
check 'one process ends it' ended_with 0 'resumed after step'
check 'the same bytes' equal 1 resume resume-one
if [ "$hosts" -gt 0 ]; then
  check 'other hosts wrote nothing into the directory' on 2 sh -c "[ -z \"\$(ls -A '$work/runs/resume')\" ]"
  check 'nor did they leave temporary files' test -z "$(find tmp -name 'swift-peft*')"
  on 1 umount "$work/runs/resume"
fi
check 'no process is left over' gone 10
