#!/usr/bin/env bash
# From a fresh clone to two trained adapters: builds swift-peft, gets a small BERT, fine-tunes it with LoRA and with
# ASLoRA, scores both and compares their sizes. Can be run again; what is there already is kept or replaced.
#
#   scripts/quickstart.sh [--no-install]
#
#   --no-install   never call apt-get; say what is missing instead
#   GLUE_DIR       if set: train on the first 8,000 sentences of $GLUE_DIR/SST-2, not on configs/quickstart-data
#   MINILM_DIR     if set: the all-MiniLM-L6-v2 checkpoint to use instead of downloading it
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

install=
for argument; do
  case "$argument" in
    --no-install) install=no-install ;;
    -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p;}' "${BASH_SOURCE[0]}" && exit 0 ;;
    *) status=64 die "unknown argument $argument (only --no-install is known)" ;;
  esac
done

cd "$repository"
stage 'Checking Swift and system packages'
require_system "$install"
require_minilm

stage 'Building swift-peft (release; some minutes the first time)'
swift build -c release --product swift-peft >&2
program=.build/release/swift-peft

config=configs/quickstart.json
overrides=(--set "model=$(minilm_directory)")
if [ -n "${GLUE_DIR:-}" ]; then
  [ -f "$GLUE_DIR/SST-2/train.tsv" ] || die "GLUE_DIR: there is no $GLUE_DIR/SST-2/train.tsv"
  overrides+=(--set "task.data_dir=$GLUE_DIR/SST-2" --set task.max_train_samples=8000 --set training.num_train_epochs=2)
fi

for strategy in lora aslora; do
  stage "Fine-tuning with $strategy"
  "$program" train "$config" "${overrides[@]}" --overwrite --set "name=quickstart-$strategy" \
    --set "adapter.strategy=$strategy" --output-dir "runs/quickstart-$strategy"
  stage "Scoring runs/quickstart-$strategy"
  "$program" eval "runs/quickstart-$strategy" --quiet
done

stage 'Trainable parameters of every strategy, this model'
"$program" compare-params "$config" "${overrides[@]}"

# The adapter's numbers of a strategy, after ASLoRA's merges.
adapter_parameters() {
  "$program" compare-params "$config" "${overrides[@]}" --strategies "$1" --format csv | awk -F, 'END { print $2 }'
}

stage "Done in $((SECONDS / 60)) min $((SECONDS % 60)) s"
printf '%-10s %10s %20s\n' strategy accuracy 'adapter parameters'
for strategy in lora aslora; do
  printf '%-10s %10.4f %20s\n' "$strategy" \
    "$(json_number accuracy <"runs/quickstart-$strategy/eval_results.json")" "$(adapter_parameters "$strategy")"
done
cat <<END

What to try next, from $repository:
  echo 'the soup was not bad at all' | $program predict runs/quickstart-aslora
  $program train $config --dry-run --overwrite
  $program train $config --overwrite --set adapter.strategy=share-a \\
    --output-dir runs/quickstart-share-a
  $program doctor
END
