#!/usr/bin/env bash
# A sweep from its start to its report, with a kill in between: LoRA and ASLoRA, two seeds each, 80 steps on real SST-2.
# The report is opened in a headless Chromium, in light and dark, and what it drew is counted.
#
#   scripts/sweep.sh [DIRECTORY]
#
#   DIRECTORY      where runs, report and pictures go (default: a new directory under /tmp)
#   GLUE_DIR       GLUE in its own layout (default: the quick start's small data set)
#   MINILM_DIR     the all-MiniLM-L6-v2 checkpoint (default: models/all-MiniLM-L6-v2)
#   PROGRAM        the program (default: .build/release/swift-peft)
#   STEPS, SAMPLES, DEV   optimiser steps of a run, training sentences, development sentences (80, 1600, 400)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$repository"
program=$(readlink -f "${PROGRAM:-.build/release/swift-peft}") || true
[ -x "$program" ] || die "there is no ${PROGRAM:-.build/release/swift-peft}: build it, or set PROGRAM"
[ -f "$(minilm_directory)/model.safetensors" ] || die "there is no model in $(minilm_directory): set MINILM_DIR"
work=${1:-$(mktemp -d /tmp/swift-peft-sweep-XXXXXX)}
mkdir -p "$work"
data=$repository/configs/quickstart-data
if [ -n "${GLUE_DIR:-}" ] && [ -f "$GLUE_DIR/SST-2/train.tsv" ]; then data=$GLUE_DIR/SST-2; fi

steps=${STEPS:-80}
cat >"$work/sweep.json" <<END
// swift-peft sweep sweep.json
{
  "name": "sst2",
  "model": "$(minilm_directory)",
  "task": { "name": "sst2", "data_dir": "$data", "max_seq_length": 64,
            "max_train_samples": ${SAMPLES:-1600}, "max_eval_samples": ${DEV:-400} },
  "adapter": { "r": 8, "lora_alpha": 16, "target_modules": ["query", "value"],
               "aslora": { "start_step": $((steps / 5)), "merge_interval": $((steps / 8)), "num_merges": 4 } },
  "training": { "max_steps": $steps, "train_batch_size": 16, "learning_rate": 6e-3, "logging_steps": 1,
                "eval_strategy": "steps", "eval_steps": $((steps / 4)), "save_steps": $((steps / 4)) },
  "sweep": { "adapter.strategy": ["lora", "aslora"], "training.seed": [1, 2] },
  "output_dir": "$work/runs",
  "database": "$work/runs.sqlite"
}
END

stage "Sweeping in $work, killed in the second run"
"$program" sweep "$work/sweep.json" 2>"$work/first.log" &
sweep=$!
until grep -q '^training strategy-lora_seed-2' "$work/first.log"; do
  kill -0 "$sweep" 2>/dev/null || die "the sweep ended by itself: $(cat "$work/first.log")"
  sleep 0.2
done
sleep 4
kill -9 "$sweep"
wait "$sweep" 2>/dev/null || true
cat "$work/first.log" >&2

stage 'The same command again'
"$program" sweep "$work/sweep.json" | tee "$work/table.txt"

stage 'Reports'
"$program" runs list --database "$work/runs.sqlite" --sort score
"$program" runs compare --database "$work/runs.sqlite" --status completed
"$program" runs report --database "$work/runs.sqlite" --status completed --output "$work/report.html"
"$repository/scripts/report_check.sh" "$work/report.html" "$work"
