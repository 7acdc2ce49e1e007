# shellcheck shell=bash
# Part of cluster_test.sh: random ranks are killed at random moments, and the run goes on with a random number of ranks.

kills=${KILLS:-30} seed=${KILL_SEED:-$(date +%s)}
stage "$kills kills, KILL_SEED=$seed"
RANDOM=$((seed % 32768))
steps=(--set adapter.strategy=aslora --set training.num_train_epochs=12)
train 1 kill-one "${steps[@]}"
check 'a run without a kill' ended_with 0
began=$(date +%s%N)
train 2 kill-two "${steps[@]}"
# Milliseconds in which a kill may come.
span=$((($(date +%s%N) - began) / 1000000))
check 'the same with two ranks' equal 1 kill-two kill-one

killed=0 tries=0 wrong=0 hung=0 slowest=0 completed=0
mkdir -p runs/kill
begun() { [ -n "$(ranks)" ] || ended; }
complete() {
  completed=$((completed + 1))
  equal 1 kill kill-one || wrong=$((wrong + 1))
  rm -rf runs/kill
}
while [ "$killed" -lt "$kills" ] && [ "$tries" -lt $((kills * 5)) ]; do
  tries=$((tries + 1))
  count=$((1 + RANDOM % 4))
  launcher=openmpi
  [ "$count" -ne 2 ] || [ $((RANDOM % 2)) -eq 0 ] || launcher=mpich
  begin_train "$count" kill "${steps[@]}" --resume
  moment=$((RANDOM * span / 32768))
  sleep "$((moment / 1000)).$(printf %03d $((moment % 1000)))"
  mapfile -t victims < <(ranks)
  if [ "${#victims[@]}" -eq 0 ]; then
    await 20 begun || true
    mapfile -t victims < <(ranks)
  fi
  if [ "${#victims[@]}" -gt 0 ] && kill -KILL "${victims[RANDOM % ${#victims[@]}]}" 2>/dev/null; then
    at=$(date +%s%N)
    gone 10 || hung=$((hung + 1))
    took=$((($(date +%s%N) - at) / 1000000))
    [ "$took" -le "$slowest" ] || slowest=$took
    finish_job
    [ "$status" -eq 0 ] || killed=$((killed + 1))
    printf '%d ranks of %s, killed after %d ms: status %d, gone in %d ms\n' "$count" "$launcher" "$moment" "$status" \
      "$took" >&2
  else
    finish_job
  fi
  case "$status" in
    0) complete ;;
    # The signal's (Open MPI, no launcher), or 9, or before the ranks have met 255 (MPICH).
    9 | 137 | 255) ;;
    *)
      wrong=$((wrong + 1))
      note "unexpected status $status:"
      tail -n 5 "$log" >&2
      ;;
  esac
done
launcher=openmpi
if [ -e runs/kill ]; then
  train $((1 + RANDOM % 4)) kill "${steps[@]}" --resume
  check 'the last run ends' ended_with 0
  complete
fi
check "$killed kills, and $completed runs completed" test "$killed" -ge "$kills" -a "$completed" -gt 0
check 'every completed run has the bytes of a run without a kill' test "$wrong" -eq 0
check "every job was gone within 10 s (the slowest took $slowest ms)" test "$hung" -eq 0
