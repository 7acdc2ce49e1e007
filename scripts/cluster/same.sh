# shellcheck shell=bash
# Part of cluster_test.sh: the bytes of one process, on any number of hosts.

stage 'The bytes of one process'
if [ "$hosts" -gt 0 ]; then
  run 4 doctor
  check 'doctor sees four hosts' ended_with 0
  check 'their names are in it' test "$(grep -oE 'spn[1-4]' "$log.out" | sort -u | wc -l)" -eq 4
fi

same_case() {
  local name=$1 count
  shift
  train 1 "$name" "$@"
  check "$name: one process" ended_with 0
  for launcher in openmpi mpich; do
    for count in 2 4; do
      # Ranks of MPICH never leave a processor, so they need one each.
      [ "$launcher" = openmpi ] || [ "$count" -eq 2 ] || [ "$name" = lora ] || continue
      train "$count" "$name-$launcher-$count" "$@"
      check "$name: $count ranks of $launcher" ended_with 0
      check "$name: the same bytes" equal 1 "$name-$launcher-$count" "$name"
    done
  done
  launcher=openmpi
}
same_case lora
same_case share-ab --set adapter.strategy=share-ab
same_case aslora --set adapter.strategy=aslora
# A batch of 4 sentences is a single shard: all ranks but one have nothing to do.
same_case more-ranks-than-shards --set training.train_batch_size=4 --set training.max_steps=6
check 'no process is left over' gone 10
