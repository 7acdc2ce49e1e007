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
  for count in 2 4; do
    train "$count" "$name-$count" "$@"
    check "$name: $count ranks, Open MPI" ended_with 0
    check "$name: the same bytes" equal 1 "$name-$count" "$name"
  done
  launcher=mpich
  train 2 "$name-mpich" "$@"
  launcher=openmpi
  check "$name: 2 ranks, MPICH" ended_with 0
  check "$name: the same bytes" equal 1 "$name-mpich" "$name"
}
same_case lora
same_case share-ab --set adapter.strategy=share-ab
same_case aslora --set adapter.strategy=aslora
# A batch of 4 sentences is a single shard: all ranks but one have nothing to do.
same_case more-ranks-than-shards --set training.train_batch_size=4 --set training.max_steps=6
check 'no process is left over' gone 10
