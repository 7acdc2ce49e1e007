# shellcheck shell=bash
# Part of cluster_test.sh: whether a step takes as long as `train --dry-run --ranks N --network 1gb` says. Only an idle
# machine can tell.

stage 'The time of a step, predicted and measured'
# Whether nothing else runs: the load of the last minute.
idle() { awk '{ exit !($1 < 0.5) }' /proc/loadavg; }

# plan KEY OPTIONS…: a number of the dry run of `arguments`.
plan() {
  on 1 "$program" "${arguments[@]}" --dry-run --json --ranks "$ranks" --network 1gb "${@:2}" 2>plan.log |
    json_number "$1"
}

# speed NAME RANKS BATCH OPTIONS…: one thread a rank.
speed() {
  local name=$1 ranks=$2 batch=$3 judged=yes shard shards exchange predicted measured share
  shift 3
  await "${IDLE_WAIT:-90}" idle || judged=
  mapfile -t arguments < <(config "$name-$ranks")
  arguments+=(--set "model=$(minilm_directory)" --set task.max_train_samples=320 --set training.max_steps=20
    --set "training.train_batch_size=$batch" --set training.save_steps=0
    --set "database=$work/speed-$name-$ranks.sqlite" --set training.eval_strategy=no --set adapter.lora_dropout=0 "$@")
  # A thread is slower where the machine's other processors work too, as they do here on other hosts.
  shard=$(plan shard_seconds --threads "$(nproc)")
  shards=$(plan shards_per_rank) exchange=$(plan exchange_seconds)
  # Hosts of this machine share its processors: their work is done one after the other.
  share=$(((ranks + $(nproc) - 1) / $(nproc)))
  predicted=$(awk "BEGIN { print $shards * $shard * $share + $exchange }")
  run "$ranks" "${arguments[@]}"
  [ "$status" -eq 0 ] || { check "$name: $ranks hosts" ended_with 0 && return; }
  # The first steps also read the weights. Batches are equally large.
  measured=$("$program" runs export --database "$work/speed-$name-$ranks.sqlite" --metric examples_per_second |
    awk -F, -v batch="$batch" 'NR > 1 && $5 > 3 { sum += batch / $NF; count++ } END { print sum / count }')
  awk -v name="$name" -v ranks="$ranks" -v predicted="$predicted" -v shards="$shards" -v shard="$shard" \
    -v share="$share" -v exchange="$exchange" -v measured="$measured" 'BEGIN {
      printf "%s, %d hosts: predicted %.1f ms (%g x %.1f ms a shard x %d + %.1f ms exchange), ",
        name, ranks, 1000 * predicted, shards, 1000 * shard, share, 1000 * exchange
      printf "measured %.1f ms, %+.0f %%\n", 1000 * measured, 100 * (measured / predicted - 1)
    }'
  if [ -n "$judged" ]; then
    check 'within 15 %' awk "BEGIN { exit !($measured < 1.15 * $predicted && $measured > 0.85 * $predicted) }"
  else
    skip 'not judged: busy machine'
  fi
}

if require_hosts 4 'the time of a step'; then
  # Gradients of 0.1 and 7 MB, one shard or two a rank.
  for ranks in 2 4; do
    speed few-numbers "$ranks" $((8 * ranks)) --set adapter.r=4
    speed many-numbers "$ranks" $((8 * ranks)) --set adapter.r=128 \
      --set 'adapter.target_modules=["query","key","value"]'
  done
fi
